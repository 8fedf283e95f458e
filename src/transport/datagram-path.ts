/**
 * One way to a viewer: a local socket and a remote address. Paths are made by the ports (udp-port.ts, tcp-port.ts),
 * one object for each remote address, so that they can be compared.
 */
export interface DatagramPath {
  readonly protocol: 'udp' | 'tcp';
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Priority of our candidate behind it (RFC 8445 section 5.1.2). */
  readonly localPriority: number;
  /** Never throws and never waits; what cannot be sent is lost, as datagrams are. Takes ownership of `data`. */
  send(data: Uint8Array): void;
}

/** Called for each datagram; `data` is the receiver's to keep. */
export type DatagramHandler = (data: Buffer, path: DatagramPath) => void;

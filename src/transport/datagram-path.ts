/**
 * One way to a viewer: a local socket and a remote address. The ports (udp-port.ts, tcp-port.ts) make one for each
 * datagram and remember none, so that datagrams from anywhere cost no memory; paths are the same if their keys are.
 */
export interface DatagramPath {
  readonly key: string;
  readonly protocol: 'udp' | 'tcp';
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Priority of our candidate behind it (RFC 8445 section 5.1.2). */
  readonly localPriority: number;
  /** Never throws and never waits; what cannot be sent is lost, as datagrams are. Takes ownership of `data`. */
  send(data: Uint8Array): void;
  /** Nothing more will be sent; for a connection, which is ended then. */
  close?(): void;
}

/** Called for each datagram; `data` is the receiver's to keep. */
export type DatagramHandler = (data: Buffer, path: DatagramPath) => void;

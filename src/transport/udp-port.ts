import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { DatagramHandler, DatagramPath } from './datagram-path.js';

const RECEIVE_BUFFER_BYTES = 1 << 20;
/** Holds a key picture for some hundred viewers, which leaves in one burst. */
const SEND_BUFFER_BYTES = 4 << 20;
const MAX_QUEUED_BYTES = 4 << 20;

export interface UdpPortOptions {
  readonly address: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly priority: number;
  onDatagram: DatagramHandler;
}

/** One bound UDP socket for all viewers that come to its address. */
export class UdpPort {
  readonly address: string;
  readonly #socket: Socket;
  readonly #options: UdpPortOptions;

  private constructor(socket: Socket, options: UdpPortOptions) {
    this.address = options.address;
    this.#socket = socket;
    this.#options = options;
    socket.on('message', (data, { address, port }) => options.onDatagram(data, this.pathTo(address, port)));
    // An unreachable viewer must not end the server; its consent runs out instead.
    socket.on('error', () => {});
  }

  /** Rejects with the system's error, for example EADDRINUSE. */
  static async create(options: UdpPortOptions): Promise<UdpPort> {
    const family = isIPv6(options.address) ? 6 : 4;
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ipv6Only: family === 6,
      recvBufferSize: RECEIVE_BUFFER_BYTES,
      sendBufferSize: SEND_BUFFER_BYTES,
      // Addresses are numbers here; without this each send goes through the resolver and waits for the next tick.
      lookup: (host, _options, callback) => callback(null, host, family),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: options.address, port: options.port }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    return new UdpPort(socket, options);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  pathTo(remoteAddress: string, remotePort: number): DatagramPath {
    const socket = this.#socket;
    return {
      key: `udp ${this.address} ${remoteAddress} ${remotePort}`,
      protocol: 'udp',
      localAddress: this.address,
      remoteAddress,
      remotePort,
      localPriority: this.#options.priority,
      send: (data) => {
        try {
          // The kernel takes it at once or, with its buffer full, later; a queue here would only grow old.
          if (socket.getSendQueueSize() > MAX_QUEUED_BYTES) return;
          socket.send(data, remotePort, remoteAddress);
        } catch {
          // Closed, or an address that cannot be used.
        }
      },
    };
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

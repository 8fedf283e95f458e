import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { DatagramHandler, DatagramPath } from './datagram-path.js';

/**
 * Passive ICE-TCP (RFC 6544): the viewer connects, and each datagram travels behind its length in two bytes (RFC 4571
 * section 2).
 */

const MAX_FRAME_BYTES = 2048;
/** What waits in a socket that its viewer does not read; a second of a picture stream and more. */
const MAX_WAITING_BYTES = 256 * 1024;
const MAX_CONNECTIONS = 2048;
/** A connection that sends nothing for so long is no viewer: ICE checks come every few seconds. */
const IDLE_LIMIT_MS = 40_000;

export interface TcpPortOptions {
  readonly address: string;
  readonly port: number;
  readonly priority: number;
  onDatagram: DatagramHandler;
  /** The connection ended; nothing more comes from it. */
  onGone(path: DatagramPath): void;
}

export class TcpPort {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #options: TcpPortOptions;

  private constructor(server: Server, options: TcpPortOptions) {
    this.address = options.address;
    this.#server = server;
    this.#options = options;
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', (socket) => this.#accept(socket));
    server.on('error', () => {});
  }

  /** Rejects with the system's error, for example EADDRINUSE. */
  static async create(options: TcpPortOptions): Promise<TcpPort> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: options.address, port: options.port, ipv6Only: true }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return new TcpPort(server, options);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || remotePort === undefined) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const path: DatagramPath = {
      key: `tcp ${this.address} ${remoteAddress} ${remotePort}`,
      protocol: 'tcp',
      localAddress: this.address,
      remoteAddress,
      remotePort,
      localPriority: this.#options.priority,
      send: (data) => writeFrame(socket, data),
      close: () => socket.end(),
    };
    let rest: Buffer = Buffer.alloc(0);
    socket.setTimeout(IDLE_LIMIT_MS, () => socket.destroy());
    socket.on('data', (bytes) => {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      while (rest.length >= 2) {
        const size = rest.readUInt16BE(0);
        if (size > MAX_FRAME_BYTES) {
          socket.destroy();
          return;
        }
        if (rest.length < 2 + size) return;
        const frame = Buffer.from(rest.subarray(2, 2 + size));
        rest = rest.subarray(2 + size);
        this.#options.onDatagram(frame, path);
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#options.onGone(path);
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** A viewer that stopped reading loses datagrams, as on UDP; it must not make the server keep them. */
function writeFrame(socket: Socket, data: Uint8Array): void {
  if (!socket.writable || socket.writableLength > MAX_WAITING_BYTES) return;
  const frame = Buffer.allocUnsafe(2 + data.length);
  frame.writeUInt16BE(data.length, 0);
  frame.set(data, 2);
  socket.write(frame);
}

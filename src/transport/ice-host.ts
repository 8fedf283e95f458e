import { isIPv6 } from 'node:net';
import { AppError } from '../errors.js';
import type { Log } from '../lib/log.js';
import type { DatagramPath } from './datagram-path.js';
import {
  candidatePriority,
  localAddresses,
  type LocalCandidate,
  type RemoteCandidate,
} from './ice-candidate.js';
import type { IceAgent } from './ice-agent.js';
import { readStun } from './stun.js';
import { TcpPort } from './tcp-port.js';
import { UdpPort } from './udp-port.js';

/**
 * The sockets of all viewers: one UDP port (and one TCP port) on each address of the machine. Datagrams find their
 * viewer by the user fragment of its ICE checks, and from then on by where they come from (RFC 8445 section 7.3,
 * RFC 7983 for telling STUN, DTLS and media apart).
 */

const MAX_ADDRESSES = 16;
const ANY_PORT_TRIES = 20;

export interface IceHostOptions {
  /** First and last port to try; absent: any free port. One number twice: exactly that port. */
  readonly portRange?: readonly [number, number];
  /** Also listen for ICE-TCP on the same number. */
  readonly tcp: boolean;
  /** Addresses under which a one-to-one NAT shows this machine. */
  readonly publicHosts: readonly string[];
  /** Default: all addresses of the machine. */
  readonly addresses?: readonly string[];
  readonly log: Log;
}

/** What the host needs of a viewer. */
export interface IceClient {
  readonly agent: IceAgent;
  /** DTLS and SRTP from a path that passed a check. */
  onDatagram(data: Buffer, path: DatagramPath): void;
  onPathGone(path: DatagramPath): void;
}

export class IceHost {
  readonly candidates: readonly LocalCandidate[];
  readonly #udp: readonly UdpPort[];
  readonly #tcp: readonly TcpPort[];
  readonly #byUfrag = new Map<string, IceClient>();
  /** By the beginning of the transaction ids of its checks: their answers may come before the path has an owner. */
  readonly #byTag = new Map<string, IceClient>();
  /** By the key of the path. */
  readonly #byPath = new Map<string, { client: IceClient; path: DatagramPath }>();

  private constructor(udp: UdpPort[], tcp: TcpPort[], publicHosts: readonly string[]) {
    this.#udp = udp;
    this.#tcp = tcp;
    const all = [
      ...udp.flatMap((port, at) => candidatesOf(port, 'udp', at, publicHosts)),
      ...tcp.flatMap((port, at) => candidatesOf(port, 'tcp', at, publicHosts)),
    ];
    // A public address stands for several private ones, but is one candidate.
    const named = new Map(all.reverse().map((one) => [`${one.protocol} ${one.address} ${one.port}`, one]));
    this.candidates = [...named.values()].sort((a, b) => b.priority - a.priority);
  }

  /** @throws internal when no address can be bound */
  static async create(options: IceHostOptions): Promise<IceHost> {
    const addresses = (options.addresses ?? localAddresses()).slice(0, MAX_ADDRESSES);
    const box: { host?: IceHost } = {};
    const onDatagram = (data: Buffer, path: DatagramPath): void => box.host?.onDatagram(data, path);
    const onGone = (path: DatagramPath): void => box.host?.onPathGone(path);
    const { udp, port } = await bindAll(addresses, options, onDatagram);
    const tcp: TcpPort[] = [];
    if (options.tcp) {
      for (const [at, { address }] of udp.entries()) {
        try {
          tcp.push(
            await TcpPort.create({ address, port, priority: priorityOf('tcp', at), onDatagram, onGone }),
          );
        } catch (error) {
          options.log.warn({ address, port, err: error }, 'no ICE-TCP on this address');
        }
      }
    }
    box.host = new IceHost(udp, tcp, options.publicHosts);
    return box.host;
  }

  get port(): number {
    return this.#udp[0]?.port ?? 0;
  }

  add(client: IceClient): void {
    this.#byUfrag.set(client.agent.local.ufrag, client);
    this.#byTag.set(client.agent.tag, client);
  }

  /**
   * The path is this viewer's from now on. One that another viewer has is only given away when the new one has `proven`
   * that it receives there: sender addresses can be forged.
   */
  claim(path: DatagramPath, client: IceClient, proven: boolean): void {
    if (proven || !this.#byPath.has(path.key)) this.#byPath.set(path.key, { client, path });
  }

  remove(client: IceClient): void {
    this.#byUfrag.delete(client.agent.local.ufrag);
    this.#byTag.delete(client.agent.tag);
    for (const [key, owned] of this.#byPath) {
      if (owned.client !== client) continue;
      this.#byPath.delete(key);
      owned.path.close?.();
    }
  }

  pathsTo(candidate: RemoteCandidate): DatagramPath[] {
    const loopback = isLoopback(candidate.address);
    return this.#udp
      .filter(
        ({ address }) => isIPv6(address) === isIPv6(candidate.address) && isLoopback(address) === loopback,
      )
      .map((port) => port.pathTo(candidate.address, candidate.port));
  }

  onDatagram(data: Buffer, path: DatagramPath): void {
    const [first] = data;
    if (first === undefined) return;
    if (first < 4) this.#onStun(data, path);
    else this.#byPath.get(path.key)?.client.onDatagram(data, path);
  }

  onPathGone(path: DatagramPath): void {
    const owned = this.#byPath.get(path.key);
    this.#byPath.delete(path.key);
    owned?.client.onPathGone(path);
  }

  async close(): Promise<void> {
    this.#byUfrag.clear();
    this.#byTag.clear();
    this.#byPath.clear();
    await Promise.all([...this.#udp, ...this.#tcp].map((port) => port.close()));
  }

  #onStun(data: Buffer, path: DatagramPath): void {
    const message = readStun(data);
    if (message?.type === 'request') {
      const [ufrag = ''] = (message.username ?? '').split(':');
      this.#byUfrag.get(ufrag)?.agent.onRequest(message, path);
    } else if (message?.type === 'success' || message?.type === 'error') {
      this.#byTag.get(message.transactionId.toString('hex', 0, 4))?.agent.onResponse(message, path);
    }
  }
}

async function bindAll(
  addresses: readonly string[],
  options: IceHostOptions,
  onDatagram: (data: Buffer, path: DatagramPath) => void,
): Promise<{ udp: UdpPort[]; port: number }> {
  const [first = 0, last = 0] = options.portRange ?? [];
  const tries = options.portRange === undefined ? ANY_PORT_TRIES : last - first + 1;
  let reason: unknown;
  for (let attempt = 0; attempt < tries; attempt++) {
    let port = options.portRange === undefined ? 0 : first + attempt;
    const udp: UdpPort[] = [];
    try {
      for (const [at, address] of addresses.entries()) {
        try {
          const bound = await UdpPort.create({ address, port, priority: priorityOf('udp', at), onDatagram });
          udp.push(bound);
          port = bound.port;
        } catch (error) {
          // An address may have gone since it was listed; a port that is taken is another matter.
          if ((error as NodeJS.ErrnoException).code !== 'EADDRNOTAVAIL') throw error;
        }
      }
      if (udp.length > 0) return { udp, port };
    } catch (error) {
      reason = error;
      await Promise.all(udp.map((one) => one.close()));
    }
  }
  const where = options.portRange === undefined ? '' : ` in ${first}-${last}`;
  throw new AppError('internal', `no UDP port${where} is free on all of ${addresses.join(', ')}`, {
    cause: reason,
  });
}

function priorityOf(protocol: 'udp' | 'tcp', at: number): number {
  return candidatePriority('host', (protocol === 'udp' ? 65_535 : 32_767) - 64 * at);
}

/** The port's own address, before it a twin for each public address that stands for it outside. */
function candidatesOf(
  bound: { address: string; port: number },
  protocol: 'udp' | 'tcp',
  at: number,
  publicHosts: readonly string[],
): LocalCandidate[] {
  const { address, port } = bound;
  const own: LocalCandidate = { address, port, protocol, priority: priorityOf(protocol, at), type: 'host' };
  if (isLoopback(address)) return [own];
  const twins = publicHosts
    .filter((host) => isIPv6(host) === isIPv6(address) && host !== address)
    .map((host, n): LocalCandidate => ({ ...own, address: host, priority: own.priority + 256 * (n + 1) }));
  return [...twins, own];
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

import type { Clock } from '../lib/clock.js';
import type { Log } from '../lib/log.js';
import type { DatagramPath } from './datagram-path.js';
import { DtlsEndpoint, type DtlsIdentity, type Fingerprint, type SrtpKeys } from './dtls-endpoint.js';
import type { HandshakePacer } from './handshake-pacer.js';
import { IceAgent, type IceCredentials } from './ice-agent.js';
import { readCandidate } from './ice-candidate.js';
import type { IceClient, IceHost } from './ice-host.js';

/** Handshake datagrams of one viewer that may wait for their turn; a handshake has a handful. */
const MAX_WAITING_STEPS = 16;

/** What all viewers share. */
export interface TransportHost {
  readonly ice: IceHost;
  readonly identity: DtlsIdentity;
  readonly pacer: HandshakePacer;
  /** Only answer checks; for a server that everybody can reach. */
  readonly lite: boolean;
}

export interface PeerTransportOptions {
  readonly host: TransportHost;
  readonly remote: IceCredentials;
  readonly remoteIsLite: boolean;
  readonly fingerprints: readonly Fingerprint[];
  readonly clock: Clock;
  readonly log: Log;
  /** What protects our media, and the viewer's. */
  onConnected(own: SrtpKeys, remote: SrtpKeys): void;
  /** A packet of media as it came, protected; absent where none is expected. */
  onRtp?(packet: Buffer): void;
  /** A compound packet, decrypted and authentic. */
  onRtcp(packet: Buffer): void;
  /** Once, unless `close` came first. */
  onClosed(reason: string): void;
}

/** The encrypted way to one viewer: ICE below, DTLS beside, and media through both. */
export class PeerTransport {
  readonly #options: PeerTransportOptions;
  readonly #dtls: DtlsEndpoint;
  #client: IceClient;
  /** Credentials of a restart that has no path yet; the running ones stay until it has (RFC 8445 section 2.4). */
  #next: IceClient | undefined;
  #path: DatagramPath | undefined;
  /** Agreed on, but no path was selected yet. */
  #keys: readonly [own: SrtpKeys, remote: SrtpKeys] | undefined;
  #closed = false;
  #waitingSteps = 0;

  constructor(options: PeerTransportOptions) {
    this.#options = options;
    this.#dtls = new DtlsEndpoint({
      identity: options.host.identity,
      fingerprints: options.fingerprints,
      send: (record) => this.#path?.send(record),
      onConnected: (own, remote) => {
        this.#keys = [own, remote];
        this.#announce();
      },
      onClosed: (reason) => this.#lose(reason),
    });
    this.#client = this.#attach(options.remote);
  }

  get credentials(): IceCredentials {
    return this.#client.agent.local;
  }

  /** Value of an `a=candidate` line; what cannot be used is ignored. */
  addCandidate(line: string): void {
    const candidate = readCandidate(line);
    if (candidate !== undefined && !this.#closed) (this.#next ?? this.#client).agent.addCandidate(candidate);
  }

  /** Returns our new credentials; the old path carries on until the viewer checks with the new ones. */
  restartIce(remote: IceCredentials): IceCredentials {
    if (this.#next !== undefined) this.#detach(this.#next);
    this.#next = this.#attach(remote);
    return this.#next.agent.local;
  }

  /** Takes ownership. Lost while there is no path. */
  send(packet: Buffer): void {
    this.#path?.send(packet);
  }

  sendRtcp(compound: Buffer): void {
    if (this.#dtls.state === 'connected') this.#path?.send(this.#dtls.protectRtcp(compound));
  }

  close(): void {
    if (this.#closed) return;
    this.#dtls.close();
    this.#end();
  }

  #attach(remote: IceCredentials): IceClient {
    const { host, remoteIsLite, clock } = this.#options;
    const client: IceClient = {
      agent: new IceAgent({
        remote,
        remoteIsLite,
        lite: host.lite,
        clock,
        pathsTo: (candidate) => host.ice.pathsTo(candidate),
        onPath: (path, proven) => host.ice.claim(path, client, proven),
        onSelected: (path) => this.#select(path, client),
        onLost: (reason) => {
          if (client === this.#client) this.#lose(reason);
          else this.#detach(client);
        },
      }),
      onDatagram: (data, path) => this.#receive(data, path),
      onPathGone: (path) => client.agent.forget(path),
    };
    host.ice.add(client);
    return client;
  }

  #detach(client: IceClient): void {
    client.agent.close();
    this.#options.host.ice.remove(client);
  }

  #select(path: DatagramPath, client: IceClient): void {
    this.#path = path;
    if (client === this.#next) {
      this.#detach(this.#client);
      this.#client = client;
      this.#next = undefined;
    }
    this.#announce();
  }

  /** Media need both keys and a path that the viewer nominated. */
  #announce(): void {
    const keys = this.#keys;
    if (keys === undefined || this.#client.agent.selected === undefined || this.#closed) return;
    this.#keys = undefined;
    this.#options.onConnected(...keys);
  }

  /** RFC 7983 section 7. */
  #receive(data: Buffer, path: DatagramPath): void {
    const first = data[0] ?? 0;
    if (first >= 20 && first < 64) {
      if (this.#dtls.state === 'handshake') {
        // A viewer may begin before it has nominated. What is answered then is little; media wait for a selected path.
        if (this.#client.agent.selected === undefined) this.#path = path;
        if (this.#waitingSteps >= MAX_WAITING_STEPS) return;
        this.#waitingSteps += 1;
        const taken = this.#options.host.pacer.run(() => {
          this.#waitingSteps -= 1;
          this.#dtls.receive(data);
        });
        if (!taken) this.#waitingSteps -= 1;
      } else this.#dtls.receive(data);
    } else if (first >= 128 && first < 192 && isRtcp(data) && this.#dtls.state === 'connected') {
      let packet: Buffer;
      try {
        packet = this.#dtls.unprotectRtcp(data);
      } catch {
        return; // forged, repeated or broken
      }
      this.#options.onRtcp(packet);
    } else if (first >= 128 && first < 192) this.#options.onRtp?.(data);
  }

  #lose(reason: string): void {
    if (this.#closed) return;
    // Nothing that is sent from here on would be read, but the other side may be there all the same.
    this.#dtls.close();
    this.#end();
    this.#options.onClosed(reason);
  }

  #end(): void {
    this.#closed = true;
    this.#detach(this.#client);
    if (this.#next !== undefined) this.#detach(this.#next);
    this.#path = undefined;
  }
}

/** RFC 5761 section 4. */
function isRtcp(data: Buffer): boolean {
  const type = data[1] ?? 0;
  return type >= 192 && type <= 223;
}

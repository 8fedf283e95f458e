import { AppError, isAppError, toAppError } from '../../errors.js';
import type { Clock } from '../../lib/clock.js';
import type { TransportHost } from '../../transport/peer-transport.js';
import { adviceOn, checksOf, type DiagnosisCheck } from './diagnosis-words.js';
import { ProbeViewer, type ProbeCandidate, type ProbeResult } from './probe-viewer.js';

/** What the server's test of itself found. */
export interface Diagnosis {
  readonly checks: readonly DiagnosisCheck[];
  /** For a person: what to look at, worst first. */
  readonly summary: readonly string[];
  readonly candidates: readonly {
    readonly address: string;
    readonly port: number;
    readonly protocol: 'udp' | 'tcp';
    readonly type: 'host' | 'public' | 'loopback';
    /** Answered from inside the server. */
    readonly ok: boolean;
    readonly ms?: number;
    readonly fault?: string;
  }[];
  readonly publicHosts: readonly string[];
  readonly icePort: number;
  readonly lite: boolean;
  /** Addresses of the STUN and TURN servers that players are told. */
  readonly turn?: readonly string[];
}

/** What viewers are offered, by all senders together. */
export interface DiagnosedTransport extends Pick<TransportHost, 'identity' | 'pacer' | 'lite'> {
  readonly ice: Pick<TransportHost['ice'], 'candidates' | 'port'>;
}

export interface DiagnosisOptions {
  readonly sessions: {
    create(options: { avatarId: string; engine: 'cpu' }): Promise<{ id: string }>;
    addPeer(sessionId: string, offerSdp: string): Promise<{ peerId: string; answerSdp: string }>;
    removePeer(sessionId: string, peerId: string): Promise<void>;
    stop(id: string): Promise<void>;
  };
  readonly transport: DiagnosedTransport;
  readonly publicHosts: readonly string[];
  /** The UDP port is a configured one, not a chance one. */
  readonly portIsFixed: boolean;
  readonly iceServers?: readonly string[];
  readonly clock: Clock;
}

const DEMO_AVATAR = 'demo';
const SESSION_LIMIT_MS = 5_000;
const JOIN_LIMIT_MS = 4_500;

/** The ways in, each tried by a viewer of its own. */
const WAYS = (['udp', 'tcp'] as const).flatMap((protocol) =>
  ([4, 6] as const).map((family) => ({ protocol, family })),
);

/** A viewer of the server's own watches the demo avatar over every kind of address; one run at a time. */
export class Diagnoses {
  readonly #options: DiagnosisOptions;
  #running = false;

  constructor(options: DiagnosisOptions) {
    this.#options = options;
  }

  /** Takes 10 s at most. @throws no-capacity while another one runs */
  async run(): Promise<Diagnosis> {
    if (this.#running) throw new AppError('no-capacity', 'a diagnosis is running already');
    this.#running = true;
    try {
      return await this.#run();
    } finally {
      this.#running = false;
    }
  }

  async #run(): Promise<Diagnosis> {
    const { sessions, clock } = this.#options;
    const startedMs = clock.now();
    let sessionId: string;
    try {
      sessionId = await this.#openSession();
    } catch (error) {
      const detail = `No test session could be opened: ${toAppError(error).message}. ${hintOn(error)}`;
      return this.#report([{ name: 'session', ok: false, detail }], new Map());
    }
    const ms = Math.round(clock.now() - startedMs);
    try {
      const results = await this.#joinAll(sessionId);
      const opened = { name: 'session', ok: true, ms, detail: 'A session of the demo avatar was opened.' };
      return this.#report([opened], results);
    } finally {
      await sessions.stop(sessionId).catch(() => {});
    }
  }

  async #openSession(): Promise<string> {
    const { sessions, clock } = this.#options;
    const opening = sessions.create({ avatarId: DEMO_AVATAR, engine: 'cpu' });
    let stopLimit = (): void => {};
    const late = new Promise<never>((_, reject) => {
      stopLimit = clock.after(SESSION_LIMIT_MS, () =>
        reject(new AppError('timeout', `it was not ready after ${SESSION_LIMIT_MS / 1000} s`)),
      );
    });
    try {
      return (await Promise.race([opening, late])).id;
    } catch (error) {
      // It may still come: nobody would end it.
      opening.then(
        ({ id }) => sessions.stop(id).catch(() => {}),
        () => {},
      );
      throw error;
    } finally {
      stopLimit();
    }
  }

  async #joinAll(sessionId: string): Promise<Map<string, ProbeResult>> {
    const { sessions, transport, clock } = this.#options;
    const offered = transport.ice.candidates;
    const ways = WAYS.filter((way) => offered.some((candidate) => isOf(candidate, way)));
    const results = await Promise.all(
      ways.map(async (way) => {
        const result = await ProbeViewer.run({
          transport,
          join: (offer) => sessions.addPeer(sessionId, offer),
          leave: (peerId) => sessions.removePeer(sessionId, peerId),
          sees: (candidate) => isOf(candidate, way),
          clock,
          limitMs: JOIN_LIMIT_MS,
        });
        return [`${way.protocol}${way.family}`, result] as const;
      }),
    );
    return new Map(results);
  }

  #report(first: readonly DiagnosisCheck[], results: ReadonlyMap<string, ProbeResult>): Diagnosis {
    const { transport, publicHosts, portIsFixed, iceServers } = this.#options;
    const checks = [...first, ...[...results].flatMap(([way, result]) => checksOf(way, result))];
    const probed = [...results.values()].flatMap((result) => result.candidates);
    // Of several senders, each with ports of its own, the test met one for each way in.
    const met = transport.ice.candidates.filter(
      (offered) =>
        probed.some((one) => isSame(one, offered)) ||
        !probed.some((one) => isSame({ ...one, port: offered.port }, offered)),
    );
    const candidates = met.map(({ address, port, protocol }) => {
      const found = probed.find((one) => isSame(one, { address, port, protocol }));
      return {
        ...{ address, port, protocol, type: typeOf(address, publicHosts), ok: found?.ms !== undefined },
        ...(found?.ms === undefined ? {} : { ms: found.ms }),
        ...(found?.fault === undefined ? {} : { fault: found.fault }),
      };
    });
    const facts = { checks, candidates, publicHosts, icePort: transport.ice.port, lite: transport.lite };
    return {
      ...facts,
      summary: adviceOn({ ...facts, portIsFixed, hasIceServers: (iceServers ?? []).length > 0 }),
      ...(iceServers === undefined || iceServers.length === 0 ? {} : { turn: iceServers }),
    };
  }
}

function isOf(candidate: ProbeCandidate, way: { protocol: 'udp' | 'tcp'; family: 4 | 6 }): boolean {
  return candidate.protocol === way.protocol && candidate.address.includes(':') === (way.family === 6);
}

function isSame(one: ProbeCandidate, other: ProbeCandidate): boolean {
  return one.address === other.address && one.port === other.port && one.protocol === other.protocol;
}

function typeOf(address: string, publicHosts: readonly string[]): 'host' | 'public' | 'loopback' {
  if (publicHosts.includes(address)) return 'public';
  return address === '::1' || address.startsWith('127.') ? 'loopback' : 'host';
}

function hintOn(error: unknown): string {
  if (isAppError(error, 'no-capacity')) return 'Try again when a session has ended, or raise --max-sessions.';
  if (isAppError(error, 'avatar-not-found') || isAppError(error, 'avatar-not-ready'))
    return 'The test watches the shipped demo avatar; it is prepared at the start, and the log says why it is missing.';
  return "The server's log says more.";
}

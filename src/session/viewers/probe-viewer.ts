import { randomBytes } from 'node:crypto';
import type { Clock } from '../../lib/clock.js';
import { vp8Start } from '../../rtp/vp8-start.js';
import { readProbeAnswer, writeProbeOffer, type ProbeAnswer } from '../../sdp/probe-sdp.js';
import { DtlsViewer } from '../../transport/dtls-client.js';
import type { IceCredentials } from '../../transport/ice-agent.js';
import { IceProbe } from '../../transport/ice-probe.js';
import type { TransportHost } from '../../transport/peer-transport.js';

export type ProbeCandidate = ProbeAnswer['candidates'][number];

/** Candidates that have not answered by then after everything else was there are given up. */
const STRAGGLERS_MS = 700;
const MAX_EARLY = 256;

/** How far a viewer of our own came. Times in ms since its offer; absent: it did not get there. */
export interface ProbeResult {
  /** Candidates that were checked, with the time of their first answer or the system's reason why not. */
  readonly candidates: readonly (ProbeCandidate & { readonly ms?: number; readonly fault?: string })[];
  readonly answeredMs?: number;
  readonly codecs?: { readonly picture: boolean; readonly sound: boolean };
  readonly pairMs?: number;
  readonly dtlsMs?: number;
  readonly dtlsFault?: string;
  readonly keyPictureMs?: number;
  readonly soundMs?: number;
  /** Of pictures and sound together. */
  readonly packets: number;
}

export interface ProbeViewerOptions {
  readonly transport: Pick<TransportHost, 'identity' | 'pacer'>;
  /** Hands the offer to the session, as `POST /whep/...` does. */
  join(offerSdp: string): Promise<{ peerId: string; answerSdp: string }>;
  leave(peerId: string): Promise<void>;
  /** Which of the answer's candidates this viewer can see. */
  sees(candidate: ProbeCandidate): boolean;
  readonly clock: Clock;
  readonly limitMs: number;
}

/** Joins a session as a viewer, over the candidates that it sees, and leaves when picture and sound are there. */
export class ProbeViewer {
  readonly #options: ProbeViewerOptions;
  readonly #startedMs: number;
  readonly #result: { -readonly [K in keyof ProbeResult]: ProbeResult[K] } = { candidates: [], packets: 0 };
  readonly #reachedMs = new Map<ProbeCandidate, number>();
  #answer: ProbeAnswer | undefined;
  #ice: IceProbe<ProbeCandidate> | undefined;
  #dtls: DtlsViewer | undefined;
  /** Next number that the key picture under way needs. */
  #keyAt: number | undefined;
  #unanswered = 0;
  /** Media that came before our side of the handshake was done: the first key picture among them. */
  readonly #early: Buffer[] = [];
  #stopWaiting: (() => void) | undefined;
  #done: () => void = () => {};

  private constructor(options: ProbeViewerOptions) {
    this.#options = options;
    this.#startedMs = options.clock.now();
  }

  /** @throws what `join` throws */
  static run(options: ProbeViewerOptions): Promise<ProbeResult> {
    return new ProbeViewer(options).#run();
  }

  async #run(): Promise<ProbeResult> {
    const { transport, clock, limitMs, join, leave, sees } = this.#options;
    const { fingerprint } = transport.identity;
    const local: IceCredentials = {
      ufrag: randomBytes(6).toString('base64'),
      pwd: randomBytes(18).toString('base64'),
    };
    const finished = new Promise<void>((resolve) => (this.#done = resolve));
    const stopLimit = clock.after(limitMs, () => this.#done());
    const { peerId, answerSdp } = await join(writeProbeOffer({ ...local, fingerprint }));
    try {
      const answer = readProbeAnswer(answerSdp);
      this.#answer = answer;
      this.#result.answeredMs = this.#ms();
      this.#result.codecs = { picture: answer.vp8 !== undefined, sound: answer.opus !== undefined };
      const targets = answer.candidates.filter(sees);
      const ice = new IceProbe({
        local,
        remote: answer,
        targets,
        clock,
        onReached: (target, first) => this.#reached(target, first),
        onData: (data) => this.#receive(data),
      });
      this.#ice = ice;
      this.#unanswered = targets.length;
      await finished;
      this.#result.candidates = targets.map((target) => {
        const ms = this.#reachedMs.get(target);
        const fault = ice.faultOf(target);
        return {
          ...target,
          ...(ms === undefined ? {} : { ms }),
          ...(ms !== undefined || fault === undefined ? {} : { fault }),
        };
      });
      return this.#result;
    } finally {
      stopLimit();
      this.#stopWaiting?.();
      this.#dtls?.close();
      this.#ice?.close();
      await leave(peerId).catch(() => {});
    }
  }

  #ms(): number {
    return Math.round((this.#options.clock.now() - this.#startedMs) * 10) / 10;
  }

  #reached(target: ProbeCandidate, first: boolean): void {
    this.#reachedMs.set(target, this.#ms());
    this.#unanswered -= 1;
    if (!first) {
      this.#finishIfAll();
      return;
    }
    this.#result.pairMs = this.#ms();
    this.#dtls = new DtlsViewer({
      identity: this.#options.transport.identity,
      fingerprints: this.#answer?.fingerprints ?? [],
      send: (record) => this.#ice?.send(record),
      onConnected: () => {
        this.#result.dtlsMs = this.#ms();
        for (const packet of this.#early.splice(0)) this.#takeMedia(packet);
      },
      onFailed: (reason) => {
        this.#result.dtlsFault = reason;
        this.#done();
      },
    });
    this.#dtls.start();
  }

  /** RFC 7983 section 7. */
  #receive(data: Buffer): void {
    const first = data[0] ?? 0;
    if (first >= 20 && first < 64) {
      // Its arithmetic runs on the thread that sends to real viewers, so it waits its turn among the other handshakes.
      this.#options.transport.pacer.run(() => this.#dtls?.receive(data));
    } else if (first >= 128 && first < 192 && !isRtcp(data)) {
      if (this.#result.dtlsMs !== undefined) this.#takeMedia(data);
      else if (this.#early.length < MAX_EARLY) this.#early.push(data);
    }
  }

  #takeMedia(data: Buffer): void {
    try {
      this.#takeRtp(this.#dtls?.unprotect(data));
    } catch {
      // not authentic
    }
  }

  #takeRtp(packet: Buffer | undefined): void {
    if (packet === undefined) return;
    this.#result.packets += 1;
    const type = (packet[1] ?? 0) & 0x7f;
    if (type === this.#answer?.opus) this.#result.soundMs ??= this.#ms();
    else if (type === this.#answer?.vp8) this.#takePicturePart(packet);
    this.#finishIfAll();
  }

  /** A key picture is there when all its packets came one after the other, up to the one with the marker. */
  #takePicturePart(packet: Buffer): void {
    const payload = packet.subarray(payloadAt(packet));
    const number = packet.readUInt16BE(2);
    if (vp8Start(payload) === 'key') this.#keyAt = number;
    if (this.#keyAt !== number) return;
    const last = ((packet[1] ?? 0) & 0x80) !== 0;
    this.#keyAt = last ? undefined : (number + 1) & 0xffff;
    if (last) this.#result.keyPictureMs ??= this.#ms();
  }

  #finishIfAll(): void {
    const { keyPictureMs, soundMs } = this.#result;
    if (keyPictureMs === undefined || soundMs === undefined) return;
    if (this.#unanswered === 0) this.#done();
    else this.#stopWaiting ??= this.#options.clock.after(STRAGGLERS_MS, () => this.#done());
  }
}

/** RFC 3550 section 5.1. */
function payloadAt(packet: Buffer): number {
  const first = packet[0] ?? 0;
  const at = 12 + 4 * (first & 0x0f);
  return (first & 0x10) === 0 ? at : at + 4 + 4 * packet.readUInt16BE(at + 2);
}

/** RFC 5761 section 4. */
function isRtcp(data: Buffer): boolean {
  const type = data[1] ?? 0;
  return type >= 192 && type <= 223;
}

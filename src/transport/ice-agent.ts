import { randomBytes } from 'node:crypto';
import type { Clock } from '../lib/clock.js';
import type { DatagramPath } from './datagram-path.js';
import { candidatePriority, type RemoteCandidate } from './ice-candidate.js';
import { writeStun, type StunMessage } from './stun.js';

/**
 * One viewer's ICE (RFC 8445) as the side that answers: the viewer controls and nominates, so all that is decided here
 * is which of the paths it nominated is used. A full agent also checks the viewer's candidates, which opens the way
 * through a NAT in front of the server, and asks for consent (RFC 7675); a lite one only answers.
 *
 * A full agent uses a path only after an answer to its own check came back on it. A viewer could otherwise forge the
 * sender address of a request and point a stream of pictures at somebody who never asked for them.
 */

/**
 * Without a sign of life for so long the viewer is gone. It is looked for as often as it is asked for, so the end comes
 * up to one pause later, and still within the 30 s after which nothing may be sent any more (RFC 7675 section 5.1).
 */
const CONSENT_LIMIT_MS = 24_000;
const CONSENT_EVERY_MS = 4_000;
/** Pauses between checks of one candidate; the whole is given up when the owner's own limit ends. */
const CHECK_PAUSES_MS = [50, 100, 200, 400, 800, 1600, 1600, 1600, 1600];
const MAX_REMOTE_CANDIDATES = 32;
const MAX_PATHS = 32;
const MAX_OUTSTANDING = 64;

export interface IceCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

export interface IceAgentOptions {
  readonly remote: IceCredentials;
  /** The viewer is a lite agent (a server): then this side has to control. */
  readonly remoteIsLite: boolean;
  readonly lite: boolean;
  readonly clock: Clock;
  /** Paths to an address, one for each local socket of its family. */
  pathsTo(candidate: RemoteCandidate): DatagramPath[];
  /** First use of a path by this viewer, and again when it has `proven` that it receives there. */
  onPath(path: DatagramPath, proven: boolean): void;
  /** The first path is there, or another one took over. */
  onSelected(path: DatagramPath): void;
  /** Once: no sign of life, or another reason to give the viewer up. */
  onLost(reason: string): void;
}

interface Check {
  readonly path: DatagramPath;
  readonly sentAtMs: number;
}

export class IceAgent {
  /** RFC 8445 section 5.3 asks for 24 and 128 random bits; the fragment also finds the agent, so it has more. */
  readonly local: IceCredentials = newCredentials();
  /** First four bytes, in hex, of the transaction ids of its checks, by which answers find it. */
  readonly tag = randomBytes(4).toString('hex');
  readonly #options: IceAgentOptions;
  readonly #tieBreaker = randomBytes(8);
  /** Paths of right requests, by key. `wanted` is the priority of a nomination that came before the path was proven. */
  readonly #paths = new Map<string, { proven: boolean; wanted?: number }>();
  readonly #probed = new Set<string>();
  readonly #checks = new Map<string, Check>();
  readonly #candidates = new Set<string>();
  readonly #timers = new Set<() => void>();
  #selected: DatagramPath | undefined;
  #selectedPriority = 0;
  /** A path nominated since the selected one was nominated last. */
  #challenger: string | undefined;
  #lastSignMs: number;
  #rttMs: number | undefined;
  #closed = false;

  constructor(options: IceAgentOptions) {
    this.#options = options;
    this.#lastSignMs = options.clock.now();
    this.#every(CONSENT_EVERY_MS, () => this.#keepConsent());
  }

  get selected(): DatagramPath | undefined {
    return this.#selected;
  }

  /** Of the latest answered check. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  addCandidate(candidate: RemoteCandidate): void {
    const key = `${candidate.address} ${candidate.port}`;
    if (this.#closed || this.#candidates.has(key) || this.#candidates.size >= MAX_REMOTE_CANDIDATES) return;
    this.#candidates.add(key);
    if (this.#options.lite) return;
    for (const path of this.#options.pathsTo(candidate)) this.#probe(path);
  }

  /** A request whose user name begins with our fragment. Answers on its path. */
  onRequest(request: StunMessage, path: DatagramPath): void {
    if (this.#closed) return;
    const { transactionId, controlling, useCandidate, priority = 0 } = request;
    if (!request.hasIntegrity(this.local.pwd)) {
      path.send(writeStun({ type: 'error', transactionId, error: { code: 401, reason: 'Unauthorized' } }));
      return;
    }
    const weControl = this.#options.remoteIsLite;
    if (controlling === weControl) {
      const error = { code: 487, reason: 'Role Conflict' };
      path.send(writeStun({ type: 'error', transactionId, error, password: this.local.pwd }));
      return;
    }
    const known = this.#know(path);
    if (known === undefined) return;
    this.#signOfLife(path);
    path.send(
      writeStun({
        type: 'success',
        transactionId,
        mappedAddress: { address: path.remoteAddress, port: path.remotePort },
        password: this.local.pwd,
      }),
    );
    const rank = pairPriority(path.localPriority, priority);
    if (known.proven) {
      if (useCandidate) this.#nominate(path, rank);
      return;
    }
    if (useCandidate) known.wanted = Math.max(rank, known.wanted ?? 0);
    // Beyond the first round one check for each request, so that a forger gains nothing by us (RFC 8445 section 7.3.1.4).
    if (this.#probed.has(path.key)) this.#check(path);
    else this.#probe(path);
  }

  /** An answer to one of our checks; unknown ones are ignored. */
  onResponse(response: StunMessage, path: DatagramPath): void {
    const key = response.transactionId.toString('hex');
    const check = this.#checks.get(key);
    if (this.#closed || check?.path.key !== path.key || !response.hasIntegrity(this.#options.remote.pwd))
      return;
    this.#checks.delete(key);
    const known = response.type === 'success' ? this.#know(path) : undefined;
    if (known === undefined) return;
    this.#signOfLife(path);
    this.#rttMs = this.#options.clock.now() - check.sentAtMs;
    const { proven, wanted } = known;
    known.proven = true;
    delete known.wanted;
    if (!proven) this.#options.onPath(path, true);
    if (this.#options.remoteIsLite) this.#nominate(path, path.localPriority);
    else if (wanted !== undefined) this.#nominate(path, wanted);
  }

  /** The path cannot be used any more (a TCP connection that ended). */
  forget(path: DatagramPath): void {
    this.#paths.delete(path.key);
    this.#probed.delete(path.key);
    if (this.#challenger === path.key) this.#challenger = undefined;
    if (this.#selected?.key === path.key) {
      this.#selected = undefined;
      this.#selectedPriority = 0;
    }
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#timers) stop();
    this.#timers.clear();
    this.#checks.clear();
    this.#paths.clear();
    this.#probed.clear();
  }

  #know(path: DatagramPath): { proven: boolean; wanted?: number } | undefined {
    const known = this.#paths.get(path.key);
    if (known !== undefined) return known;
    if (this.#paths.size >= MAX_PATHS) return undefined;
    const { lite } = this.#options;
    const entry = { proven: lite };
    this.#paths.set(path.key, entry);
    this.#options.onPath(path, lite);
    return entry;
  }

  /** Once a path is selected only that one counts: media go there. */
  #signOfLife(path: DatagramPath): void {
    if (this.#selected === undefined || this.#selected.key === path.key)
      this.#lastSignMs = this.#options.clock.now();
  }

  /**
   * A viewer that nominates all of its pairs means the best one; one that moves nominates only the new pair from then
   * on. So a worse pair takes over when it is nominated twice with the selected one silent in between.
   */
  #nominate(path: DatagramPath, priority: number): void {
    if (path.key === this.#selected?.key) {
      this.#selectedPriority = Math.max(priority, this.#selectedPriority);
      this.#challenger = undefined;
      return;
    }
    const takesOver =
      this.#selected === undefined || priority > this.#selectedPriority || this.#challenger === path.key;
    if (!takesOver) {
      this.#challenger = path.key;
      return;
    }
    this.#challenger = undefined;
    this.#selected = path;
    this.#selectedPriority = priority;
    this.#signOfLife(path);
    this.#options.onSelected(path);
  }

  /** Checks a path until it is proven or hopeless; one whose nomination waits for that goes on after another was selected. */
  #probe(path: DatagramPath, attempt = 0): void {
    if (attempt === 0 && this.#probed.has(path.key)) return;
    this.#probed.add(path.key);
    const known = this.#paths.get(path.key);
    const needed = this.#selected === undefined || known?.wanted !== undefined;
    if (this.#closed || known?.proven === true || !needed) {
      this.#probed.delete(path.key);
      return;
    }
    this.#check(path);
    const pauseMs = CHECK_PAUSES_MS[attempt];
    if (pauseMs !== undefined) this.#after(pauseMs, () => this.#probe(path, attempt + 1));
  }

  #check(path: DatagramPath): void {
    const { remote, remoteIsLite, clock } = this.#options;
    const transactionId = Buffer.concat([Buffer.from(this.tag, 'hex'), randomBytes(8)]);
    const [oldest] = this.#checks.keys();
    if (this.#checks.size >= MAX_OUTSTANDING && oldest !== undefined) this.#checks.delete(oldest);
    this.#checks.set(transactionId.toString('hex'), { path, sentAtMs: clock.now() });
    path.send(
      writeStun({
        type: 'request',
        transactionId,
        username: `${remote.ufrag}:${this.local.ufrag}`,
        priority: candidatePriority('prflx', (path.localPriority >>> 8) & 0xffff),
        controlling: { value: remoteIsLite, tieBreaker: this.#tieBreaker },
        useCandidate: remoteIsLite,
        password: remote.pwd,
      }),
    );
  }

  #keepConsent(): void {
    const silentMs = this.#options.clock.now() - this.#lastSignMs;
    if (silentMs >= CONSENT_LIMIT_MS) {
      this.close();
      this.#options.onLost(`the viewer gave no sign of life for ${Math.round(silentMs / 1000)} s`);
      return;
    }
    if (this.#selected !== undefined && !this.#options.lite) this.#check(this.#selected);
  }

  #after(ms: number, action: () => void): void {
    const stop = this.#options.clock.after(ms, () => {
      this.#timers.delete(stop);
      action();
    });
    this.#timers.add(stop);
  }

  #every(ms: number, action: () => void): void {
    this.#after(ms, () => {
      action();
      if (!this.#closed) this.#every(ms, action);
    });
  }
}

function newCredentials(): IceCredentials {
  return { ufrag: randomBytes(9).toString('base64'), pwd: randomBytes(24).toString('base64') };
}

/** RFC 8445 section 6.1.2.3 with the viewer controlling; only compared. */
function pairPriority(ours: number, theirs: number): number {
  return 2 ** 32 * Math.min(ours, theirs) + 2 * Math.max(ours, theirs) + (theirs > ours ? 1 : 0);
}

export interface SessionLifeOptions {
  /** It ends so long after its last viewer left and its speech ended. */
  readonly lingerMs: number;
  /** It ends when nobody used it for so long, even if somebody watches; undefined: never. */
  readonly idleMs?: number | undefined;
  /** It ends at this age, whatever it does; undefined: never. */
  readonly maxMs?: number | undefined;
  /** It ends when all that it was given is spoken. */
  readonly endAfterSpeech?: boolean | undefined;
  /** It will end, unless somebody uses it, if that may put it off. Told once each time, 10 s ahead. */
  onEnding(how: { reason: string; inMs: number }): void;
}

/** How long before the end it is told. */
const WARNING_MS = 10_000;

const REASON = {
  lonely: 'nobody watched any more',
  idle: 'nobody used it any more',
  old: 'it lasted as long as it may',
  spoken: 'its speech ended',
} as const;

/** Knows when a session should end. */
export class SessionLife {
  readonly #options: SessionLifeOptions;
  readonly #bornMs: number;
  #usedMs: number;
  #watchedMs: number;
  #spoke = false;
  /** The reason that was told ahead. */
  #warnedOf: string | undefined;

  constructor(options: SessionLifeOptions, nowMs: number) {
    this.#options = options;
    this.#bornMs = nowMs;
    this.#usedMs = nowMs;
    this.#watchedMs = nowMs;
  }

  /** Somebody uses it: asks for something, or says that it is still wanted. */
  used(nowMs: number): void {
    this.#usedMs = nowMs;
    this.#watchedMs = nowMs;
  }

  /** Called all the time; gives the reason once it is over. */
  check(nowMs: number, { watched, busy }: { watched: boolean; busy: boolean }): string | undefined {
    if (busy) this.#usedMs = nowMs;
    if (busy || watched) this.#watchedMs = nowMs;
    if (this.#options.endAfterSpeech === true && this.#spoke && !busy) return REASON.spoken;
    this.#spoke ||= busy;
    const { lingerMs, idleMs = Infinity, maxMs = Infinity } = this.#options;
    const left = [
      { reason: REASON.old, inMs: this.#bornMs + maxMs - nowMs },
      { reason: REASON.idle, inMs: this.#usedMs + idleMs - nowMs },
      { reason: REASON.lonely, inMs: this.#watchedMs + lingerMs - nowMs },
    ];
    const over = left.find(({ inMs }) => inMs <= 0);
    if (over !== undefined) return over.reason;
    // That nobody watches is no news to nobody.
    const soon = left.slice(0, 2).find(({ inMs }) => inMs <= WARNING_MS);
    if (soon !== undefined && soon.reason !== this.#warnedOf)
      this.#options.onEnding({ reason: soon.reason, inMs: Math.round(soon.inMs) });
    this.#warnedOf = soon?.reason;
    return undefined;
  }
}

import type { Clock } from '../../lib/clock.js';
import { MEDIA_RATE } from '../../media/timeline.js';

/** A pause of the whole process longer than this is skipped instead of being caught up in a burst. */
const STALL_MS = 1_000;

/** The media time of a session: 48 kHz samples since it began. */
export class MediaClock {
  readonly #clock: Clock;
  #startedMs: number;
  #lastTickMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedMs = clock.now();
    this.#lastTickMs = this.#startedMs;
  }

  /** Media time 0 is now. */
  restart(): void {
    this.#startedMs = this.#clock.now();
    this.#lastTickMs = this.#startedMs;
  }

  get nowSamples(): number {
    return Math.floor(((this.#clock.now() - this.#startedMs) * MEDIA_RATE) / 1000);
  }

  /**
   * Called all the time. `heldMs` is above 0 after the process was stopped or starved: media time went on from where it
   * was, rather than send a second of sound in one burst.
   */
  tick(): { sinceLastMs: number; heldMs: number } {
    const nowMs = this.#clock.now();
    const sinceLastMs = nowMs - this.#lastTickMs;
    this.#lastTickMs = nowMs;
    const heldMs = sinceLastMs > STALL_MS ? sinceLastMs : 0;
    this.#startedMs += heldMs;
    return { sinceLastMs, heldMs };
  }
}

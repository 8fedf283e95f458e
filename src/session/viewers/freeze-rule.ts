/** Pictures whose mean gap is what a viewer is used to. */
const WINDOW = 30;
/** With fewer, a mean says nothing. */
const MIN_GAPS = 5;
const MIN_EXCESS_MS = 150;

/**
 * Tells a freeze from an uneven frame rate as W3C webrtc-stats does (`freezeCount`): a gap between two pictures of more than
 * max(3 x mean, mean + 150 ms), over the mean of the 30 gaps before it. A freeze counts when it is over.
 */
export class FreezeRule {
  readonly #gapsMs = new Float64Array(WINDOW);
  #gaps = 0;
  #sumMs = 0;
  count = 0;
  /** The whole gaps, not only their excess (`totalFreezesDuration`). */
  totalMs = 0;

  add(gapMs: number): void {
    const known = Math.min(this.#gaps, WINDOW);
    const meanMs = this.#sumMs / known;
    if (known >= MIN_GAPS && gapMs > Math.max(3 * meanMs, meanMs + MIN_EXCESS_MS)) {
      this.count += 1;
      this.totalMs += gapMs;
    }
    const at = this.#gaps % WINDOW;
    this.#sumMs += gapMs - this.#gapsMs[at]!;
    this.#gapsMs[at] = gapMs;
    this.#gaps += 1;
  }
}

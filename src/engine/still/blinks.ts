/** From the start of one blink to that of the next, unless a pause in speech asks for one earlier. */
const APART_MS = { least: 2000, most: 6000 };
/** No blink follows another sooner, but for the second of a pair. */
const LEAST_APART_MS = 900;
const CLOSING_MS = 80;
const SHUT_MS = 40;
const OPENING_MS = 150;
const BLINK_MS = CLOSING_MS + SHUT_MS + OPENING_MS;
const PAIR_SHARE = 0.15;
const PAIR_APART_MS = BLINK_MS + 90;
const AFTER_PHRASE_SHARE = 0.6;

/** When both eyes shut, and how far. Time must not run backwards. */
export class Blinks {
  #random: () => number;
  #startMs: number;
  #lastMs = -Infinity;
  #second = false;

  constructor(random: () => number) {
    this.#random = random;
    this.#startMs = this.#apartMs();
  }

  /** 0: open as in the photo, 1: shut. */
  at(timeMs: number): number {
    while (timeMs >= this.#startMs + BLINK_MS) {
      this.#lastMs = this.#startMs;
      this.#second = !this.#second && this.#random() < PAIR_SHARE;
      this.#startMs += this.#second ? PAIR_APART_MS : this.#apartMs();
    }
    const since = timeMs - this.#startMs;
    if (since <= 0) return 0;
    if (since < CLOSING_MS) return ease(since / CLOSING_MS);
    if (since < CLOSING_MS + SHUT_MS) return 1;
    return ease((BLINK_MS - since) / OPENING_MS);
  }

  /** People blink more often than not where a phrase ends. */
  phraseEnded(timeMs: number): void {
    const waiting = timeMs < this.#startMs && timeMs - this.#lastMs > LEAST_APART_MS;
    if (waiting && this.#random() < AFTER_PHRASE_SHARE)
      this.#startMs = Math.min(this.#startMs, timeMs + 100 * this.#random());
  }

  #apartMs(): number {
    return APART_MS.least + this.#random() * (APART_MS.most - APART_MS.least);
  }
}

function ease(t: number): number {
  return t <= 0 ? 0 : t >= 1 ? 1 : t * t * (3 - 2 * t);
}

import type { Clock } from '../../lib/clock.js';
import type { RenditionName } from '../../media/frame.js';

/** Any number of wishes for key pictures of one rendition become one call in `gapMs`. */
export class KeyframeWishes {
  readonly #wishes = new Map<RenditionName, Wish>();
  readonly #clock: Clock;
  readonly #gapMs: number;
  readonly #onAsk: (rendition: RenditionName) => void;

  constructor(clock: Clock, gapMs: number, onAsk: (rendition: RenditionName) => void) {
    this.#clock = clock;
    this.#gapMs = gapMs;
    this.#onAsk = onAsk;
  }

  /** Calls made. */
  get asked(): number {
    return [...this.#wishes.values()].reduce((sum, wish) => sum + wish.asked, 0);
  }

  ask(rendition: RenditionName): void {
    this.#of(rendition).ask();
  }

  /** A key picture of it passed. */
  granted(rendition: RenditionName): void {
    this.#wishes.get(rendition)?.granted();
  }

  /** Nobody waits any more. */
  close(): void {
    for (const wish of this.#wishes.values()) wish.granted();
  }

  #of(rendition: RenditionName): Wish {
    const known = this.#wishes.get(rendition);
    if (known !== undefined) return known;
    const wish = new Wish(this.#clock, this.#gapMs, () => this.#onAsk(rendition));
    this.#wishes.set(rendition, wish);
    return wish;
  }
}

/** One made inside the gap is answered at its end. */
class Wish {
  asked = 0;
  readonly #clock: Clock;
  readonly #gapMs: number;
  readonly #onAsk: () => void;
  #lastAskedMs = -Infinity;
  #cancelPending: (() => void) | undefined;

  constructor(clock: Clock, gapMs: number, onAsk: () => void) {
    this.#clock = clock;
    this.#gapMs = gapMs;
    this.#onAsk = onAsk;
  }

  ask(): void {
    if (this.#cancelPending !== undefined) return;
    const waitMs = this.#lastAskedMs + this.#gapMs - this.#clock.now();
    if (waitMs <= 0) this.#call();
    else {
      this.#cancelPending = this.#clock.after(waitMs, () => {
        this.#cancelPending = undefined;
        this.#call();
      });
    }
  }

  granted(): void {
    this.#cancelPending?.();
    this.#cancelPending = undefined;
  }

  #call(): void {
    this.#lastAskedMs = this.#clock.now();
    this.asked += 1;
    this.#onAsk();
  }
}

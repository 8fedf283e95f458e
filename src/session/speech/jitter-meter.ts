/** What is held of a stretch of sound before it begins, at least and at most. */
export const MIN_TARGET_MS = 20;
export const MAX_TARGET_MS = 400;
/** Before anything was measured. */
const FIRST_TARGET_MS = 60;
/** Over the worst lateness seen. */
const MARGIN_MS = 20;
/** Lateness is forgotten after so long: a window that is old and one that is filled. */
const WINDOW_MS = 5000;

/**
 * How unevenly sound arrives, and so how much of it should wait before it is played. Lateness is counted against the
 * piece that came soonest for its place in the sound; a sender that runs ahead is never late.
 */
export class JitterMeter {
  #base: number | undefined;
  #worst = [0, 0];
  #windowMs = 0;
  #measured = false;

  /** Of the last 5 to 10 s. */
  get jitterMs(): number {
    return Math.max(...this.#worst);
  }

  get targetMs(): number {
    if (!this.#measured) return FIRST_TARGET_MS;
    return Math.min(MAX_TARGET_MS, Math.max(MIN_TARGET_MS, this.jitterMs + MARGIN_MS));
  }

  /** A new stretch of sound begins: its places count from 0 again. */
  restart(): void {
    this.#base = undefined;
  }

  /** Sound arrived at `nowMs` that begins `contentMs` after the stretch did. */
  arrived(nowMs: number, contentMs: number): void {
    const transit = nowMs - contentMs;
    if (this.#base === undefined) this.#windowMs ||= nowMs;
    else this.#measured = true;
    this.#base = Math.min(this.#base ?? transit, transit);
    if (nowMs - this.#windowMs > WINDOW_MS) {
      this.#worst = [0, this.#worst[0] ?? 0];
      this.#windowMs = nowMs;
    }
    this.#worst[0] = Math.max(this.#worst[0] ?? 0, transit - this.#base);
  }
}

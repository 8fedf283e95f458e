/**
 * Handshakes are the expensive part of a join (some milliseconds of public-key arithmetic on the thread that sends the
 * pictures). When many viewers join at once their steps are taken one by one, with a pause after each as long as the
 * step itself took, so that running viewers keep at least half of the thread.
 */
const MAX_WAITING = 4096;
const SHORTEST_PAUSE_MS = 1;

export class HandshakePacer {
  readonly #waiting: (() => void)[] = [];
  #busy = false;

  /**
   * Runs the step soon; at once when nothing waits. False if it is lost as too many wait: DTLS repeats its messages.
   */
  run(step: () => void): boolean {
    if (this.#waiting.length >= MAX_WAITING) return false;
    this.#waiting.push(step);
    if (!this.#busy) this.#next();
    return true;
  }

  #next(): void {
    const startedMs = performance.now();
    for (let step = this.#waiting.shift(); step !== undefined; step = this.#waiting.shift()) {
      this.#busy = true;
      step();
      // Cheap steps (nonsense, repeats) are taken together, so that they keep nobody waiting.
      const tookMs = performance.now() - startedMs;
      if (tookMs < SHORTEST_PAUSE_MS) continue;
      setTimeout(() => this.#next(), tookMs);
      return;
    }
    this.#busy = false;
  }
}

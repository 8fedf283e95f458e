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

  /** Runs the step soon; at once when nothing waits. Steps beyond the limit are lost: DTLS repeats its messages. */
  run(step: () => void): void {
    if (this.#waiting.length >= MAX_WAITING) return;
    this.#waiting.push(step);
    if (!this.#busy) this.#next();
  }

  #next(): void {
    const step = this.#waiting.shift();
    this.#busy = step !== undefined;
    if (step === undefined) return;
    const startedMs = performance.now();
    step();
    const tookMs = performance.now() - startedMs;
    if (tookMs < SHORTEST_PAUSE_MS) setImmediate(() => this.#next());
    else setTimeout(() => this.#next(), tookMs);
  }
}

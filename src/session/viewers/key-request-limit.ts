/** Key pictures a viewer may ask for in a row, and the pause for each further one: all viewers get (and pay for) them. */
const KEYS_IN_A_ROW = 5;
const KEY_PAUSE_MS = 1000;

/** How often one viewer may ask for a key picture. */
export class KeyRequestLimit {
  #paidUntilMs = 0;

  /** False if it asked too often; a request that is allowed counts. */
  allows(nowMs: number): boolean {
    const paidUntilMs = Math.max(this.#paidUntilMs, nowMs) + KEY_PAUSE_MS;
    if (paidUntilMs > nowMs + KEYS_IN_A_ROW * KEY_PAUSE_MS) return false;
    this.#paidUntilMs = paidUntilMs;
    return true;
  }
}

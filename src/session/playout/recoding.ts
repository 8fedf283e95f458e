/** An encoder that has not taken over by then will not do it because of what was asked. */
const LIMIT_MS = 1_000;

/** Measures how long it takes until other renditions that were asked for are coded. */
export class Recoding {
  readonly #nowMs: () => number;
  #askedMs: number | undefined;
  #told: (() => void)[] = [];

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Other renditions are asked for. */
  asked(): void {
    this.#askedMs = this.#nowMs();
  }

  /** The worker tells that another encoder has taken over. */
  done(): void {
    this.#askedMs = undefined;
    for (const tell of this.#told.splice(0)) tell();
  }

  /** ms from the newest request to the take-over; undefined where none is under way, or none comes within a second. */
  async measure(): Promise<number | undefined> {
    const askedMs = this.#askedMs;
    if (askedMs === undefined) return undefined;
    let limit: NodeJS.Timeout | undefined;
    const came = await Promise.race([
      new Promise<boolean>((resolve) => this.#told.push(() => resolve(true))),
      new Promise<boolean>((resolve) => (limit = setTimeout(() => resolve(false), LIMIT_MS))),
    ]);
    clearTimeout(limit);
    return came ? this.#nowMs() - askedMs : undefined;
  }
}

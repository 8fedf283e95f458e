/**
 * A first-in first-out queue for real-time edges: never waits, never grows. A push past the limit drops the
 * oldest item and counts it, because at such an edge the newest datum is the only one worth sending.
 */
export class BoundedQueue<T> {
  readonly limit: number;
  #items: T[] = [];
  #dropped = 0;

  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1)
      throw new RangeError(`queue limit must be a positive integer, got ${limit}`);
    this.limit = limit;
  }

  get size(): number {
    return this.#items.length;
  }

  /** Items dropped since creation. */
  get dropped(): number {
    return this.#dropped;
  }

  push(item: T): void {
    this.#items.push(item);
    if (this.#items.length > this.limit) {
      this.#items.shift();
      this.#dropped += 1;
    }
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  shift(): T | undefined {
    return this.#items.shift();
  }

  clear(): void {
    this.#items = [];
  }
}

import { isOutOfMemory } from '../../adapters/onnx-failure.js';
import { AppError } from '../../errors.js';
import type { Log } from '../../lib/log.js';

/**
 * Cuts a number of items into batches, and finds out how many fit in memory: when a batch does not, it is halved, and
 * no larger one is tried again.
 */
export class BatchLimit {
  readonly #what: string;
  readonly #log: Log;
  #limit: number;
  /** Sizes that a part batch is filled up to, ascending; a GPU plans anew for every other size. */
  #padSizes: number[] = [];

  constructor(what: string, limit: number, log: Log) {
    this.#what = what;
    this.#limit = limit;
    this.#log = log;
  }

  /** Items a batch holds at most. */
  get limit(): number {
    return this.#limit;
  }

  /** Makes `size` the largest batch. */
  reset(size: number): void {
    this.#limit = size;
    this.#padSizes = this.#padSizes.filter((padSize) => padSize <= size);
  }

  /** From now on part batches are filled up to this size, unless a smaller size of the kind holds them. */
  padTo(size: number): void {
    if (this.#padSizes.includes(size)) return;
    this.#padSizes.push(size);
    this.#padSizes.sort((a, b) => a - b);
  }

  /**
   * @param run items `first` .. `first + size`, filled up to `padTo`; may be called again for items that failed
   * @throws AppError no-capacity if a single item does not fit in memory
   */
  async each(
    count: number,
    run: (first: number, size: number, padTo: number) => Promise<void>,
  ): Promise<void> {
    for (let first = 0; first < count;) {
      const size = Math.min(this.#limit, count - first);
      const padTo = Math.min(this.#padSizes.find((padSize) => padSize >= size) ?? size, this.#limit);
      try {
        await run(first, size, padTo);
        first += size;
      } catch (error) {
        if (!isOutOfMemory(error)) throw error;
        this.#halve(Math.max(size, padTo), error);
      }
    }
  }

  #halve(tried: number, error: unknown): void {
    if (tried === 1) {
      throw new AppError(
        'no-capacity',
        `not even one item of ${this.#what} fits in memory: close other programs, take the fp16 files or the tiny decoder, or a GPU with more memory`,
        { cause: error },
      );
    }
    const before = this.#padSizes.length;
    this.reset(Math.floor(tried / 2));
    if (before > 0) this.padTo(this.#limit);
    this.#log.warn({ what: this.#what, tried, now: this.#limit }, 'out of memory: the batch is halved');
  }
}

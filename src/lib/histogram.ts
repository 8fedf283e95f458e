/** Counts of a histogram at one moment, as Prometheus wants them: each bucket holds all below it, too. */
export interface HistogramSnapshot {
  /** Upper bounds of the buckets, inclusive, ascending; the last bucket, which has none, holds `count`. */
  readonly bounds: readonly number[];
  /** As many as there are bounds. */
  readonly cumulative: readonly number[];
  readonly count: number;
  readonly sum: number;
}

/** All that a histogram has counted, without its bounds, as plain data. */
export interface HistogramData {
  readonly counts: Float64Array;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

/** A distribution in words, for people; rounded, in the unit of its values. */
export interface Spread {
  readonly count: number;
  readonly min: number;
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** Counts values in fixed buckets: adding one allocates nothing, and the memory does not grow. */
export class Histogram {
  readonly #bounds: readonly number[];
  /** One more than bounds: the last is what exceeds them all. */
  readonly #counts: Float64Array;
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;

  /** `bounds` are kept, not copied: histograms of one kind share them. @throws RangeError unless they ascend */
  constructor(bounds: readonly number[]) {
    if (bounds.length === 0 || bounds.some((bound, at) => !(bound > (bounds[at - 1] ?? -Infinity))))
      throw new RangeError(`the bounds of a histogram must ascend, got ${bounds.join(', ')}`);
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  /** -Infinity while there is no value. */
  get max(): number {
    return this.#max;
  }

  /** A value that is no finite number is left out: it would spoil the sum for good. */
  add(value: number): void {
    if (!Number.isFinite(value)) return;
    let at = 0;
    while (value > (this.#bounds[at] ?? Infinity)) at += 1;
    this.#counts[at]! += 1;
    this.#count += 1;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
  }

  /** Adds what another one counted. @throws RangeError if its bounds are others */
  merge(other: Histogram): void {
    if (other.#bounds !== this.#bounds)
      throw new RangeError('histograms with different bounds do not add up');
    this.addData({ counts: other.#counts, sum: other.#sum, min: other.#min, max: other.#max });
  }

  /** A copy. */
  get data(): HistogramData {
    return { counts: this.#counts.slice(), sum: this.#sum, min: this.#min, max: this.#max };
  }

  /** As `merge`, of a histogram elsewhere. @throws RangeError if it has another number of buckets */
  addData({ counts, sum, min, max }: HistogramData): void {
    if (counts.length !== this.#counts.length)
      throw new RangeError('histograms with different bounds do not add up');
    for (let at = 0; at < counts.length; at += 1) {
      this.#counts[at]! += counts[at]!;
      this.#count += counts[at]!;
    }
    this.#sum += sum;
    this.#min = Math.min(this.#min, min);
    this.#max = Math.max(this.#max, max);
  }

  /**
   * The value below which the share `q` (0..1) of all values lies, estimated as if they lay evenly in their bucket;
   * never outside what was seen. Undefined while there is no value.
   */
  quantile(q: number): number | undefined {
    if (this.#count === 0) return undefined;
    const rank = q * this.#count;
    let below = 0;
    for (let at = 0; at < this.#counts.length; at += 1) {
      const inside = this.#counts[at]!;
      if (inside > 0 && below + inside >= rank) {
        const from = Math.max(this.#min, this.#bounds[at - 1] ?? -Infinity);
        const to = Math.min(this.#max, this.#bounds[at] ?? Infinity);
        return from + ((to - from) * (rank - below)) / inside;
      }
      below += inside;
    }
    return this.#max;
  }

  snapshot(): HistogramSnapshot {
    const cumulative: number[] = [];
    let below = 0;
    for (let at = 0; at < this.#bounds.length; at += 1) cumulative.push((below += this.#counts[at]!));
    return { bounds: this.#bounds, cumulative, count: this.#count, sum: this.#sum };
  }

  /** Undefined while there is no value. */
  spread(digits = 1): Spread | undefined {
    const p50 = this.quantile(0.5);
    const p95 = this.quantile(0.95);
    if (p50 === undefined || p95 === undefined) return undefined;
    const round = (value: number) => Number(value.toFixed(digits));
    return {
      count: this.#count,
      min: round(this.#min),
      p50: round(p50),
      p95: round(p95),
      max: round(this.#max),
    };
  }
}

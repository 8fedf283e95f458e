/** Arithmetic on curves. A curve is one value a picture; NaN stands where the face was not seen. */

export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** Fewer pairs than this say nothing; the result is NaN. */
const MIN_PAIRS = 8;

/** Pearson's r over the pairs of which both are numbers (and `use`, if given, is true); NaN if one of them is flat. */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>, use?: readonly boolean[]): number {
  let [count, sumA, sumB] = [0, 0, 0];
  const takes = (at: number): boolean =>
    use?.[at] !== false && Number.isFinite(a[at]) && Number.isFinite(b[at]);
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    if (!takes(at)) continue;
    count += 1;
    sumA += a[at]!;
    sumB += b[at]!;
  }
  if (count < MIN_PAIRS) return Number.NaN;
  let [squareA, squareB, both] = [0, 0, 0];
  for (let at = 0; at < length; at += 1) {
    if (!takes(at)) continue;
    const [da, db] = [a[at]! - sumA / count, b[at]! - sumB / count];
    squareA += da * da;
    squareB += db * db;
    both += da * db;
  }
  const scale = Math.sqrt(squareA * squareB);
  return scale < 1e-9 ? Number.NaN : both / scale;
}

/** Lags in ms, from -`mostMs` to `mostMs`. */
export function lagsMs(mostMs: number, stepMs = 10): number[] {
  const steps = Math.floor(mostMs / stepMs);
  return Array.from({ length: 2 * steps + 1 }, (_, k) => (k - steps) * stepMs);
}

/** The lag whose score is largest; of equals the one nearest to 0. NaN scores do not count. */
export function bestLag(
  candidatesMs: readonly number[],
  scoreAt: (lagMs: number) => number,
): { lagMs: number; score: number } {
  let best = { lagMs: Number.NaN, score: Number.NaN };
  for (const lagMs of [...candidatesMs].sort((a, b) => Math.abs(a) - Math.abs(b))) {
    const score = scoreAt(lagMs);
    if (score > (Number.isNaN(best.score) ? -Infinity : best.score)) best = { lagMs, score };
  }
  return best;
}

/** The value below which a share `q` of the numbers lies, between two of them in proportion; NaN of none. */
export function quantile(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values)
    .filter((value) => Number.isFinite(value))
    .sort();
  if (sorted.length === 0) return Number.NaN;
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low]! + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)]! - sorted[low]!);
}

/** The 5th percentile becomes 0, the 95th 1, what lies outside is cut. A flat curve becomes all NaN. */
export function normalised(values: ArrayLike<number>): Float64Array {
  const low = quantile(values, 0.05);
  const range = quantile(values, 0.95) - low;
  return Float64Array.from(values, (value) =>
    Number.isFinite(value) && range > 1e-9 ? Math.min(1, Math.max(0, (value - low) / range)) : Number.NaN,
  );
}

export function meanAbsoluteError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return mean(Array.from(a, (value, at) => Math.abs(value - (b[at] ?? Number.NaN))));
}

/** Mean of the numbers among the values; NaN of none. */
export function mean(values: Iterable<number>): number {
  let [sum, count] = [0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    sum += value;
    count += 1;
  }
  return count === 0 ? Number.NaN : sum / count;
}

/** F1 of "the mouth is shut" and of "it is open", shut being below `shutBelow`; NaN if neither curve ever is. */
export function shutOpenF1(
  truth: ArrayLike<number>,
  predicted: ArrayLike<number>,
  shutBelow: number,
): { shut: number; open: number } {
  let [bothShut, bothOpen, different] = [0, 0, 0];
  for (let at = 0; at < Math.min(truth.length, predicted.length); at += 1) {
    const [a, b] = [truth[at]!, predicted[at]!];
    if (!Number.isFinite(a) || !Number.isFinite(b)) continue;
    if (a < shutBelow !== b < shutBelow) different += 1;
    else if (a < shutBelow) bothShut += 1;
    else bothOpen += 1;
  }
  const f1 = (both: number): number =>
    2 * both + different === 0 ? Number.NaN : (2 * both) / (2 * both + different);
  return { shut: f1(bothShut), open: f1(bothOpen) };
}

/** The lowest value of a curve (one a picture, at `timesMs`) within `marginMs` of each span; NaN where it has none. */
export function lowestNear(
  spans: readonly Span[],
  timesMs: readonly number[],
  values: ArrayLike<number>,
  marginMs: number,
): number[] {
  return spans.map(({ startMs, endMs }) => {
    let least = Number.NaN;
    timesMs.forEach((timeMs, at) => {
      if (timeMs < startMs - marginMs || timeMs > endMs + marginMs) return;
      const value = values[at]!;
      if (Number.isFinite(value) && !(value >= least)) least = value;
    });
    return least;
  });
}

/** Which share of the numbers lies below `limit`; NaN of none. */
export function shareBelow(values: readonly number[], limit: number): number {
  return mean(values.map((value) => (Number.isFinite(value) ? Number(value < limit) : Number.NaN)));
}

/** r after moving `predicted` round in a circle, by every step from `leastSteps` on that keeps as far from the end. */
export function circularControl(
  truth: ArrayLike<number>,
  predicted: ArrayLike<number>,
  leastSteps: number,
): { mean: number; least: number; most: number } {
  const length = Math.min(truth.length, predicted.length);
  const found: number[] = [];
  for (let shift = leastSteps; shift <= length - leastSteps; shift += 1) {
    const moved = Float64Array.from({ length }, (_, at) => predicted[(at + shift) % length]!);
    const r = pearson(truth, moved);
    if (Number.isFinite(r)) found.push(r);
  }
  return {
    mean: mean(found),
    least: found.length === 0 ? Number.NaN : Math.min(...found),
    most: found.length === 0 ? Number.NaN : Math.max(...found),
  };
}

/** Gaussian mean over time of the numbers around each place; NaN stays NaN. */
export function smoothed(values: ArrayLike<number>, sigmaSteps: number): Float64Array {
  const reach = Math.ceil(3 * sigmaSteps);
  return Float64Array.from(values, (value, at) => {
    if (!Number.isFinite(value)) return Number.NaN;
    let [sum, total] = [0, 0];
    for (let k = Math.max(0, at - reach); k <= Math.min(values.length - 1, at + reach); k += 1) {
      const near = values[k]!;
      if (!Number.isFinite(near)) continue;
      const weight = Math.exp(-((k - at) ** 2) / (2 * sigmaSteps ** 2));
      sum += weight * near;
      total += weight;
    }
    return sum / total;
  });
}

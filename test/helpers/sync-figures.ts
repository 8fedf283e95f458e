/** What a person would see, then hear: one flash and its beep. */
export interface Pair {
  /** Since the viewer's first picture. */
  readonly atMs: number;
  /** Positive: the flash comes after its beep. */
  readonly skewMs: number;
}

export interface SyncFigures {
  readonly pairs: number;
  /** Flashes without a beep and beeps without a flash, while both were observed. */
  readonly unpaired: number;
  /** Of |skew|, from second 2 on. */
  readonly skewP50Ms: number;
  readonly skewP95Ms: number;
  /** With its sign: the offset that stays. */
  readonly skewMedianMs: number;
  readonly slopeMsPer10Min: number;
  /** From when on the skew stays within the goal; undefined if it does not at the end. */
  readonly settledAfterS: number | undefined;
}

export const GOAL_MS = 20;
const FROM_MS = 2000;
/** Half the shortest gap between beeps. */
const REACH_MS = 400;

/** Pairs each beep with the flash next to it, both in order; times are of one clock. */
export function pairUp(
  flashesMs: readonly number[],
  beepsMs: readonly number[],
): { pairs: { flashMs: number; beepMs: number }[]; unpaired: number } {
  const pairs: { flashMs: number; beepMs: number }[] = [];
  let at = 0;
  for (const beepMs of beepsMs) {
    while (at < flashesMs.length && flashesMs[at]! < beepMs - REACH_MS) at += 1;
    const flashMs = flashesMs[at];
    if (flashMs === undefined || flashMs > beepMs + REACH_MS) continue;
    pairs.push({ flashMs, beepMs });
    at += 1;
  }
  const fromMs = Math.max(flashesMs[0] ?? Infinity, beepsMs[0] ?? Infinity) - REACH_MS;
  const toMs = Math.min(flashesMs.at(-1) ?? -Infinity, beepsMs.at(-1) ?? -Infinity) + REACH_MS;
  const seen = (times: readonly number[]) => times.filter((ms) => ms >= fromMs && ms <= toMs).length;
  return { pairs, unpaired: seen(flashesMs) + seen(beepsMs) - 2 * pairs.length };
}

export function syncFigures(pairs: readonly Pair[], unpaired: number): SyncFigures {
  const settled = pairs.filter(({ atMs }) => atMs >= FROM_MS);
  const skews = settled.map(({ skewMs }) => skewMs);
  const sizes = skews.map(Math.abs);
  const lastOff = pairs.findLastIndex(({ skewMs }) => Math.abs(skewMs) > GOAL_MS);
  const settledAtMs = pairs[lastOff + 1]?.atMs;
  return {
    pairs: pairs.length,
    unpaired,
    skewP50Ms: percentile(sizes, 0.5),
    skewP95Ms: percentile(sizes, 0.95),
    skewMedianMs: percentile(skews, 0.5),
    slopeMsPer10Min: medianSlope(settled) * 600_000,
    settledAfterS: settledAtMs === undefined ? undefined : settledAtMs / 1000,
  };
}

/** The smallest value that is not below a share `q` of all; NaN of none. */
export function percentile(values: Iterable<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

/** Theil-Sen: the median of the slopes between all pairs of points, ms per ms; outliers do not move it. */
function medianSlope(points: readonly Pair[]): number {
  const slopes = new Float64Array((points.length * (points.length - 1)) / 2);
  let count = 0;
  points.forEach((a, i) => {
    for (const b of points.slice(i + 1)) slopes[count++] = (b.skewMs - a.skewMs) / (b.atMs - a.atMs);
  });
  return percentile(slopes, 0.5);
}

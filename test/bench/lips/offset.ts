import { bestLag, lagsMs, mean, pearson } from './scores.js';
import { bilabials, tableOpening, type Phone } from './shape-table.js';
import type { Truth } from './truth.js';

export const MOST_OFFSET_MS = 120;
/** Fewer shut lips than this do not tell the offset. */
const LEAST_CLOSURES = 5;

export interface Offset {
  /** How much later the lips in the pictures move than the sound tells. */
  readonly offsetMs: number;
  readonly by: 'closures' | 'phone table';
}

/**
 * The offset between a clip's sound and its pictures, found without the network's prediction: where the tracked lips
 * are most shut at p, b and m; where these are few, where the tracked opening follows the phone table's best.
 * Undefined without phones.
 */
export function clipOffset(
  truth: Pick<Truth, 'timesMs' | 'open'>,
  phones: readonly Phone[],
): Offset | undefined {
  const closures = bilabials(phones).filter(
    ({ endMs }) => endMs + MOST_OFFSET_MS < (truth.timesMs.at(-1) ?? 0),
  );
  const candidates = lagsMs(MOST_OFFSET_MS);
  if (closures.length >= LEAST_CLOSURES) {
    const found = bestLag(candidates, (lagMs) => -meanOpening(truth, closures, lagMs));
    return { offsetMs: found.lagMs, by: 'closures' };
  }
  const found = bestLag(candidates, (lagMs) =>
    pearson(
      truth.open,
      tableOpening(
        phones,
        truth.timesMs.map((timeMs) => timeMs - lagMs),
      ),
    ),
  );
  return Number.isNaN(found.score) ? undefined : { offsetMs: found.lagMs, by: 'phone table' };
}

/** Mean tracked opening in the phones' own time, moved by `lagMs`; each phone weighs the same. */
function meanOpening(
  { timesMs, open }: Pick<Truth, 'timesMs' | 'open'>,
  phones: readonly Phone[],
  lagMs: number,
): number {
  return mean(
    phones.map(({ startMs, endMs }) => {
      const steps = Math.max(1, Math.round((endMs - startMs) / 10));
      return mean(
        Array.from({ length: steps }, (_, k) =>
          valueAt(timesMs, open, startMs + lagMs + ((k + 0.5) * (endMs - startMs)) / steps),
        ),
      );
    }),
  );
}

/** The curve between two pictures, in proportion; NaN outside and beside a gap. */
export function valueAt(timesMs: readonly number[], values: ArrayLike<number>, timeMs: number): number {
  const stepMs = timesMs[1]! - timesMs[0]!;
  const at = (timeMs - timesMs[0]!) / stepMs;
  const low = Math.floor(at);
  if (low < 0 || low >= values.length) return Number.NaN;
  const part = at - low;
  return part < 1e-9 ? values[low]! : values[low]! + part * ((values[low + 1] ?? Number.NaN) - values[low]!);
}

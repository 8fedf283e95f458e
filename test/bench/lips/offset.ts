import { bestLag, lagsMs, mean, pearson } from './scores.js';
import { bilabials, tableOpening, type Phone } from './shape-table.js';
import type { Truth } from './truth.js';

export const MOST_OFFSET_MS = 120;
/** Beyond this an offset is unlikely, and costs up to UNLIKELY_COST of r: a flat score shall not run to the edge. */
const LIKELY_OFFSET_MS = 40;
const UNLIKELY_COST = 0.15;
/** Without a p, b or m the tracked opening must follow the table's at least so well (r), or it tells nothing. */
const LEAST_TABLE_R = 0.3;

export interface Offset {
  /** How much later the lips in the pictures move than the sound tells. */
  readonly offsetMs: number;
  readonly by: 'closures and table' | 'table' | 'nothing';
}

/**
 * The offset between a clip's sound and its pictures, found without the network's prediction: where the tracked lips
 * are most shut at p, b and m, weighing the more the more of these there are, and the tracked opening follows the
 * phone table's best. 0 by `nothing` where neither tells.
 */
export function clipOffset(truth: Pick<Truth, 'timesMs' | 'open'>, phones: readonly Phone[]): Offset {
  const closures = bilabials(phones);
  const weight = closures.length / (closures.length + 1);
  const tableR = (lagMs: number): number =>
    pearson(
      truth.open,
      tableOpening(
        phones,
        truth.timesMs.map((timeMs) => timeMs - lagMs),
      ),
    );
  const { lagMs: offsetMs } = bestLag(lagsMs(MOST_OFFSET_MS), (lagMs) => {
    const shut = closures.length === 0 ? 0 : weight * meanOpening(truth, closures, lagMs);
    const unlikely = Math.max(0, Math.abs(lagMs) - LIKELY_OFFSET_MS) / (MOST_OFFSET_MS - LIKELY_OFFSET_MS);
    return tableR(lagMs) - shut - UNLIKELY_COST * unlikely ** 2;
  });
  if (closures.length > 0 && Number.isFinite(offsetMs)) return { offsetMs, by: 'closures and table' };
  return tableR(offsetMs) >= LEAST_TABLE_R ? { offsetMs, by: 'table' } : { offsetMs: 0, by: 'nothing' };
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

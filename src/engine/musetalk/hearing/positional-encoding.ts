import { STATE_WIDTH } from './whisper-states.js';

const RATES = Float64Array.from({ length: STATE_WIDTH / 2 }, (_, j) =>
  Math.exp((-2 * j * Math.log(10_000)) / STATE_WIDTH),
);

let table = new Float32Array(0);

/**
 * Adds the sinusoidal position to each row of `features`, [rows, 384], in place: sin and cos in turn (not half and half
 * as in Whisper), position 0 at the first of the rows, which are time steps times layers. Source: MuseTalk reference.
 */
export function addPositions(features: Float32Array): void {
  if (features.length % STATE_WIDTH !== 0) {
    throw new RangeError(`${features.length} values are not rows of ${STATE_WIDTH}`);
  }
  if (table.length < features.length) {
    table = Float32Array.from({ length: features.length }, (_, i) => {
      const column = i % STATE_WIDTH;
      const angle = ((i - column) / STATE_WIDTH) * RATES[column >> 1]!;
      return column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    });
  }
  for (let i = 0; i < features.length; i++) features[i] = features[i]! + table[i]!;
}

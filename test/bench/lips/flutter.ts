import type { MouthModel } from '../../../src/engine/cpu/mouth-model.js';
import { noises } from './noises.js';
import { Prediction } from './prediction.js';

/** What the mouth does while nobody speaks. */
export interface Flutter {
  readonly noise: string;
  /** The noise comes after a sentence; what the mouth does in the first half second after it does not count. */
  readonly afterSpeech: boolean;
  /** Of the pictures: with an opening above OPEN_FROM. */
  readonly openShare: number;
  /** How often it opens. */
  readonly openings: number;
  readonly widest: number;
}

const OPEN_FROM = 0.05;
const FPS = 25;
const SETTLE_MS = 500;

/** Feeds the mouth with each noise alone and after `speech` (16 kHz mono). */
export async function measureFlutter(model: MouthModel, speech: Float32Array): Promise<Flutter[]> {
  const rows: Flutter[] = [];
  for (const { name, pcm } of noises()) {
    for (const afterSpeech of [false, true]) {
      const before = afterSpeech ? speech : new Float32Array(0);
      const sound = new Float32Array(before.length + pcm.length);
      sound.set(before);
      sound.set(pcm, before.length);
      const fromMs = afterSpeech ? before.length / 16 + SETTLE_MS : 0;
      const prediction = await Prediction.of(model, sound);
      const timesMs = Array.from(
        { length: Math.floor((sound.length / 16_000) * FPS) },
        (_, k) => (k * 1000) / FPS,
      ).filter((timeMs) => timeMs >= fromMs);
      const open = prediction.at(timesMs).map((mouth) => mouth.open);
      rows.push({
        noise: name,
        afterSpeech,
        openShare: open.filter((value) => value > OPEN_FROM).length / open.length,
        openings: open.filter((value, k) => value > OPEN_FROM && !((open[k - 1] ?? 0) > OPEN_FROM)).length,
        widest: Math.max(...open),
      });
    }
  }
  return rows;
}

export function flutterReport(rows: readonly Flutter[]): string {
  const told = (row: Flutter): string =>
    `${(100 * row.openShare).toFixed(1).padStart(6)} % ${String(row.openings).padStart(3)} times, widest ${row.widest.toFixed(2)}`;
  const names = [...new Set(rows.map(({ noise }) => noise))];
  const widest = Math.max(...names.map((name) => name.length));
  return [
    `${'10 s of noise: open above 0.05'.padEnd(widest)}`,
    ...names.map((name) => {
      const [alone, after] = [false, true].map((afterSpeech) =>
        rows.find((row) => row.noise === name && row.afterSpeech === afterSpeech),
      );
      return `${name.padEnd(widest)}  alone ${told(alone!)}   after speech ${told(after!)}`;
    }),
  ].join('\n');
}

import path from 'node:path';
import type { Browser } from 'playwright-core';
import { writePlots } from '../plot/plot.js';
import { widthOf, type ClipScores } from './clip-scores.js';
import type { ClipPhones } from './phones.js';
import type { Prediction } from './prediction.js';
import { normalised } from './scores.js';
import { bilabials } from './shape-table.js';
import type { Truth } from './truth.js';

const TRUTH_COLOUR = '#1565c0';
const PREDICTION_COLOUR = '#e65100';

/** Truth and prediction over time, the prediction moved by the clip's own offset; upright lines are p, b and m. */
export async function drawClip(
  browser: Browser,
  folder: string,
  facts: { scores: ClipScores; truth: Truth; prediction: Prediction; phones: ClipPhones | undefined },
): Promise<void> {
  const { scores, truth, prediction, phones } = facts;
  const ownMs = scores.offset?.offsetMs ?? 0;
  const mouths = prediction.at(truth.timesMs.map((timeMs) => timeMs - ownMs));
  const curve = (values: ArrayLike<number>) =>
    truth.timesMs.map((timeMs, at) => ({ x: timeMs / 1000, y: values[at]! }));
  const plot = (title: string, real: ArrayLike<number>, predicted: ArrayLike<number>) => ({
    title,
    xLabel: 's',
    yLabel: "share of the clip's own range",
    series: [
      { style: 'line' as const, colour: TRUTH_COLOUR, name: 'real lips', points: curve(real) },
      { style: 'line' as const, colour: PREDICTION_COLOUR, name: 'from the sound', points: curve(predicted) },
    ],
    moments: bilabials(phones?.phones ?? []).map(
      ({ startMs, endMs }) => ((startMs + endMs) / 2 + ownMs) / 1000,
    ),
  });
  const r = ({ zero, own }: { zero: number; own: number }) =>
    `r ${own.toFixed(2)} at the clip's offset of ${ownMs} ms, ${zero.toFixed(2)} at 0`;
  await writePlots(browser, path.join(folder, `${scores.speaker.replaceAll('/', '-')}-${scores.clip}.png`), [
    plot(
      `${scores.clip}, opening: ${r(scores.open)}`,
      truth.open,
      mouths.map(({ open }) => open),
    ),
    plot(`${scores.clip}, width: ${r(scores.width)}`, truth.width, normalised(mouths.map(widthOf))),
  ]);
}

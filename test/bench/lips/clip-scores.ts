import type { MouthShape } from '../../../src/media/frame.js';
import { clipOffset, MOST_OFFSET_MS, valueAt, type Offset } from './offset.js';
import type { ClipPhones } from './phones.js';
import type { Prediction } from './prediction.js';
import {
  bestLag,
  circularControl,
  lagsMs,
  lowestNear,
  mean,
  meanAbsoluteError,
  normalised,
  pearson,
  shareBelow,
  shutOpenF1,
  smoothed,
} from './scores.js';
import { bilabials, tableOpening } from './shape-table.js';
import { isWithin, lengthMs, pausesOf, shutInPauses, speechSpans } from './speech.js';
import type { Truth } from './truth.js';

/** r of one curve: at zero lag, at the clip's own offset, at the lag where it is largest (positive: true lips later). */
export interface CurveScores {
  readonly zero: number;
  readonly own: number;
  readonly best: number;
  readonly bestLagMs: number;
}

export interface ClipScores {
  readonly clip: string;
  readonly speaker: string;
  readonly pictures: number;
  /** Pictures in which the tracker found no face. */
  readonly unseen: number;
  readonly speechS: number;
  readonly offset: Offset | undefined;
  readonly words: { readonly source: string; readonly text: string } | undefined;
  readonly open: CurveScores;
  readonly openInSpeech: CurveScores;
  readonly width: CurveScores;
  readonly widthInSpeech: CurveScores;
  /** Lips stuck out against predicted rounding. */
  readonly protrusion: CurveScores;
  /** Two predictors that any network must beat: the level of the sound, and the hand-made table fed with the phones. */
  readonly loudness: CurveScores;
  readonly table: CurveScores | undefined;
  /** p, b and m: how many; how often the lips met there; mean lowest opening. Undefined without phones. */
  readonly closures:
    | {
        readonly count: number;
        readonly rate: number;
        readonly lowest: number;
        readonly trueRate: number;
        readonly trueLowest: number;
      }
    | undefined;
  /** At the clip's own offset. */
  readonly shutF1: number;
  readonly openF1: number;
  readonly meanAbsoluteError: number;
  readonly control: { readonly mean: number; readonly least: number; readonly most: number };
  readonly pauses: { readonly count: number; readonly shutRate: number };
}

/** Shut lips: an opening below this share of the range. */
export const SHUT_BELOW = 0.2;
const CLOSURE_MARGIN_MS = 60;
/** In a pause the mouth is to be really shut. */
const PAUSE_SHUT_BELOW = 0.05;
const LOUDNESS_SMOOTHING_FRAMES = 3;
/** The shifted control keeps at least this far from the true place. */
const CONTROL_FROM_S = 0.5;

export interface Curves {
  readonly timesMs: readonly number[];
  readonly truth: Truth;
  readonly mouths: readonly MouthShape[];
}

/** Scores one clip; `phones` is undefined where nothing can align them. */
export function scoreClip(
  clip: { readonly name: string; readonly speaker: string },
  truth: Truth,
  prediction: Prediction,
  phones: ClipPhones | undefined,
): ClipScores {
  const { timesMs, fps } = truth;
  const mouthsAt = (lagMs: number): MouthShape[] => prediction.at(timesMs.map((timeMs) => timeMs - lagMs));
  const lags = lagsMs(MOST_OFFSET_MS);
  const perLag = new Map(lags.map((lagMs) => [lagMs, mouthsAt(lagMs)]));
  const found = phones === undefined ? undefined : clipOffset(truth, phones.phones);
  const ownMs = found?.offsetMs ?? 0;
  const spans = speechSpans(prediction.levelsDb);
  const loudness = smoothed(prediction.levelsDb, LOUDNESS_SMOOTHING_FRAMES);
  const loudnessTimes = Array.from(loudness, (_, frame) => frame * 10);

  const scoresOf = (
    real: Float64Array,
    predictedAt: (lagMs: number) => ArrayLike<number>,
    inSpeech = false,
  ): CurveScores => {
    const rAt = (lagMs: number): number =>
      pearson(
        real,
        predictedAt(lagMs),
        inSpeech ? timesMs.map((timeMs) => isWithin(spans, timeMs - lagMs)) : undefined,
      );
    const best = bestLag(lags, rAt);
    return { zero: rAt(0), own: rAt(ownMs), best: best.score, bestLagMs: best.lagMs };
  };
  const openAt = (lagMs: number) => perLag.get(lagMs)!.map(({ open }) => open);
  const widthAt = (lagMs: number) => perLag.get(lagMs)!.map(widthOf);
  const own = openAt(ownMs);
  const zero = openAt(0);
  const control = circularControl(truth.open, own, Math.round(CONTROL_FROM_S * fps));
  const f1 = shutOpenF1(truth.open, own, SHUT_BELOW);
  const inPauses = shutInPauses(
    pausesOf(spans, prediction.levelsDb.length * 10),
    timesMs,
    zero,
    PAUSE_SHUT_BELOW,
  );

  return {
    clip: clip.name,
    speaker: clip.speaker,
    pictures: timesMs.length,
    unseen: truth.open.filter(Number.isNaN).length,
    speechS: lengthMs(spans) / 1000,
    offset: found,
    words: phones && { source: phones.source, text: phones.words.join(' ') },
    open: scoresOf(truth.open, openAt),
    openInSpeech: scoresOf(truth.open, openAt, true),
    width: scoresOf(truth.width, widthAt),
    widthInSpeech: scoresOf(truth.width, widthAt, true),
    protrusion: scoresOf(truth.protrusion, (lagMs) => perLag.get(lagMs)!.map(({ round }) => round)),
    loudness: scoresOf(truth.open, (lagMs) =>
      timesMs.map((timeMs) => valueAt(loudnessTimes, loudness, timeMs - lagMs)),
    ),
    table:
      phones &&
      scoresOf(truth.open, (lagMs) =>
        tableOpening(
          phones.phones,
          timesMs.map((timeMs) => timeMs - lagMs),
        ),
      ),
    closures: phones && closuresOf(phones, truth, zero, ownMs),
    shutF1: f1.shut,
    openF1: f1.open,
    meanAbsoluteError: meanAbsoluteError(truth.open, normalised(own)),
    control,
    pauses: { count: inPauses.length, shutRate: mean(inPauses.map(Number)) },
  };
}

/** How wide the predicted mouth is: the renderer draws it wider with `spread` and narrower with `round`. */
export function widthOf({ spread, round }: MouthShape): number {
  return 0.1 * (spread - 0.2) - 0.16 * Math.max(0, round - 0.1);
}

/** The prediction is judged in the sound's own time, the truth at the clip's offset. */
function closuresOf(
  { phones }: ClipPhones,
  { timesMs, open }: Truth,
  predicted: readonly number[],
  ownMs: number,
): ClipScores['closures'] {
  const shut = bilabials(phones);
  const said = lowestNear(shut, timesMs, predicted, CLOSURE_MARGIN_MS);
  const moved = shut.map(({ startMs, endMs }) => ({ startMs: startMs + ownMs, endMs: endMs + ownMs }));
  const real = lowestNear(moved, timesMs, open, CLOSURE_MARGIN_MS);
  return {
    count: said.filter(Number.isFinite).length,
    rate: shareBelow(said, SHUT_BELOW),
    lowest: mean(said),
    trueRate: shareBelow(real, SHUT_BELOW),
    trueLowest: mean(real),
  };
}

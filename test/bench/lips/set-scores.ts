import type { ClipScores, CurveScores } from './clip-scores.js';
import { mean } from './scores.js';

/** Less speech than this in a clip is no talk: such a clip is listed and left out of the means. */
export const LEAST_SPEECH_S = 1;

/** Means over speakers; a speaker's value is the mean over his clips. */
export interface SetScores {
  readonly clips: number;
  readonly speakers: number;
  readonly withoutSpeech: readonly string[];
  readonly open: CurveScores;
  readonly openInSpeech: CurveScores;
  readonly width: CurveScores;
  readonly widthInSpeech: CurveScores;
  readonly protrusion: CurveScores;
  readonly loudness: CurveScores;
  readonly table: CurveScores;
  readonly meanAbsoluteError: number;
  readonly shutF1: number;
  readonly openF1: number;
  readonly control: { readonly mean: number; readonly least: number; readonly most: number };
  /** Over all phones and all pauses of the set: a clip has few. */
  readonly closures: {
    readonly count: number;
    readonly rate: number;
    readonly lowest: number;
    readonly trueRate: number;
    readonly trueLowest: number;
  };
  readonly pauses: { readonly count: number; readonly shutRate: number };
}

const NOT_MEASURED: CurveScores = {
  zero: Number.NaN,
  own: Number.NaN,
  best: Number.NaN,
  bestLagMs: Number.NaN,
};

export function scoreSet(all: readonly ClipScores[]): SetScores {
  const clips = all.filter(({ speechS }) => speechS >= LEAST_SPEECH_S);
  const speakers = [...new Set(clips.map(({ speaker }) => speaker))];
  const over = (read: (clip: ClipScores) => number): number =>
    mean(
      speakers.map((speaker) =>
        mean(clips.filter((clip) => clip.speaker === speaker).map((clip) => read(clip))),
      ),
    );
  const curve = (read: (clip: ClipScores) => CurveScores): CurveScores => ({
    zero: over((clip) => read(clip).zero),
    own: over((clip) => read(clip).own),
    best: over((clip) => read(clip).best),
    bestLagMs: over((clip) => read(clip).bestLagMs),
  });
  const closures = clips.flatMap((clip) => clip.closures ?? []).filter(({ count }) => count > 0);
  const pauses = clips.map((clip) => clip.pauses).filter(({ count }) => count > 0);
  return {
    clips: clips.length,
    speakers: speakers.length,
    withoutSpeech: all.filter((clip) => !clips.includes(clip)).map(({ clip }) => clip),
    open: curve(({ open }) => open),
    openInSpeech: curve(({ openInSpeech }) => openInSpeech),
    width: curve(({ width }) => width),
    widthInSpeech: curve(({ widthInSpeech }) => widthInSpeech),
    protrusion: curve(({ protrusion }) => protrusion),
    loudness: curve(({ loudness }) => loudness),
    table: curve(({ table }) => table ?? NOT_MEASURED),
    meanAbsoluteError: over((clip) => clip.meanAbsoluteError),
    shutF1: over((clip) => clip.shutF1),
    openF1: over((clip) => clip.openF1),
    control: {
      mean: over(({ control }) => control.mean),
      least: over(({ control }) => control.least),
      most: over(({ control }) => control.most),
    },
    closures: {
      count: closures.reduce((sum, { count }) => sum + count, 0),
      rate: weighted(closures, ({ rate }) => rate),
      lowest: weighted(closures, ({ lowest }) => lowest),
      trueRate: weighted(closures, ({ trueRate }) => trueRate),
      trueLowest: weighted(closures, ({ trueLowest }) => trueLowest),
    },
    pauses: {
      count: pauses.reduce((sum, { count }) => sum + count, 0),
      shutRate: weighted(pauses, ({ shutRate }) => shutRate),
    },
  };
}

function weighted<T extends { readonly count: number }>(
  rows: readonly T[],
  read: (row: T) => number,
): number {
  const counted = rows.filter((row) => Number.isFinite(read(row)));
  const total = counted.reduce((sum, { count }) => sum + count, 0);
  return total === 0 ? Number.NaN : counted.reduce((sum, row) => sum + row.count * read(row), 0) / total;
}

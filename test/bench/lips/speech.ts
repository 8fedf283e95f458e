import { quantile, type Span } from './scores.js';

const FRAME_MS = 10;
/** Speech is louder than this much below the loud parts ... */
const BELOW_LOUD_DB = 25;
/** ... and than this share of the way up from the quiet parts, where the room is not so quiet. */
const ABOVE_QUIET = 0.3;
/** Quiet of less than this is a part of speech, such as the closure of a stop. */
export const PAUSE_MS = 200;
/** Fewer loud frames in a row are a click. */
const LEAST_SPEECH_MS = 50;
/** Louder than this, or nobody speaks in the clip at all. */
const AUDIBLE_DB = -60;

/** Where somebody speaks, judged by the level (dB, one frame each 10 ms) alone. In order, none touch. */
export function speechSpans(levelsDb: Float32Array): Span[] {
  const loud = quantile(levelsDb, 0.95);
  const quiet = quantile(levelsDb, 0.05);
  const threshold = Math.max(loud - BELOW_LOUD_DB, quiet + ABOVE_QUIET * (loud - quiet), AUDIBLE_DB);
  const runs: { startMs: number; endMs: number }[] = [];
  levelsDb.forEach((levelDb, frame) => {
    if (levelDb < threshold) return;
    const startMs = (frame - 0.5) * FRAME_MS;
    const last = runs.at(-1);
    if (last !== undefined && last.endMs >= startMs) last.endMs = startMs + FRAME_MS;
    else runs.push({ startMs: Math.max(0, startMs), endMs: startMs + FRAME_MS });
  });
  const spans: { startMs: number; endMs: number }[] = [];
  for (const run of runs.filter(({ startMs, endMs }) => endMs - startMs >= LEAST_SPEECH_MS)) {
    const last = spans.at(-1);
    if (last !== undefined && run.startMs - last.endMs < PAUSE_MS) last.endMs = run.endMs;
    else spans.push({ ...run });
  }
  return spans;
}

/** The quiet between and around the spans, as far as it lasts over PAUSE_MS. */
export function pausesOf(spans: readonly Span[], totalMs: number): Span[] {
  const edges = [0, ...spans.flatMap(({ startMs, endMs }) => [startMs, endMs]), totalMs];
  return Array.from({ length: edges.length / 2 }, (_, k) => ({
    startMs: edges[2 * k]!,
    endMs: edges[2 * k + 1]!,
  })).filter(({ startMs, endMs }) => endMs - startMs > PAUSE_MS);
}

export function isWithin(spans: readonly Span[], timeMs: number): boolean {
  return spans.some(({ startMs, endMs }) => timeMs >= startMs && timeMs < endMs);
}

export function lengthMs(spans: readonly Span[]): number {
  return spans.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
}

/** People part their lips about this long before the next word. */
const PARTING_MS = 200;
const SHUTTING_MS = 120;

/**
 * For each pause whether the mouth (`open` of the pictures at `timesMs`) is below `shutBelow` from 120 ms after the
 * last sound until it may part for the next, in the shortest pauses for one picture. Pauses without a picture to judge
 * by are left out.
 */
export function shutInPauses(
  pauses: readonly Span[],
  timesMs: readonly number[],
  open: ArrayLike<number>,
  shutBelow: number,
): boolean[] {
  const pictureMs = timesMs[1]! - timesMs[0]!;
  return pauses.flatMap(({ startMs, endMs }) => {
    const from = startMs === 0 ? 0 : startMs + SHUTTING_MS;
    const to = Math.min(endMs, Math.max(endMs - PARTING_MS, from + pictureMs));
    const judged = timesMs.flatMap((timeMs, at) => (timeMs >= from && timeMs < to ? [open[at]!] : []));
    return judged.length === 0 ? [] : [judged.every((value) => value < shutBelow)];
  });
}

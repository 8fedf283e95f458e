import { pictureContinuity, soundContinuity, type SoundContinuity } from './continuity.js';
import type { Diary, Shown } from './measured-viewer.js';

/** What a viewer had of one second. */
export interface ViewedSecond {
  readonly fps: number;
  /** Of the last picture; undefined when there was none. */
  readonly widthPx: number | undefined;
  readonly receivedKbps: number;
}

/** What a viewer had while the line stayed the same. */
export interface ViewingPhase {
  readonly seconds: readonly ViewedSecond[];
  readonly fps: number;
  readonly longestGapMs: number;
  readonly freezeShare: number;
  readonly receivedKbps: number;
  readonly sound: SoundContinuity;
  /** Width of the last picture. */
  readonly widthPx: number | undefined;
  /** After so long no gap was longer than {@link LIVE_GAP_MS} any more; undefined: not until the end of the phase. */
  readonly liveAfterMs: number | undefined;
  /** After so long the picture had the width `fullWidthPx` for good and was live; undefined: not in this phase. */
  readonly fullAfterMs: number | undefined;
}

export const LIVE_GAP_MS = 500;

/** `diaries`: the viewer's diary from right before the phase on, taken about once a second. */
export function viewingPhase(diaries: readonly [Diary, ...Diary[]], fullWidthPx: number): ViewingPhase {
  const [before, ...parts] = diaries;
  const startMs = before.nowMs;
  const end = parts.at(-1) ?? before;
  const shown = parts.flatMap((diary) => diary.shown);
  const seconds = parts.map((diary, i) => secondOf(diaries[i] ?? before, diary));
  const times = shown.map(([atMs]) => atMs);
  const { fps, longestGapMs, freezeShare } = pictureContinuity(times, startMs, end.nowMs);
  const live = liveAfterMs(times, startMs, end.nowMs);
  const full = fullAfterMs(shown, startMs, fullWidthPx);
  return {
    seconds,
    fps,
    longestGapMs,
    freezeShare,
    receivedKbps: kbps(before, end),
    sound: soundContinuity(parts.flatMap((diary) => diary.loudness)),
    widthPx: shown.at(-1)?.[1],
    liveAfterMs: live,
    fullAfterMs: live === undefined || full === undefined ? undefined : Math.max(live, full),
  };
}

function secondOf(before: Diary, after: Diary): ViewedSecond {
  return {
    fps: (after.shown.length * 1000) / (after.nowMs - before.nowMs),
    widthPx: after.shown.at(-1)?.[1],
    receivedKbps: kbps(before, after),
  };
}

const kbps = (before: Diary, after: Diary): number =>
  ((after.stats.bytesReceived - before.stats.bytesReceived) * 8) / (after.nowMs - before.nowMs);

function liveAfterMs(times: readonly number[], startMs: number, endMs: number): number | undefined {
  let afterMs = 0;
  let beforeMs = startMs;
  for (const atMs of times) {
    if (atMs - beforeMs > LIVE_GAP_MS) afterMs = atMs - startMs;
    beforeMs = atMs;
  }
  return endMs - beforeMs > LIVE_GAP_MS ? undefined : afterMs;
}

function fullAfterMs(shown: readonly Shown[], startMs: number, fullWidthPx: number): number | undefined {
  const lastSmall = shown.findLastIndex(([, widthPx]) => widthPx < fullWidthPx);
  const firstFull = shown[lastSmall + 1];
  if (firstFull === undefined) return undefined;
  return lastSmall === -1 ? 0 : Math.max(0, firstFull[0] - startMs);
}

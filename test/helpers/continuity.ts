/** What a person would call a freeze or a gap, from the times at which pictures were shown and how loud the sound was. */

export interface PictureContinuity {
  readonly freezes: number;
  readonly freezeMs: number;
  /** Freeze time as a share of the time that was watched. */
  readonly freezeShare: number;
  readonly longestGapMs: number;
  readonly pictures: number;
  readonly fps: number;
}

/** So many intervals make the average that a gap is compared with, and so many are needed before one can be. */
const AVERAGE_OVER = 30;
const AVERAGE_FROM = 5;

/**
 * The rule of WebRTC statistics (`freezeCount`): a freeze is an interval between two shown pictures of at least
 * max(3 x average, average + 150 ms) over the last 30 intervals; all of the interval counts. The time after the last
 * picture is an interval too, unlike there: a picture that never comes back is a freeze.
 */
export function pictureContinuity(
  shownMs: readonly number[],
  startMs: number,
  endMs: number,
): PictureContinuity {
  const recent: number[] = [];
  let [freezes, freezeMs, longestGapMs, beforeMs] = [0, 0, 0, startMs];
  for (const atMs of [...shownMs, endMs]) {
    const gapMs = atMs - beforeMs;
    beforeMs = atMs;
    longestGapMs = Math.max(longestGapMs, gapMs);
    const averageMs = recent.length < AVERAGE_FROM ? 40 : mean(recent);
    if (gapMs >= Math.max(3 * averageMs, averageMs + 150)) {
      freezes += 1;
      freezeMs += gapMs;
    }
    recent.push(gapMs);
    if (recent.length > AVERAGE_OVER) recent.shift();
  }
  const watchedMs = endMs - startMs;
  return {
    freezes,
    freezeMs,
    freezeShare: freezeMs / watchedMs,
    longestGapMs,
    pictures: shownMs.length,
    fps: (shownMs.length * 1000) / watchedMs,
  };
}

export interface SoundContinuity {
  readonly gaps: number;
  readonly gapMs: number;
  readonly longestGapMs: number;
}

/** Loudness is measured in blocks of so many ms. */
export const SOUND_BLOCK_MS = 10;
/** -40 dB below the median. */
const QUIET = 0.01;
const AUDIBLE_GAP_MS = 60;

/** Gaps in what should be an even tone: longer than 60 ms and 40 dB below its median loudness (RMS a block). */
export function soundContinuity(loudness: readonly number[]): SoundContinuity {
  const median = [...loudness].sort((a, b) => a - b)[loudness.length >> 1] ?? 0;
  let [gaps, gapMs, longestGapMs, runMs] = [0, 0, 0, 0];
  for (const rms of [...loudness, Infinity]) {
    if (rms <= median * QUIET) {
      runMs += SOUND_BLOCK_MS;
      continue;
    }
    longestGapMs = Math.max(longestGapMs, runMs);
    if (runMs > AUDIBLE_GAP_MS) {
      gaps += 1;
      gapMs += runMs;
    }
    runMs = 0;
  }
  return { gaps, gapMs, longestGapMs };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Diary, Shown } from '../../helpers/measured-viewer.js';
import { viewingPhase } from '../../helpers/viewing-phase.js';

const FULL = 512;

/** Diaries of a phase of ten seconds that begins at 1000 ms; 100 kbit/s all along. */
function phase(shown: readonly Shown[]): ReturnType<typeof viewingPhase> {
  const diaries = Array.from({ length: 11 }, (_, i) => {
    const nowMs = 1000 * (i + 1);
    return {
      nowMs,
      shown: shown.filter(([atMs]) => i > 0 && atMs > nowMs - 1000 && atMs <= nowMs),
      loudness: [],
      stats: { bytesReceived: i * 12_500 },
    } as unknown as Diary;
  });
  return viewingPhase(diaries as [Diary, ...Diary[]], FULL);
}

const pictures = (fromMs: number, toMs: number, widthPx: number): Shown[] =>
  Array.from({ length: (toMs - fromMs) / 40 }, (_, i) => [fromMs + 40 * (i + 1), widthPx] as const);

test('a phase without trouble is live and full from its beginning', () => {
  const seen = phase(pictures(1000, 11_000, FULL));
  assert.deepEqual([seen.liveAfterMs, seen.fullAfterMs, seen.longestGapMs, seen.fps], [0, 0, 40, 25]);
  assert.equal(seen.receivedKbps, 100);
  assert.deepEqual(seen.seconds[3], { fps: 25, widthPx: FULL, receivedKbps: 100 });
});

test('live begins after the last long gap, full at the first of the last full pictures', () => {
  const seen = phase([
    ...pictures(1000, 2000, FULL),
    ...pictures(2800, 5000, 256),
    ...pictures(5000, 11_000, FULL),
  ]);
  assert.deepEqual([seen.liveAfterMs, seen.fullAfterMs, seen.longestGapMs], [1840, 4040, 840]);
});

test('a picture that stands still at the end is not live, one that stays small not full', () => {
  assert.equal(phase(pictures(1000, 10_400, FULL)).liveAfterMs, undefined);
  assert.equal(phase(pictures(1000, 10_400, FULL)).fullAfterMs, undefined);
  const small = phase(pictures(1000, 11_000, 256));
  assert.deepEqual([small.liveAfterMs, small.fullAfterMs, small.widthPx], [0, undefined, 256]);
  const none = phase([]);
  assert.deepEqual([none.liveAfterMs, none.fps, none.widthPx], [undefined, 0, undefined]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pictureContinuity, soundContinuity } from '../../helpers/continuity.js';

const steady = (fromMs: number, toMs: number, everyMs = 40): number[] =>
  Array.from({ length: Math.floor((toMs - fromMs) / everyMs) }, (_, i) => fromMs + i * everyMs);

test('steady pictures, and such that come now and then 100 ms late, are no freeze', () => {
  assert.equal(pictureContinuity(steady(0, 4000), 0, 4000).freezeMs, 0);
  const late = steady(0, 4000).filter((atMs) => atMs % 1000 !== 80 && atMs % 1000 !== 120);
  assert.equal(pictureContinuity(late, 0, 4000).freezes, 0);
});

test('a gap counts whole', () => {
  const seen = pictureContinuity([...steady(0, 2000), ...steady(2300, 4000)], 0, 4000);
  assert.deepEqual([seen.freezes, seen.freezeMs, seen.longestGapMs], [1, 340, 340]);
  assert.equal(seen.freezeShare, 340 / 4000);
});

test('at ten pictures a second a gap must be longer to be a freeze', () => {
  const shown = [...steady(0, 2000, 100), ...steady(2100, 4000, 100)];
  assert.equal(pictureContinuity(shown, 0, 4000).freezes, 0);
  const gap = [...steady(0, 2000, 100), ...steady(2200, 4000, 100)];
  assert.equal(pictureContinuity(gap, 0, 4000).freezes, 1);
});

test('a picture that never comes, or never comes back, is a freeze', () => {
  assert.equal(pictureContinuity([], 0, 4000).freezeShare, 1);
  assert.equal(pictureContinuity(steady(0, 1000), 0, 4000).freezeMs, 4000 - 960);
});

test('a tone has gaps where it is 40 dB down for more than 60 ms', () => {
  const tone = new Array<number>(500).fill(0.2);
  assert.deepEqual(soundContinuity(tone), { gaps: 0, gapMs: 0, longestGapMs: 0 });
  assert.equal(soundContinuity(tone.fill(0.003, 100, 150)).gaps, 0, '36 dB down');
  assert.deepEqual(soundContinuity(tone.fill(0.001, 200, 206)), { gaps: 0, gapMs: 0, longestGapMs: 60 });
  assert.deepEqual(soundContinuity(tone.fill(0, 490, 500)), { gaps: 1, gapMs: 100, longestGapMs: 100 });
});

test('silence all the way is one gap', () => {
  assert.equal(soundContinuity(new Array<number>(100).fill(0)).gapMs, 1000);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pairUp, percentile, syncFigures } from '../../helpers/sync-figures.js';

const every = (count: number, skewMs: (atMs: number) => number) =>
  Array.from({ length: count }, (_, at) => ({ atMs: at * 1000, skewMs: skewMs(at * 1000) }));

test('each beep goes with the flash next to it; a lost one leaves the others alone', () => {
  const { pairs, unpaired } = pairUp([1010, 3030, 3990], [1000, 2100, 3000, 4000]);
  assert.deepEqual(
    pairs.map(({ flashMs, beepMs }) => flashMs - beepMs),
    [10, 30, -10],
  );
  assert.equal(unpaired, 1);
});

test('what was outside the time in which both were observed counts as nothing', () => {
  const { pairs, unpaired } = pairUp([1000, 2000, 3000, 4000], [3010, 4010]);
  assert.equal(pairs.length, 2);
  assert.equal(unpaired, 0);
});

test('a steady drift is told as its slope, and single outliers do not move it', () => {
  const pairs = every(300, (atMs) => 5 + atMs * (3 / 600_000));
  pairs[40] = { atMs: 40_000, skewMs: 300 };
  pairs[250] = { atMs: 250_000, skewMs: -300 };
  assert.ok(Math.abs(syncFigures(pairs, 0).slopeMsPer10Min - 3) < 0.05);
});

test('the first two seconds are left out; the goal is kept from where the last breach ends', () => {
  const pairs = every(100, (atMs) => (atMs < 2000 ? 200 : atMs < 6000 ? -30 : -4));
  const figures = syncFigures(pairs, 0);
  assert.equal(figures.skewP50Ms, 4);
  assert.equal(figures.skewMedianMs, -4);
  assert.equal(percentile([figures.skewP95Ms], 1), 4);
  assert.equal(figures.settledAfterS, 6);
  assert.equal(syncFigures([...pairs, { atMs: 100_000, skewMs: 21 }], 0).settledAfterS, undefined);
});

test('percentiles take values that occur', () => {
  assert.equal(percentile([4, 1, 3, 2], 0.5), 2);
  assert.equal(percentile([4, 1, 3, 2], 0.95), 4);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

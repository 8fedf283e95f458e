import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bestLag,
  circularControl,
  lagsMs,
  lowestNear,
  meanAbsoluteError,
  normalised,
  pearson,
  quantile,
  shareBelow,
  shutOpenF1,
  smoothed,
} from '../../bench/lips/scores.js';

const wave = Array.from({ length: 60 }, (_, k) => Math.sin(k / 4));

test('r is 1 for a stretched curve, -1 for its mirror, and skips gaps and pictures that are not asked for', () => {
  assert.ok(
    Math.abs(
      pearson(
        wave,
        wave.map((value) => 3 * value + 7),
      ) - 1,
    ) < 1e-12,
  );
  assert.ok(
    Math.abs(
      pearson(
        wave,
        wave.map((value) => -value),
      ) + 1,
    ) < 1e-12,
  );
  const holed = wave.map((value, k) => (k % 3 === 0 ? Number.NaN : value));
  assert.ok(Math.abs(pearson(holed, wave) - 1) < 1e-12);
  const spoiled = wave.map((value, k) => (k < 20 ? -value : value));
  assert.ok(pearson(wave, spoiled) < 0.9);
  const late = wave.map((_, k) => k >= 20);
  assert.ok(Math.abs(pearson(wave, spoiled, late) - 1) < 1e-12);
});

test('r of too few pairs or of a flat curve is not a number', () => {
  assert.ok(Number.isNaN(pearson([1, 2, 3], [1, 2, 3])));
  assert.ok(Number.isNaN(pearson(wave, new Float64Array(60).fill(0.3))));
});

test('the best lag is found, and of equal ones the least', () => {
  assert.deepEqual(lagsMs(30), [-30, -20, -10, 0, 10, 20, 30]);
  assert.deepEqual(
    bestLag(lagsMs(120), (lagMs) => -Math.abs(lagMs - 70)),
    { lagMs: 70, score: -0 },
  );
  assert.equal(bestLag(lagsMs(120), () => 1).lagMs, 0);
  assert.ok(Number.isNaN(bestLag(lagsMs(20), () => Number.NaN).lagMs));
});

test('curves are measured in their own 5th and 95th percentiles', () => {
  const values = Array.from({ length: 101 }, (_, k) => k);
  assert.equal(quantile(values, 0.05), 5);
  assert.equal(quantile([4, 1], 0.5), 2.5);
  const scaled = normalised([...values, Number.NaN]);
  assert.equal(scaled[5], 0);
  assert.equal(scaled[50], 0.5);
  assert.equal(scaled[100], 1);
  assert.ok(Number.isNaN(scaled[101]));
  assert.ok(normalised([2, 2, 2]).every(Number.isNaN));
  assert.equal(meanAbsoluteError([0, 1, Number.NaN], [0.5, 1, 1]), 0.25);
});

test('closures count by the lowest picture near the phone', () => {
  const timesMs = [0, 40, 80, 120, 160, 200];
  const open = [0.9, 0.8, 0.1, 0.6, Number.NaN, 0.7];
  const spans = [
    { startMs: 90, endMs: 100 }, // 80 ms is within 20 ms of it
    { startMs: 130, endMs: 140 }, // and not of this one
    { startMs: 500, endMs: 510 },
  ];
  const lowest = lowestNear(spans, timesMs, open, 20);
  assert.deepEqual(lowest, [0.1, 0.6, Number.NaN]);
  assert.equal(shareBelow(lowest, 0.2), 0.5);
});

test('F1 tells shut from open', () => {
  const truth = [0, 0, 1, 1, Number.NaN];
  assert.deepEqual(shutOpenF1(truth, [0, 0, 1, 1, 1], 0.2), { shut: 1, open: 1 });
  // One of two closures missed: precision 1, recall 1/2 for shut; 2/3 and 1 for open.
  const { shut, open } = shutOpenF1(truth, [0, 1, 1, 1, 1], 0.2);
  assert.ok(Math.abs(shut - 2 / 3) < 1e-12);
  assert.ok(Math.abs(open - 0.8) < 1e-12);
});

test('a curve moved in a circle no longer agrees with itself', () => {
  const noise = Array.from({ length: 400 }, (_, k) => ((k * k * 7919) % 1009) / 1009);
  const control = circularControl(noise, noise, 10);
  assert.ok(Math.abs(control.mean) < 0.05, `mean ${control.mean}`);
  assert.ok(control.least < 0 && control.most > 0 && control.most < 0.9);
});

test('smoothing keeps gaps and the mean of what is beside them', () => {
  const out = smoothed([1, 1, Number.NaN, 1, 1], 1);
  assert.ok(Number.isNaN(out[2]));
  assert.ok([0, 1, 3, 4].every((k) => Math.abs(out[k]! - 1) < 1e-12));
  const peak = smoothed([0, 0, 0, 1, 0, 0, 0], 1);
  assert.ok(peak[3]! < 0.5 && peak[2]! > 0.2);
});

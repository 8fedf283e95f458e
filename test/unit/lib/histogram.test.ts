import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Histogram } from '../../../src/lib/histogram.js';

test('values are counted up to and with their bound, cumulatively', () => {
  const histogram = new Histogram([1, 2, 5]);
  for (const value of [0.5, 1, 1.5, 2, 4, 6, -3]) histogram.add(value);
  assert.deepEqual(histogram.snapshot(), { bounds: [1, 2, 5], cumulative: [3, 5, 6], count: 7, sum: 12 });
  assert.equal(histogram.max, 6);
});

test('what is no finite number is left out', () => {
  const histogram = new Histogram([1]);
  for (const value of [NaN, Infinity, -Infinity, 0.5]) histogram.add(value);
  assert.deepEqual(histogram.snapshot(), { bounds: [1], cumulative: [1], count: 1, sum: 0.5 });
});

test('quantiles are near the sorted values, and never outside what was seen', () => {
  const bounds = Array.from({ length: 20 }, (_, i) => (i + 1) * 5);
  const histogram = new Histogram(bounds);
  const values = Array.from({ length: 5000 }, (_, i) => 100 * (i / 4999) ** 2);
  for (const value of values) histogram.add(value);
  for (const q of [0.05, 0.5, 0.95, 0.99]) {
    const truth = values[Math.floor(q * values.length)]!;
    assert.ok(Math.abs(histogram.quantile(q)! - truth) < 1, `${q}: ${histogram.quantile(q)} for ${truth}`);
  }
  assert.equal(histogram.quantile(0), values[0]);
  assert.equal(histogram.quantile(1), values.at(-1));
});

test('a value beyond the last bound, or the same value again and again, is told exactly', () => {
  const beyond = new Histogram([1]);
  for (let i = 0; i < 10; i += 1) beyond.add(70);
  assert.deepEqual(beyond.spread(), { count: 10, min: 70, p50: 70, p95: 70, max: 70 });
});

test('without a value there is nothing to tell', () => {
  const histogram = new Histogram([1]);
  assert.equal(histogram.quantile(0.5), undefined);
  assert.equal(histogram.spread(), undefined);
});

test('merged, two histograms count as one that had all values', () => {
  const bounds = [1, 2, 5];
  const [a, b, all] = [new Histogram(bounds), new Histogram(bounds), new Histogram(bounds)];
  for (const [to, value] of [
    [a, 0.5],
    [a, 3],
    [b, -1],
    [b, 9],
  ] as const) {
    to.add(value);
    all.add(value);
  }
  a.merge(b);
  assert.deepEqual(a.snapshot(), all.snapshot());
  assert.deepEqual(a.spread(), all.spread());
  assert.throws(() => a.merge(new Histogram([1, 2, 5])), RangeError);
});

test('bounds that do not ascend are refused', () => {
  for (const bounds of [[], [1, 1], [2, 1], [NaN]]) assert.throws(() => new Histogram(bounds), RangeError);
});

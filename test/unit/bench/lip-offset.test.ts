import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clipOffset, valueAt } from '../../bench/lips/offset.js';
import { tableOpening, type Phone } from '../../bench/lips/shape-table.js';
import { pausesOf, shutInPauses, speechSpans } from '../../bench/lips/speech.js';

/** Phones of 90 ms, one after another. */
function spoken(names: readonly string[]): Phone[] {
  return names.map((name, k) => ({ name, startMs: 300 + 90 * k, endMs: 390 + 90 * k }));
}

const timesMs = Array.from({ length: 75 }, (_, k) => k * 40);

test('the offset is found from lips that follow the phones late or early', () => {
  const phones = spoken(['p', 'aa', 't', 'ih', 'm', 'ae', 's', 'b', 'ow', 'l', 'aa', 'k', 'eh', 'p', 'ae']);
  for (const offsetMs of [-80, -20, 0, 50]) {
    const open = tableOpening(
      phones,
      timesMs.map((timeMs) => timeMs - offsetMs),
    );
    const found = clipOffset({ timesMs, open }, phones);
    assert.equal(found.by, 'closures and table');
    assert.ok(Math.abs(found.offsetMs - offsetMs) <= 10, `${found.offsetMs} for ${offsetMs}`);
  }
});

test('without p, b or m the table alone tells it, and lips that do not follow tell nothing', () => {
  const phones = spoken(['s', 'aa', 't', 'ih', 'n', 'ae', 's', 'l', 'ow', 'l', 'aa', 'k', 'eh', 't', 'ae']);
  const open = tableOpening(
    phones,
    timesMs.map((timeMs) => timeMs + 40),
  );
  const found = clipOffset({ timesMs, open }, phones);
  assert.equal(found.by, 'table');
  assert.ok(Math.abs(found.offsetMs + 40) <= 10, `${found.offsetMs}`);
  const other = Float64Array.from(timesMs, (_, k) => ((k * k * 7919) % 1009) / 1009);
  assert.deepEqual(clipOffset({ timesMs, open: other }, phones), { offsetMs: 0, by: 'nothing' });
});

test('a curve is read between its pictures', () => {
  assert.equal(valueAt([0, 40, 80], [0, 1, 0], 50), 0.75);
  assert.equal(valueAt([0, 40, 80], [0, 1, 0], 80), 0);
  assert.ok(Number.isNaN(valueAt([0, 40, 80], [0, 1, 0], 81)));
  assert.ok(Number.isNaN(valueAt([0, 40, 80], [0, 1, 0], -1)));
});

test('speech is what is loud, with short gaps; the rest is pauses', () => {
  const levels = Float32Array.from({ length: 300 }, (_, frame) =>
    (frame >= 50 && frame < 100) || (frame >= 110 && frame < 150) || (frame >= 220 && frame < 250)
      ? -15
      : -55,
  );
  levels[20] = -15; // a click
  const spans = speechSpans(levels);
  assert.deepEqual(spans, [
    { startMs: 495, endMs: 1495 },
    { startMs: 2195, endMs: 2495 },
  ]);
  const pauses = pausesOf(spans, 3000);
  assert.deepEqual(
    pauses.map(({ startMs }) => startMs),
    [0, 1495, 2495],
  );
  const open = timesMs.map((timeMs) => (timeMs > 700 && timeMs < 1600 ? 0.5 : 0));
  assert.deepEqual(shutInPauses(pauses, timesMs, open, 0.05), [true, true, true]);
  const slow = timesMs.map((timeMs) => (timeMs > 700 && timeMs < 1700 ? 0.5 : 0));
  assert.deepEqual(shutInPauses(pauses, timesMs, slow, 0.05), [true, false, true]);
});

test('digital silence holds no speech', () => {
  assert.deepEqual(speechSpans(new Float32Array(100).fill(-100)), []);
});

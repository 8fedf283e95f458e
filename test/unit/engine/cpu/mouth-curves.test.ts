import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MouthShape } from '../../../../src/media/frame.js';
import { CURVE_LOOKAHEAD_FRAMES, MouthCurves } from '../../../../src/engine/cpu/mouth-curves.js';

const SPEECH_DB = -20;
const SILENCE_DB = -90;

/** Runs the rules over a whole track; levels after the end repeat the last one. */
function draw(raw: readonly MouthShape[], levelsDb: readonly number[]): MouthShape[] {
  const curves = new MouthCurves();
  return raw.map((shape, k) => {
    const ahead = Float32Array.from(
      { length: CURVE_LOOKAHEAD_FRAMES + 1 },
      (_, i) => levelsDb[Math.min(k + i, levelsDb.length - 1)]!,
    );
    return curves.next(shape, ahead);
  });
}

const steady = (open: number, frames: number): MouthShape[] =>
  Array.from({ length: frames }, () => ({ open, spread: 0.6, round: 0.4, tuck: 0.5, tongue: 0 }));

test('contrast: a hedged closure shuts, a vowel opens wider than the network dared', () => {
  const shapes = draw(
    [...steady(0.6, 30), ...steady(0.11, 15)],
    Array.from({ length: 45 }, () => SPEECH_DB),
  );
  assert.ok(shapes[29]!.open > 0.65, `vowel ${shapes[29]!.open}`);
  assert.equal(shapes[44]!.open, 0);
});

test('the mouth is exactly shut and at rest 120 ms after the sound ended, even if the network says open', () => {
  const levels = [
    ...Array.from({ length: 40 }, () => SPEECH_DB),
    ...Array.from({ length: 40 }, () => SILENCE_DB),
  ];
  const shapes = draw(steady(0.95, 80), levels);
  assert.ok(shapes[39]!.open > 0.9);
  for (const shape of shapes.slice(40 + 12))
    assert.deepEqual(shape, { open: 0, spread: 0.2, round: 0, tuck: 0, tongue: 0 });
});

test('no flutter on low steady noise', () => {
  const noisy = Array.from({ length: 200 }, (_, k) => -62 + 4 * Math.sin(k * 2.3));
  const raw = Array.from({ length: 200 }, (_, k) => ({
    open: 0.3 + 0.3 * Math.sin(k),
    spread: 0.2,
    round: 0,
    tuck: 0,
    tongue: 0,
  }));
  assert.ok(draw(raw, noisy).every((shape) => shape.open === 0));
});

test('lips part shortly before the sound, not long before', () => {
  const levels = [
    ...Array.from({ length: 30 }, () => SILENCE_DB),
    ...Array.from({ length: 30 }, () => SPEECH_DB),
  ];
  const shapes = draw(steady(0.8, 60), levels);
  assert.equal(shapes[20]!.open, 0);
  assert.ok(shapes[28]!.open > 0);
});

test('no value jumps faster than a jaw moves', () => {
  const raw = Array.from({ length: 100 }, (_, k) => {
    const value = k % 7 < 3 ? 1 : 0;
    return { open: value, spread: value, round: value, tuck: value, tongue: 0 };
  });
  const shapes = draw(
    raw,
    Array.from({ length: 100 }, () => SPEECH_DB),
  );
  for (let k = 1; k < shapes.length; k++) {
    for (const name of ['open', 'spread', 'round', 'tuck'] as const) {
      const step = Math.abs(shapes[k]![name] - shapes[k - 1]![name]);
      assert.ok(step <= 0.14 + 1e-9, `${name} moved ${step} at ${k}`);
      assert.ok(shapes[k]![name] >= 0 && shapes[k]![name] <= 1);
    }
  }
});

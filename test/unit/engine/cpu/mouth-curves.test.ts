import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MouthShape } from '../../../../src/media/frame.js';
import { MouthCurves } from '../../../../src/engine/cpu/mouth-curves.js';
import type { HeardMouth } from '../../../../src/engine/cpu/mouth-curves.js';

/** Runs the rules over a whole track. */
function draw(heard: readonly HeardMouth[], levelsDb: readonly number[] = [-20]): MouthShape[] {
  const curves = new MouthCurves();
  return heard.map((shape, k) => curves.next(shape, levelsDb[Math.min(k, levelsDb.length - 1)]!));
}

const steady = (frames: number, heard: Partial<HeardMouth>): HeardMouth[] =>
  Array.from({ length: frames }, () => ({
    ...{ open: 0.6, spread: 0.6, round: 0.4, tuck: 0.5, tongue: 0, shut: 0, voice: 1 },
    ...heard,
  }));

test('contrast: a hedged closure shuts, a vowel opens wider than the network dared', () => {
  const shapes = draw([...steady(30, {}), ...steady(15, { open: 0.07 })]);
  assert.ok(shapes[29]!.open > 0.65, `vowel ${shapes[29]!.open}`);
  assert.equal(shapes[44]!.open, 0);
});

test('lips that probably touch do touch, within 60 ms, whatever the opening says', () => {
  const shapes = draw([...steady(30, {}), ...steady(8, { shut: 0.8 }), ...steady(20, {})]);
  assert.ok(shapes[29]!.open > 0.6);
  assert.equal(shapes[35]!.open, 0);
  assert.ok(shapes[57]!.open > 0.6, 'and part again');
});

test('the mouth is exactly shut and at rest 120 ms after the voice ended, even if the network says open', () => {
  const shapes = draw([...steady(40, { open: 0.95 }), ...steady(40, { open: 0.95, voice: 0 })]);
  assert.ok(shapes[39]!.open > 0.9);
  for (const shape of shapes.slice(40 + 12))
    assert.deepEqual(shape, { open: 0, spread: 0.2, round: 0, tuck: 0, tongue: 0 });
});

test('a word holds the mouth through its own short silence', () => {
  const shapes = draw([...steady(30, {}), ...steady(3, { voice: 0 }), ...steady(30, {})]);
  assert.ok(
    shapes.slice(20).every((shape) => shape.open > 0.5),
    'no blink of the mouth in a stop',
  );
});

test('what is far below the loudest of late is a pause, even if the network hears a voice', () => {
  const levels = Array.from({ length: 80 }, (_, k) => (k < 40 ? -20 : -52));
  const shapes = draw(steady(80, { open: 0.95 }), levels);
  assert.ok(shapes[39]!.open > 0.9);
  assert.ok(
    shapes.slice(40 + 12).every((shape) => shape.open === 0),
    'shut 120 ms later',
  );
});

test('without a voice nothing moves', () => {
  const heard = Array.from({ length: 200 }, (_, k) => ({
    ...{ spread: 0.9, round: 0.5, tuck: 0.9, tongue: 1, shut: 0 },
    open: 0.5 + 0.5 * Math.sin(k),
    voice: 0.15 + 0.15 * Math.sin(k / 3),
  }));
  for (const shape of draw(heard))
    assert.deepEqual(shape, { open: 0, spread: 0.2, round: 0, tuck: 0, tongue: 0 });
});

test('no value jumps faster than a jaw moves', () => {
  const shapes = draw(
    Array.from({ length: 100 }, (_, k) => {
      const value = k % 7 < 3 ? 1 : 0;
      return {
        open: value,
        spread: value,
        round: value,
        tuck: value,
        tongue: value,
        shut: 1 - value,
        voice: 1,
      };
    }),
  );
  for (let k = 1; k < shapes.length; k++) {
    for (const name of ['open', 'spread', 'round', 'tuck', 'tongue'] as const) {
      const step = Math.abs(shapes[k]![name] - shapes[k - 1]![name]);
      assert.ok(step <= 0.16 + 1e-9, `${name} moved ${step} at ${k}`);
      assert.ok(shapes[k]![name] >= 0 && shapes[k]![name] <= 1);
    }
  }
});

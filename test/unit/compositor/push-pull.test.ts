import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillHoles } from '../../../src/compositor/push-pull.js';

const [WIDTH, HEIGHT] = [37, 29];
const WHOLE = { x: 0, y: 0, widthPx: WIDTH, heightPx: HEIGHT };
const inHole = (x: number, y: number): boolean => Math.hypot(x - 18, y - 14) < 9;

function plane(value: (x: number, y: number) => number): Uint8Array {
  return Uint8Array.from({ length: WIDTH * HEIGHT }, (_, at) => value(at % WIDTH, Math.floor(at / WIDTH)));
}

const mask = plane((x, y) => (inHole(x, y) ? 1 : 0));

test('a hole in a plain colour becomes that colour, whatever was in it', () => {
  const data = plane((x, y) => (inHole(x, y) ? 250 : 90));
  fillHoles(data, mask, 0, WIDTH, WHOLE);
  assert.ok(data.every((value) => value === 90));
});

test('a ramp goes on through the hole, and what is known stays to the bit', () => {
  const ramp = plane((x) => 40 + 4 * x);
  const data = ramp.map((value, at) => (mask[at] === 1 ? 0 : value));
  fillHoles(data, mask, 0, WIDTH, WHOLE);
  data.forEach((value, at) => {
    if (mask[at] === 0) assert.equal(value, ramp[at]);
    else assert.ok(Math.abs(value - ramp[at]!) < 24, `${value} at ${at}, the ramp has ${ramp[at]}`);
  });
});

test('only the rectangle is filled, and one that is covered everywhere stays', () => {
  const data = plane((x, y) => (inHole(x, y) ? 250 : 90));
  const before = data.slice();
  fillHoles(data, mask, 0, WIDTH, { x: 16, y: 12, widthPx: 4, heightPx: 4 });
  assert.deepEqual(data, before);
  fillHoles(data, mask, 0, WIDTH, { x: 0, y: 0, widthPx: WIDTH, heightPx: 12 });
  assert.deepEqual(data.subarray(12 * WIDTH), before.subarray(12 * WIDTH));
  assert.ok(data.subarray(0, 12 * WIDTH).every((value) => value === 90));
});

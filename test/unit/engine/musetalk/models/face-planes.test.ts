import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planesToRgb, rgbToPlanes } from '../../../../../src/engine/musetalk/models/face-planes.js';
import { floatsToHalves, fromFloat16Bits, toFloat16Bits } from '../../../../../src/media/float16.js';

test('bytes to numbers: RGB planes, each step rounded to float32, black below the mask row', () => {
  const rgb = Uint8Array.from({ length: 2 * 2 * 3 }, (_, i) => i * 20);
  const planes = new Float32Array(1 + 12).fill(9);
  rgbToPlanes(rgb, 2, 1, planes, 1);
  const number = (byte: number): number =>
    Math.fround((Math.fround(Math.fround(byte / 255) - 0.5) as number) / 0.5);
  assert.deepEqual(
    [...planes],
    [9, number(0), number(60), -1, -1, number(20), number(80), -1, -1, number(40), number(100), -1, -1],
  );
  rgbToPlanes(Uint8Array.of(0, 128, 255), 1, 1, planes, 0);
  assert.equal(planes[0], -1);
  assert.equal(planes[2], 1);
  assert.ok(Math.abs(planes[1]! - 0.00392157) < 1e-7); // mid-grey is not 0
});

test('numbers to bytes: half to even, clamped, for both orders', () => {
  // (v + 1) / 2 * 255 for bytes b + 0.5 is exact in float32 only for some b; these are.
  const halves = [0.5, 1.5, 2.5, 126.5, 127.5].filter(
    (b) => Math.fround(Math.fround(Math.fround((b / 255) * 2 - 1) * 0.5 + 0.5) * 255) === b,
  );
  assert.ok(halves.includes(127.5));
  for (const b of halves) {
    const rgb = new Uint8Array(3);
    assert.ok(planesToRgb(new Float32Array(3).fill((b / 255) * 2 - 1), 1, 1, 'rgb', rgb));
    const even = Math.round(b) % 2 === 0 ? Math.round(b) : Math.round(b) - 1;
    assert.deepEqual([...rgb], [even, even, even]);
  }
  const rgb = new Uint8Array(6);
  const planes = Float32Array.of(-7, 0, 7, -1, 1, 0.5);
  assert.ok(planesToRgb(planes, 1, 2, 'rgb', rgb));
  assert.deepEqual([...rgb], [0, 128, 255, 0, 255, 191]);
  assert.ok(planesToRgb(planes, 1, 2, 'bgr', rgb));
  assert.deepEqual([...rgb], [255, 128, 0, 191, 255, 0]);
});

test('half floats are halved and lifted in half floats', () => {
  const values = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i) * 1.2);
  const bits = new Uint16Array(values.length);
  floatsToHalves(values, bits);
  const rgb = new Uint8Array(values.length);
  assert.ok(planesToRgb(bits, 64, 1, 'rgb', rgb));
  for (let i = 0; i < 64 * 64; i++) {
    const lifted = fromFloat16Bits(toFloat16Bits(fromFloat16Bits(bits[i]!) / 2 + 0.5));
    const level = Math.fround(Math.min(1, Math.max(0, lifted)) * 255);
    assert.ok(Math.abs(rgb[3 * i]! - level) <= 0.5, `${values[i]} became ${rgb[3 * i]}`);
  }
});

test('NaN and infinity are noticed, wherever they stand', () => {
  for (const poison of [NaN, Infinity, -Infinity]) {
    for (const at of [0, 5, 11]) {
      const planes = new Float32Array(12);
      planes[at] = poison;
      assert.equal(planesToRgb(planes, 2, 1, 'rgb', new Uint8Array(12)), false);
      const bits = new Uint16Array(12);
      floatsToHalves(planes, bits);
      assert.equal(planesToRgb(bits, 2, 1, 'rgb', new Uint8Array(12)), false);
    }
  }
  // Beyond the pictures asked for, as in a filled-up batch, nothing is looked at.
  assert.equal(planesToRgb(Float32Array.of(0, 0, 0, NaN, 0, 0), 1, 1, 'rgb', new Uint8Array(3)), true);
});

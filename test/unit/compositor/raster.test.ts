import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawTriangle } from '../../../src/compositor/raster.js';

function patch(fill: (x: number, y: number) => number): {
  widthPx: number;
  heightPx: number;
  data: Uint8Array;
} {
  const data = new Uint8Array(32 * 32 * 3);
  for (let i = 0; i < data.length; i += 1) data[i] = fill(((i / 3) | 0) % 32, (i / 96) | 0);
  return { widthPx: 32, heightPx: 32, data };
}

test('an unmoved pair of triangles copies its square exactly, without cracks', () => {
  const source = patch((x, y) => (x * 7 + y * 13) % 256);
  const target = patch(() => 0);
  drawTriangle(target, source, 4, 4, 28, 4, 4, 28, 4, 4, 28, 4, 4, 28);
  drawTriangle(target, source, 28, 4, 28, 28, 4, 28, 28, 4, 28, 28, 4, 28);
  for (let y = 4; y < 28; y += 1) {
    for (let x = 4; x < 28; x += 1)
      assert.equal(target.data[(y * 32 + x) * 3], source.data[(y * 32 + x) * 3], `${x},${y}`);
  }
  assert.equal(target.data[(2 * 32 + 10) * 3], 0);
  assert.equal(target.data[(10 * 32 + 30) * 3], 0);
});

test('a shift by half a pixel gives the mean of two neighbours', () => {
  const source = patch((x) => x * 8);
  const target = patch(() => 0);
  drawTriangle(target, source, 4.5, 4, 28.5, 4, 4.5, 28, 4, 4, 28, 4, 4, 28);
  const value = target.data[(8 * 32 + 10) * 3]!;
  assert.ok(Math.abs(value - 76) <= 1, `got ${value}`);
});

test('triangles outside the patch or without area draw nothing and do not throw', () => {
  const source = patch((x) => x);
  const target = patch(() => 9);
  drawTriangle(target, source, -40, -40, -10, -40, -40, -10, 0, 0, 8, 0, 0, 8);
  drawTriangle(target, source, 5, 5, 10, 10, 20, 20, 0, 0, 8, 0, 0, 8);
  assert.ok(target.data.every((value) => value === 9));
});

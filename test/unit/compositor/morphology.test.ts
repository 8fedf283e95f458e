import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dilate, erode, FLAT_ELLIPSE, JAW_KERNEL } from '../../../src/compositor/morphology.js';
import type { RunKernel } from '../../../src/compositor/morphology.js';
import { lcgBytes } from '../../helpers/lcg.js';

const WIDTH = 61;
const HEIGHT = 47;

/** Dilation and erosion by their definition, pixel by pixel. */
function plain(data: Uint8Array, kernel: RunKernel, white: boolean): Uint8Array {
  return data.map((_, i) => {
    const x = i % WIDTH;
    const y = Math.floor(i / WIDTH);
    let met = false;
    kernel.halfWidths.forEach((half, row) => {
      for (let dx = -half; dx <= half; dx += 1) {
        const [u, v] = [x + dx, y + kernel.firstRow + row];
        if (u < 0 || v < 0 || u >= WIDTH || v >= HEIGHT) continue;
        met ||= (data[v * WIDTH + u] !== 0) === white;
      }
    });
    return met === white ? 255 : 0;
  });
}

/** Blots with holes: noise with few black and few white pixels in turns, which no kernel swallows whole. */
function blots(seed: number, whiteBelow: number): Uint8Array {
  return lcgBytes(seed, WIDTH * HEIGHT).map((value) => (value < whiteBelow ? 255 : 0));
}

test('both kernels give what the definition gives, at the borders too', () => {
  for (const kernel of [JAW_KERNEL, FLAT_ELLIPSE]) {
    assert.deepEqual(dilate(blots(1, 2), WIDTH, HEIGHT, kernel), plain(blots(1, 2), kernel, true));
    assert.deepEqual(erode(blots(2, 253), WIDTH, HEIGHT, kernel), plain(blots(2, 253), kernel, false));
  }
});

test('the jaw kernel grows a point 16 px up, 6 px down in a wedge and 10 px to the sides', () => {
  const point = new Uint8Array(WIDTH * HEIGHT);
  point[20 * WIDTH + 30] = 255;
  const grown = dilate(point, WIDTH, HEIGHT, JAW_KERNEL);
  const whiteIn = (y: number): number =>
    grown.subarray(y * WIDTH, (y + 1) * WIDTH).filter((v) => v !== 0).length;
  assert.equal(whiteIn(3), 0);
  assert.equal(whiteIn(4), 21);
  assert.equal(whiteIn(16), 21);
  assert.equal(whiteIn(17), 19);
  assert.equal(whiteIn(26), 1);
  assert.equal(whiteIn(27), 0);
  assert.equal(grown[26 * WIDTH + 30], 255);
});

test('the ellipse takes 17 px from each side and one row from above and below', () => {
  const bar = new Uint8Array(WIDTH * HEIGHT);
  for (let y = 10; y < 20; y += 1) bar.fill(255, y * WIDTH + 5, y * WIDTH + 55);
  const left = erode(bar, WIDTH, HEIGHT, FLAT_ELLIPSE);
  const white = [...left.keys()].filter((i) => left[i] !== 0);
  assert.equal(white.length, 8 * 16);
  assert.equal(white[0], 11 * WIDTH + 22);
  assert.equal(white.at(-1), 18 * WIDTH + 37);
});

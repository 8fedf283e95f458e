import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gaussianBlur, gaussianKernel } from '../../../src/compositor/gaussian-blur.js';
import { lcgBytes, pixelGoldens, sha256 } from '../../helpers/lcg.js';

const SIDE = 314;

function goldenInput(): Uint8Array {
  const data = new Uint8Array(SIDE * SIDE);
  for (let y = 157; y < 260; y += 1) data.fill(255, y * SIDE + 60, y * SIDE + 250);
  for (let y = 260; y < 290; y += 1) data.fill(180, y * SIDE + 110, y * SIDE + 200);
  return data;
}

for (const golden of pixelGoldens().gauss) {
  test(`blur with a kernel of ${golden.ksize} equals OpenCV`, () => {
    assert.deepEqual([...gaussianKernel(golden.ksize)], golden.kernel_256ths);
    assert.equal(sha256(gaussianBlur(goldenInput(), SIDE, SIDE, golden.ksize)), golden.sha256);
  });
}

test('every kernel sums to one and is the same from both ends', () => {
  for (let size = 1; size < 400; size += 2) {
    const kernel = [...gaussianKernel(size)];
    assert.equal(kernel.length, size);
    assert.equal(
      kernel.reduce((sum, value) => sum + value, 0),
      256,
    );
    assert.deepEqual(kernel, kernel.toReversed());
  }
});

test('the border is mirrored without its own pixel, also where the kernel is larger than the picture', () => {
  const data = lcgBytes(5, 4 * 3);
  for (const size of [3, 9, 15]) {
    const kernel = gaussianKernel(size);
    const radius = (size - 1) / 2;
    const mirror = (index: number, count: number): number => {
      let at = index;
      while (at < 0 || at >= count) at = at < 0 ? -at : 2 * (count - 1) - at;
      return at;
    };
    const wanted = Uint8Array.from({ length: 12 }, (_, i) => {
      let sum = 32768;
      for (let dy = -radius; dy <= radius; dy += 1) {
        for (let dx = -radius; dx <= radius; dx += 1) {
          const value = data[mirror(Math.floor(i / 4) + dy, 3) * 4 + mirror((i % 4) + dx, 4)]!;
          sum += value * kernel[dy + radius]! * kernel[dx + radius]!;
        }
      }
      return sum >> 16;
    });
    assert.deepEqual(gaussianBlur(data, 4, 3, size), wanted, `size ${size}`);
  }
});

test('a single row and a single pixel blur to themselves where there is nothing to mix', () => {
  assert.deepEqual([...gaussianBlur(Uint8Array.of(77), 1, 1, 7)], [77]);
  assert.deepEqual([...gaussianBlur(Uint8Array.of(9, 9, 9), 3, 1, 5)], [9, 9, 9]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cropSquare } from '../../../src/face/image-crop.js';
import type { RgbImage } from '../../../src/media/frame.js';

/** R grows by 2 a pixel to the right, G by 2 a pixel down, B is 100. */
function ramps(widthPx: number, heightPx: number): RgbImage {
  const data = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) data.set([2 * x, 2 * y, 100], (y * widthPx + x) * 3);
  }
  return { widthPx, heightPx, data };
}

const bytes = { low: 0, high: 255, outside: 'edge' } as const;
const close = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-3, `${a} is not ${b}`);

test('an upright square at full size gives the pixels themselves, one plane a colour', () => {
  const target = new Float32Array(3 * 8 * 8);
  cropSquare(ramps(20, 30), { centreX: 10, centreY: 14, sidePx: 8, angleRad: 0 }, 8, bytes, target);
  for (let y = 0; y < 8; y++) {
    for (let x = 0; x < 8; x++) {
      close(target[y * 8 + x]!, 2 * (6 + x));
      close(target[64 + y * 8 + x]!, 2 * (10 + y));
      close(target[128 + y * 8 + x]!, 100);
    }
  }
});

test('a turned and enlarged square samples where the turn puts it', () => {
  const size = 6;
  const target = new Float32Array(3 * size * size);
  const roi = { centreX: 50, centreY: 40, sidePx: 30, angleRad: 0.4 };
  cropSquare(ramps(100, 90), roi, size, bytes, target);
  for (const [column, row] of [
    [0, 0],
    [5, 0],
    [2, 4],
  ] as const) {
    const u = ((column + 0.5) / size - 0.5) * roi.sidePx;
    const v = ((row + 0.5) / size - 0.5) * roi.sidePx;
    const x = roi.centreX + Math.cos(0.4) * u - Math.sin(0.4) * v;
    const y = roi.centreY + Math.sin(0.4) * u + Math.cos(0.4) * v;
    close(target[row * size + column]!, 2 * (x - 0.5));
    close(target[size * size + row * size + column]!, 2 * (y - 0.5));
  }
});

test('outside the picture there is black or the edge, as asked', () => {
  const roi = { centreX: 0, centreY: 5, sidePx: 8, angleRad: 0 };
  const target = new Float32Array(3 * 4 * 4);
  cropSquare(ramps(10, 10), roi, 4, { low: -1, high: 1, outside: 'zero' }, target);
  assert.deepEqual([target[0], target[16], target[32]], [-1, -1, -1]);
  assert.ok(target[35]! > -1, 'inside it is the picture');
  cropSquare(ramps(10, 10), roi, 4, bytes, target);
  close(target[32]!, 100);
});

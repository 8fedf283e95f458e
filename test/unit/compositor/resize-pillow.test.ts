import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pillowResize } from '../../../src/compositor/resize-pillow.js';
import { lcgBytes, pixelGoldens, pixelsAt, sha256 } from '../../helpers/lcg.js';

for (const golden of pixelGoldens().pil_bilinear_512) {
  test(`bilinear from ${golden.src} to 512 equals Pillow`, () => {
    const data = lcgBytes(golden.seed, golden.src * golden.src * 3);
    const out = pillowResize(data, 3, golden.src, golden.src, 512, 512, 'bilinear');
    assert.deepEqual(pixelsAt({ widthPx: 512, heightPx: 512, data: out }, 0, 0, 4), golden.row0_first4px);
    assert.equal(sha256(out), golden.sha256);
  });
}

test('an unchanged size gives a copy, and one unchanged axis is left as it is', () => {
  const data = lcgBytes(3, 12 * 8);
  const same = pillowResize(data, 1, 12, 8, 12, 8, 'bicubic');
  assert.deepEqual(same, data);
  assert.notEqual(same, data);
  const row = pillowResize(Uint8Array.of(10, 20, 30, 40), 1, 4, 1, 4, 3, 'bicubic');
  assert.deepEqual([...row], [10, 20, 30, 40, 10, 20, 30, 40, 10, 20, 30, 40]);
});

test('bicubic overshoot is cut off at black and white', () => {
  const step = Uint8Array.of(0, 0, 0, 255, 255, 255);
  const out = pillowResize(step, 1, 6, 1, 24, 1, 'bicubic');
  assert.equal(Math.min(...out), 0);
  assert.equal(Math.max(...out), 255);
  for (let i = 1; i < out.length / 2; i += 1) assert.ok(out[i]! + out[out.length - 1 - i]! === 255, `${i}`);
});

test('a picture without pixels becomes black', () => {
  assert.deepEqual(pillowResize(new Uint8Array(0), 3, 0, 0, 2, 2, 'bilinear'), new Uint8Array(12));
});

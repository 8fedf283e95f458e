import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinearResizer, resizeLanczos4, resizeLinear } from '../../../src/compositor/resize-opencv.js';
import type { RgbImage } from '../../../src/media/frame.js';
import { lcgBytes, lcgImage, pixelGoldens, pixelsAt, sha256 } from '../../helpers/lcg.js';

const goldens = pixelGoldens();

test('the noise of the goldens is the same noise here', () => {
  assert.deepEqual([...lcgBytes(1, 8)], goldens.lcg.seed1_first8);
  assert.deepEqual([...lcgBytes(7, 8)], goldens.lcg.seed7_first8);
});

for (const golden of goldens.lanczos4_256) {
  const [height, width] = golden.src_hw;
  test(`Lanczos from ${width} x ${height} to 256 x 256 equals OpenCV`, () => {
    const out = resizeLanczos4(lcgImage(golden.seed, width, height), 256, 256);
    assert.deepEqual(pixelsAt(out, 0, 0, 4), golden.row0_first4px);
    assert.deepEqual(pixelsAt(out, 100, 128, 4), golden.row128_px100_103);
    assert.equal(sha256(out.data), golden.sha256);
  });
}

for (const golden of goldens.linear) {
  const [height, width] = golden.src_hw;
  const [outWidth, outHeight] = golden.dst_wh;
  test(`linear from ${width} x ${height} to ${outWidth} x ${outHeight} equals OpenCV`, () => {
    const out = resizeLinear(lcgImage(golden.seed, width, height), outWidth, outHeight);
    assert.deepEqual(pixelsAt(out, 0, 0, 4), golden.row0_first4px);
    assert.equal(sha256(out.data), golden.sha256);
  });
}

test('an unchanged size gives a copy, not the same memory', () => {
  const image = lcgImage(6, 17, 9);
  for (const out of [resizeLinear(image, 17, 9), resizeLanczos4(image, 17, 9)]) {
    assert.deepEqual(out.data, image.data);
    assert.notEqual(out.data, image.data);
  }
});

test('a picture of one colour keeps it at any size, a single pixel included', () => {
  for (const [width, height] of [
    [1, 1],
    [1, 7],
    [5, 2],
  ] as const) {
    const image: RgbImage = {
      widthPx: width,
      heightPx: height,
      data: new Uint8Array(width * height * 3).fill(203),
    };
    for (const resize of [resizeLinear, resizeLanczos4]) {
      const out = resize(image, 13, 29);
      assert.ok(
        out.data.every((value) => value === 203),
        `${resize.name} from ${width} x ${height}`,
      );
    }
  }
});

test('resizing a window gives the same pixels there and touches nothing else', () => {
  const image = lcgImage(11, 64, 64);
  const whole = resizeLinear(image, 90, 77).data;
  const resizer = new LinearResizer();
  const target = new Uint8Array(whole.length).fill(7);
  const window = { x1: 13, y1: 31, x2: 62, y2: 70 };
  resizer.resize(image, 90, 77, target, window);
  for (let y = 0; y < 77; y += 1) {
    for (let at = y * 270; at < (y + 1) * 270; at += 1) {
      const x = Math.floor((at % 270) / 3);
      const inside = x >= window.x1 && x < window.x2 && y >= window.y1 && y < window.y2;
      assert.equal(target[at], inside ? whole[at] : 7);
    }
  }
});

test('a resizer that changes its sizes forgets the old ones', () => {
  const resizer = new LinearResizer();
  for (const [from, width, height] of [
    [40, 90, 77],
    [64, 30, 20],
    [64, 64, 64],
    [40, 90, 78],
    [41, 90, 78],
  ] as const) {
    const image = lcgImage(from, from, from);
    const target = new Uint8Array(width * height * 3);
    resizer.resize(image, width, height, target);
    assert.deepEqual(target, resizeLinear(image, width, height).data);
  }
});

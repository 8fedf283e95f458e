import assert from 'node:assert/strict';
import { test } from 'node:test';
import { i420RoiToRgb, i420ToRgb, rgbToI420, rgbToI420Roi } from '../../../src/media/yuv.js';

const plain = (colour: readonly number[], pixels: number): Uint8Array =>
  Uint8Array.from({ length: pixels * 3 }, (_, i) => colour[i % 3]!);

test('the corners of BT.601 limited range are where the standard puts them', () => {
  const expected: [number[], number[]][] = [
    [
      [0, 0, 0],
      [16, 128, 128],
    ],
    [
      [255, 255, 255],
      [235, 128, 128],
    ],
    [
      [255, 0, 0],
      [82, 90, 240],
    ],
    [
      [0, 255, 0],
      [145, 54, 34],
    ],
    [
      [0, 0, 255],
      [41, 240, 110],
    ],
  ];
  for (const [rgb, yuv] of expected) {
    const data = new Uint8Array(6);
    rgbToI420(plain(rgb, 4), 2, 2, data);
    for (const [i, at] of [0, 4, 5].entries()) {
      assert.ok(
        Math.abs(data[at]! - yuv[i]!) <= 1,
        `${rgb.join()} -> ${data.join()}, expected ${yuv.join()}`,
      );
    }
  }
});

test('there and back again changes a flat colour by no more than rounding', () => {
  for (const colour of [
    [200, 150, 130],
    [30, 60, 90],
    [128, 128, 128],
    [250, 240, 10],
  ]) {
    const data = new Uint8Array(24);
    const back = new Uint8Array(48);
    rgbToI420(plain(colour, 16), 4, 4, data);
    i420ToRgb(data, 4, 4, back);
    for (let i = 0; i < 48; i += 1)
      assert.ok(
        Math.abs(back[i]! - colour[i % 3]!) <= 3,
        `${colour.join()} became ${back.subarray(0, 3).join()}`,
      );
  }
});

test('a rectangle reads like the whole picture and writes nothing outside itself', () => {
  const [width, height] = [12, 8];
  const data = Uint8Array.from({ length: (width * height * 3) / 2 }, (_, i) => 60 + ((i * 37) % 120));
  const whole = new Uint8Array(width * height * 3);
  i420ToRgb(data, width, height, whole);
  const roi = { x: 4, y: 2, widthPx: 6, heightPx: 4 };
  const part = new Uint8Array(roi.widthPx * roi.heightPx * 3);
  i420RoiToRgb(data, width, height, roi, part);
  for (let y = 0; y < roi.heightPx; y += 1) {
    const start = ((roi.y + y) * width + roi.x) * 3;
    assert.deepEqual(part.subarray(y * 18, y * 18 + 18), whole.subarray(start, start + 18));
  }

  const before = data.slice();
  rgbToI420Roi(plain([255, 255, 255], 24), roi, data, width, height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const inside = x >= 4 && x < 10 && y >= 2 && y < 6;
      assert.equal(data[y * width + x], inside ? 235 : before[y * width + x]);
      const chroma = width * height + (y >> 1) * (width >> 1) + (x >> 1);
      if (!inside) assert.equal(data[chroma], before[chroma]);
    }
  }
});

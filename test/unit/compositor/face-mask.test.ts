import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  blurSize,
  faceMask,
  faceSquare,
  labelsFrom,
  LIVE_BLUR_SHARE,
  OFFLINE_BLUR_SHARE,
  parsingInput,
  shownLabels,
  toAlphaMask,
} from '../../../src/compositor/face-mask.js';
import { pillowResize } from '../../../src/compositor/resize-pillow.js';
import type { Box } from '../../../src/media/frame.js';
import { goldenLabels, lcgImage, pixelGoldens, sha256 } from '../../helpers/lcg.js';

const goldens = pixelGoldens();
const labels = goldenLabels();

function boxOf(corners: readonly [number, number, number, number]): Box {
  const [x1, y1, x2, y2] = corners;
  return { x1, y1, x2, y2 };
}

test('the label map of the goldens is the same here', () => {
  assert.equal(sha256(labels), goldens.labelmap.sha256_uint8);
  for (const [label, count] of Object.entries(goldens.labelmap.counts))
    assert.equal(labels.filter((value) => value === Number(label)).length, count, `label ${label}`);
});

for (const golden of goldens.seg) {
  test(`what ${golden.mode} mode with cheeks ${golden.left} and ${golden.right} shows equals the reference`, () => {
    const shown = shownLabels({
      labels,
      mode: golden.mode,
      leftCheekWidthPx: golden.left,
      rightCheekWidthPx: golden.right,
    });
    assert.equal(shown.filter((value) => value === 255).length, golden.white);
    assert.equal(sha256(shown), golden.sha256);
  });
}

for (const golden of goldens.prep) {
  const offline = golden.blur !== undefined;
  test(`the ${golden.mode} mask of box ${golden.face_box.join(' ')}, ${offline ? 'offline' : 'live'} blur, equals the reference`, () => {
    const box = boxOf(golden.face_box);
    const square = faceSquare(box);
    if (golden.crop_box !== undefined) assert.deepEqual(square, boxOf(golden.crop_box));
    const side = square.x2 - square.x1;
    assert.equal(blurSize(side, offline ? OFFLINE_BLUR_SHARE : LIVE_BLUR_SHARE), golden.ksize);
    const mask = faceMask({
      labels,
      box,
      square,
      mode: golden.mode,
      leftCheekWidthPx: 90,
      rightCheekWidthPx: 90,
      ...(offline ? { blurShare: OFFLINE_BLUR_SHARE } : {}),
    });
    assert.equal(mask.length, side * side);
    if (golden.sum !== undefined)
      assert.equal(
        mask.reduce((sum, value) => sum + value, 0),
        golden.sum,
      );
    assert.equal(sha256(mask), golden.sha256);
  });
}

test('the square stays round the middle of the box, sizes rounded down as the reference does', () => {
  assert.deepEqual(faceSquare(boxOf([0, 0, 10, 21])), boxOf([-10, -5, 20, 25]));
  assert.deepEqual(faceSquare(boxOf([3, 3, 4, 4])), boxOf([3, 3, 3, 3]));
  assert.deepEqual(faceSquare(boxOf([-9, 0, 0, 4])), boxOf([-11, -4, 1, 8]));
});

test('the blur kernel of every square is odd, live about twice the offline one', () => {
  for (let side = 2; side <= 400; side += 1) {
    const live = blurSize(side, LIVE_BLUR_SHARE);
    const offline = blurSize(side, OFFLINE_BLUR_SHARE);
    for (const size of [live, offline])
      assert.ok(Number.isInteger(size) && size % 2 === 1, `side ${side}: ${size}`);
    assert.ok(live <= side * 0.1 + 1 && live > side * 0.1 - 1, `side ${side}: ${live}`);
    assert.ok(offline <= side * 0.05 + 1 && offline > side * 0.05 - 1, `side ${side}: ${offline}`);
  }
});

test('a frame goes to the parsing network as its square, black outside, in single precision planes', () => {
  const frame = lcgImage(4, 60, 40);
  const square = boxOf([20, -10, 70, 40]);
  const input = parsingInput(frame, square);
  assert.equal(input.length, 3 * 512 * 512);
  const crop = new Uint8Array(50 * 50 * 3);
  for (let y = 0; y < 40; y += 1)
    for (let x = 20; x < 60; x += 1)
      for (let c = 0; c < 3; c += 1)
        crop[((y + 10) * 50 + x - 20) * 3 + c] = frame.data[(y * 60 + x) * 3 + c]!;
  const seen = pillowResize(crop, 3, 50, 50, 512, 512, 'bilinear');
  const [mean, deviation] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ] as const;
  for (const i of [0, 511, 200 * 512 + 100, 300 * 512 + 409, 512 * 512 - 1]) {
    for (let c = 0; c < 3; c += 1) {
      const wanted = (seen[i * 3 + c]! / 255 - mean[c]!) / deviation[c]!;
      assert.ok(Math.abs(input[c * 512 * 512 + i]! - wanted) < 1e-6);
    }
  }
  // Above the frame's upper edge and right of its right edge there is nothing but black.
  assert.equal(input[0], Math.fround(Math.fround(-Math.fround(0.485)) / Math.fround(0.229)));
  assert.equal(input[300 * 512 + 511], input[0]);
});

for (const [side, square] of [
  ['left', boxOf([-30, 10, 20, 60])],
  ['top', boxOf([30, -30, 80, 20])],
  ['right', boxOf([80, 10, 130, 60])],
  ['bottom', boxOf([30, 50, 80, 100])],
] as const) {
  test(`a mask whose square leaves the picture on the ${side} keeps the part inside`, () => {
    const picture = { widthPx: 100, heightPx: 70 };
    const whole = new Uint8Array(50 * 50).map((_, i) => 1 + (i % 255));
    const { area, alpha } = toAlphaMask(whole, square, picture);
    assert.deepEqual(area, {
      x1: Math.max(0, square.x1),
      y1: Math.max(0, square.y1),
      x2: Math.min(100, square.x2),
      y2: Math.min(70, square.y2),
    });
    const width = area.x2 - area.x1;
    assert.equal(alpha.length, width * (area.y2 - area.y1));
    alpha.forEach((value, i) => {
      const x = area.x1 + (i % width) - square.x1;
      const y = area.y1 + Math.floor(i / width) - square.y1;
      assert.equal(value, whole[y * 50 + x]);
    });
  });
}

test('a mask is cut to where it has alpha, and one without any is empty', () => {
  const mask = new Uint8Array(20 * 20);
  mask[7 * 20 + 3] = 9;
  mask[11 * 20 + 15] = 1;
  const square = boxOf([100, 50, 120, 70]);
  const cut = toAlphaMask(mask, square, { widthPx: 640, heightPx: 360 });
  assert.deepEqual(cut.area, boxOf([103, 57, 116, 62]));
  assert.equal(cut.alpha[0], 9);
  assert.equal(cut.alpha.at(-1), 1);
  for (const empty of [
    toAlphaMask(new Uint8Array(400), square, { widthPx: 640, heightPx: 360 }),
    toAlphaMask(mask, square, { widthPx: 90, heightPx: 360 }),
    toAlphaMask(mask, boxOf([-40, 0, -20, 20]), { widthPx: 640, heightPx: 360 }),
  ]) {
    assert.equal(empty.area.x2 - empty.area.x1, 0);
    assert.equal(empty.alpha.length, 0);
  }
});

test('the mask of a box of one pixel is empty instead of an error', () => {
  const box = boxOf([5, 5, 6, 6]);
  const square = faceSquare(box);
  const cheeks = { leftCheekWidthPx: 90, rightCheekWidthPx: 90 };
  assert.equal(faceMask({ labels, box, square, mode: 'jaw', ...cheeks }).length, 0);
  assert.equal(parsingInput(lcgImage(1, 8, 8), square).length, 3 * 512 * 512);
});

test('the label of a pixel is the class with the largest number, the first of equals', () => {
  const plane = 512 * 512;
  const logits = new Float32Array(19 * plane).fill(-3);
  logits[0 * plane + 1] = 0.5;
  logits[18 * plane + 2] = -2.5;
  logits[4 * plane + 3] = 2;
  logits[9 * plane + 3] = 2;
  assert.deepEqual([...labelsFrom(logits).subarray(0, 4)], [0, 0, 18, 4]);
  assert.throws(() => labelsFrom(new Float32Array(11 * plane)), { code: 'model-invalid' });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blendFaceRgb, FaceBlender } from '../../../src/compositor/face-blender.js';
import { faceMask, faceSquare, toAlphaMask } from '../../../src/compositor/face-mask.js';
import { resizeLanczos4, resizeLinear } from '../../../src/compositor/resize-opencv.js';
import { i420SizeBytes } from '../../../src/media/frame.js';
import type { AlphaMask, Box, RgbImage } from '../../../src/media/frame.js';
import { i420ToRgb, rgbToI420 } from '../../../src/media/yuv.js';
import { goldenLabels, lcgBytes, lcgImage, pixelGoldens, sha256 } from '../../helpers/lcg.js';

const WIDTH = 640;
const HEIGHT = 360;
const labels = goldenLabels();
const face = lcgImage(3, 256, 256);

function maskOf(box: Box, mode: 'raw' | 'jaw' = 'jaw', widthPx = WIDTH, heightPx = HEIGHT): AlphaMask {
  const square = faceSquare(box);
  const cheeks = { leftCheekWidthPx: 90, rightCheekWidthPx: 90 };
  return toAlphaMask(faceMask({ labels, box, square, mode, ...cheeks }), square, { widthPx, heightPx });
}

function fullMask(area: Box, alpha = 255): AlphaMask {
  return { area, alpha: new Uint8Array((area.x2 - area.x1) * (area.y2 - area.y1)).fill(alpha) };
}

/** Alpha of the mask at a picture pixel, 0 outside the face box, where the face has no pixels to show. */
function alphaAt(mask: AlphaMask, box: Box, x: number, y: number): number {
  const { area, alpha } = mask;
  if (x < area.x1 || x >= area.x2 || y < area.y1 || y >= area.y2) return 0;
  if (x < box.x1 || x >= box.x2 || y < box.y1 || y >= box.y2) return 0;
  return alpha[(y - area.y1) * (area.x2 - area.x1) + x - area.x1]!;
}

for (const golden of pixelGoldens().blend) {
  test(`a face in box ${golden.face_box.join(' ')} through its ${golden.mode} mask equals the reference`, () => {
    const [x1, y1, x2, y2] = golden.face_box;
    const box = { x1, y1, x2, y2 };
    const frame = lcgImage(9, WIDTH, HEIGHT);
    const before = frame.data.slice();
    blendFaceRgb(frame, face, box, maskOf(box, golden.mode));
    let changed = 0;
    for (let at = 0; at < before.length; at += 3) {
      const same = [0, 1, 2].every((channel) => frame.data[at + channel] === before[at + channel]);
      if (!same) changed += 1;
    }
    assert.equal(changed, golden.changed_px);
    assert.equal(sha256(frame.data), golden.sha256);
  });
}

/** A picture of real colours (noise in RGB, one colour a 2x2 block, so that I420 can hold it), as I420. */
function picture(seed: number, widthPx = WIDTH, heightPx = HEIGHT): Uint8Array {
  const blocks = lcgImage(seed, widthPx / 2, heightPx / 2);
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y += 1) {
    for (let x = 0; x < widthPx; x += 1) {
      const from = ((y >> 1) * (widthPx / 2) + (x >> 1)) * 3;
      rgb.set(blocks.data.subarray(from, from + 3), (y * widthPx + x) * 3);
    }
  }
  const data = new Uint8Array(i420SizeBytes(widthPx, heightPx));
  rgbToI420(rgb, widthPx, heightPx, data);
  return data;
}

const ODD_BOX = { x1: 201, y1: 61, x2: 360, y2: 272 };
const BOXES: Readonly<Record<string, Box>> = {
  inside: ODD_BOX,
  'left and top': { x1: -35, y1: -61, x2: 110, y2: 121 },
  right: { x1: 560, y1: 100, x2: 703, y2: 290 },
  bottom: { x1: 300, y1: 220, x2: 431, y2: 415 },
};

for (const [where, box] of Object.entries(BOXES)) {
  test(`blending into I420 equals blending into RGB within the conversion's rounding, box ${where}`, () => {
    const mask = maskOf(box);
    const blended = picture(9);
    const rgb = { widthPx: WIDTH, heightPx: HEIGHT, data: new Uint8Array(WIDTH * HEIGHT * 3) };
    i420ToRgb(blended, WIDTH, HEIGHT, rgb.data);
    new FaceBlender({ widthPx: WIDTH, heightPx: HEIGHT }).blend(blended, face, box, mask);
    blendFaceRgb(rgb, face, box, mask);
    const wanted = new Uint8Array(blended.length);
    rgbToI420(rgb.data, WIDTH, HEIGHT, wanted);
    let worst = 0;
    for (let i = 0; i < wanted.length; i += 1) worst = Math.max(worst, Math.abs(wanted[i]! - blended[i]!));
    assert.ok(worst <= 2, `off by ${worst}`);
    assert.notDeepEqual(blended, picture(9));
  });
}

test('where the mask is full, blending into I420 gives exactly the converted face', () => {
  const box = { x1: 100, y1: 40, x2: 300, y2: 240 };
  const blended = picture(9);
  new FaceBlender({ widthPx: WIDTH, heightPx: HEIGHT }).blend(blended, face, box, fullMask(box));
  const rgb = lcgImage(1, WIDTH, HEIGHT);
  blendFaceRgb(rgb, face, box, fullMask(box));
  const wanted = new Uint8Array(blended.length);
  rgbToI420(rgb.data, WIDTH, HEIGHT, wanted);
  for (let y = box.y1; y < box.y2; y += 1) {
    for (let x = box.x1; x < box.x2; x += 1) {
      const chroma = WIDTH * HEIGHT + ((y >> 1) * WIDTH) / 2 + (x >> 1);
      for (const at of [y * WIDTH + x, chroma, chroma + (WIDTH * HEIGHT) / 4])
        assert.equal(blended[at], wanted[at], `${x},${y}`);
    }
  }
});

for (const [where, box] of Object.entries(BOXES)) {
  test(`luma without alpha and chroma blocks without alpha stay bit for bit, box ${where}`, () => {
    // Bytes that no RGB picture gives: a trip to RGB and back would show.
    const before = lcgBytes(5, i420SizeBytes(WIDTH, HEIGHT));
    const blended = before.slice();
    const mask = maskOf(box);
    new FaceBlender({ widthPx: WIDTH, heightPx: HEIGHT }).blend(blended, face, box, mask);
    let changedLuma = 0;
    for (let y = 0; y < HEIGHT; y += 2) {
      for (let x = 0; x < WIDTH; x += 2) {
        let alphaOfBlock = 0;
        for (const [dx, dy] of [
          [0, 0],
          [1, 0],
          [0, 1],
          [1, 1],
        ] as const) {
          const alpha = alphaAt(mask, box, x + dx, y + dy);
          const at = (y + dy) * WIDTH + x + dx;
          alphaOfBlock += alpha;
          if (alpha === 0) assert.equal(blended[at], before[at]);
          else if (blended[at] !== before[at]) changedLuma += 1;
        }
        if (alphaOfBlock > 0) continue;
        const chroma = WIDTH * HEIGHT + ((y >> 1) * WIDTH) / 2 + (x >> 1);
        assert.equal(blended[chroma], before[chroma]);
        assert.equal(blended[chroma + (WIDTH * HEIGHT) / 4], before[chroma + (WIDTH * HEIGHT) / 4]);
      }
    }
    assert.ok(changedLuma > 3000, `only ${changedLuma} pixels changed`);
  });
}

test('strength scales the mask: 0 changes nothing, 1 is the default, between is between', () => {
  const blender = new FaceBlender({ widthPx: WIDTH, heightPx: HEIGHT });
  const mask = maskOf(ODD_BOX);
  const before = picture(9);
  const at = (strength?: number): Uint8Array => {
    const blended = before.slice();
    blender.blend(blended, face, ODD_BOX, mask, strength);
    return blended;
  };
  const full = at();
  assert.deepEqual(at(0), before);
  assert.deepEqual(at(1), full);
  assert.deepEqual(at(3), full);
  assert.deepEqual(at(-1), before);
  assert.deepEqual(at(NaN), before);
  const half = at(0.5);
  for (let i = 0; i < before.length; i += 1)
    assert.ok(Math.abs(half[i]! - (before[i]! + full[i]!) / 2) <= 1, `byte ${i}`);
  assert.deepEqual(at(), full);
});

test('an empty mask, a box without area and a box beyond the picture change nothing', () => {
  const blender = new FaceBlender({ widthPx: WIDTH, heightPx: HEIGHT });
  const none = { area: { x1: 0, y1: 0, x2: 0, y2: 0 }, alpha: new Uint8Array(0) };
  const everywhere = fullMask({ x1: 0, y1: 0, x2: WIDTH, y2: HEIGHT });
  for (const [box, mask] of [
    [ODD_BOX, none],
    [{ x1: 50, y1: 50, x2: 50, y2: 90 }, everywhere],
    [{ x1: 700, y1: 50, x2: 800, y2: 150 }, everywhere],
    [{ x1: -100, y1: -100, x2: 0, y2: 0 }, everywhere],
    [ODD_BOX, fullMask({ x1: 400, y1: 100, x2: 500, y2: 200 })],
    [ODD_BOX, fullMask(ODD_BOX, 0)],
  ] as const) {
    const blended = picture(9);
    blender.blend(blended, face, box, mask);
    assert.deepEqual(blended, picture(9));
    const frame = lcgImage(9, WIDTH, HEIGHT);
    blendFaceRgb(frame, face, box, mask);
    assert.deepEqual(frame.data, lcgImage(9, WIDTH, HEIGHT).data);
  }
});

test('a face larger and a face smaller than the one before are drawn as by a new blender', () => {
  const blender = new FaceBlender({ widthPx: WIDTH, heightPx: HEIGHT });
  for (const box of [
    ODD_BOX,
    { x1: 60, y1: 10, x2: 400, y2: 350 },
    { x1: 60, y1: 10, x2: 100, y2: 61 },
    ODD_BOX,
  ]) {
    const [again, anew] = [picture(2), picture(2)];
    blender.blend(again, face, box, maskOf(box));
    new FaceBlender({ widthPx: WIDTH, heightPx: HEIGHT }).blend(anew, face, box, maskOf(box));
    assert.deepEqual(again, anew);
  }
});

test('a picture of another size is refused', () => {
  const blender = new FaceBlender({ widthPx: WIDTH, heightPx: HEIGHT });
  assert.throws(() => blender.blend(picture(1, 320, 180), face, ODD_BOX, maskOf(ODD_BOX)), {
    code: 'invalid-argument',
  });
});

test('a face at the right edge is cut out and pasted back in place with the box clamped, unlike unclamped', () => {
  // Brightness tells the column, so a stretched face shows as a wrong brightness.
  const frame: RgbImage = { widthPx: 320, heightPx: 240, data: new Uint8Array(320 * 240 * 3) };
  for (let i = 0; i < frame.data.length; i += 1)
    frame.data[i] = Math.min(255, (Math.floor(i / 3) % 320) * 0.79);
  const worstAfter = (paste: Box): number => {
    // The crop never has pixels beyond the frame: the reference's slice silently shrinks.
    const crop = cropped(frame, { ...paste, x2: Math.min(paste.x2, 320) });
    const pasted = { ...frame, data: frame.data.slice() };
    blendFaceRgb(
      pasted,
      resizeLanczos4(crop, 256, 256),
      paste,
      fullMask({ x1: 200, y1: 60, x2: 320, y2: 200 }),
    );
    return pasted.data.reduce((worst, value, i) => Math.max(worst, Math.abs(value - frame.data[i]!)), 0);
  };
  const clamped = worstAfter({ x1: 200, y1: 60, x2: 320, y2: 200 });
  const stretched = worstAfter({ x1: 200, y1: 60, x2: 360, y2: 200 });
  assert.ok(clamped <= 2, `off by ${clamped}`);
  assert.ok(stretched > 15, `only ${stretched}`);
});

test('a face whose box leaves the frame is cut off there and keeps its scale', () => {
  const box = { x1: 560, y1: 200, x2: 720, y2: 400 };
  const frame = lcgImage(9, WIDTH, HEIGHT);
  blendFaceRgb(frame, face, box, fullMask({ x1: 560, y1: 200, x2: WIDTH, y2: HEIGHT }));
  const fitted = resizeLinear(face, 160, 200).data;
  for (const [x, y] of [
    [560, 200],
    [639, 200],
    [600, 300],
    [639, 359],
  ] as const) {
    const from = ((y - 200) * 160 + x - 560) * 3;
    const at = (y * WIDTH + x) * 3;
    assert.deepEqual(frame.data.slice(at, at + 3), fitted.slice(from, from + 3));
  }
});

function cropped(frame: RgbImage, box: Box): RgbImage {
  const widthPx = box.x2 - box.x1;
  const heightPx = box.y2 - box.y1;
  const data = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y += 1) {
    const start = ((box.y1 + y) * frame.widthPx + box.x1) * 3;
    data.set(frame.data.subarray(start, start + widthPx * 3), y * widthPx * 3);
  }
  return { widthPx, heightPx, data };
}

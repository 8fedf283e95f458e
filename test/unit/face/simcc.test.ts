import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { averageWithMirrored, decodeSimcc, normalisedInput } from '../../../src/face/simcc.js';
import { warpToInput, wholePictureGeometry } from '../../../src/face/simcc.js';
import { mirrorOf } from '../../../src/face/dwpose.js';
import { lcgImage } from '../../helpers/lcg.js';

const DWPOSE = { widthPx: 288, heightPx: 384 };
const SMALL = { widthPx: 192, heightPx: 256 };

interface GeometryGolden {
  frame: [number, number];
  scale: [number, number];
  affine: [[number, number, number], [number, number, number]];
  image_px_per_simcc_bin: number;
}

function near(actual: number, expected: number): void {
  assert.ok(
    Math.abs(actual - expected) < 1e-9 * Math.max(1, Math.abs(expected)),
    `${actual} is not ${expected}`,
  );
}

describe('whole picture geometry', () => {
  const { rtmpose_geom: goldens } = JSON.parse(
    readFileSync('test/fixtures/musetalk/goldens.json', 'utf8'),
  ) as { rtmpose_geom: GeometryGolden[] };

  for (const golden of goldens) {
    const [widthPx, heightPx] = golden.frame;
    it(`equals the reference's for ${widthPx}x${heightPx}`, () => {
      const geometry = wholePictureGeometry({ widthPx, heightPx }, DWPOSE);
      near(geometry.scaleWidthPx, golden.scale[0]);
      near(geometry.scaleHeightPx, golden.scale[1]);
      near(geometry.factor, golden.affine[0][0]);
      near(geometry.factor, golden.affine[1][1]);
      near(geometry.offsetX, golden.affine[0][2]);
      near(geometry.offsetY, golden.affine[1][2]);
      near(geometry.scaleWidthPx / (2 * DWPOSE.widthPx), golden.image_px_per_simcc_bin);
    });
  }
});

describe('warp into the input', () => {
  // SHA-256 of cv2.warpAffine (OpenCV 4.9.0.80) with mmpose's matrix, on the same LCG pictures.
  const hashes = [
    [1280, 720, DWPOSE, 5, '826e1d7b542695c26e9e77d1228bd97d895243bcdb359fbdd0d4e2d91cffb8ea'],
    [72, 128, DWPOSE, 6, '55e6672d4680da51fd4169294ead5fe1abac79a87c377fc2cde3a2500b191764'],
    [201, 97, SMALL, 7, 'b20d644bd7a00050bd6efcb4ddfe68f831a6cde9317e8580deff3964f21128c7'],
    [512, 512, DWPOSE, 8, 'b8c1c1377570a5d93ae06ca9addcb36eec909c64f14283b8523fb81b47615ce6'],
  ] as const;
  for (const [widthPx, heightPx, input, seed, expected] of hashes) {
    it(`equals OpenCV byte for byte for ${widthPx}x${heightPx} into ${input.widthPx}x${input.heightPx}`, () => {
      const image = lcgImage(seed, widthPx, heightPx);
      const { data } = warpToInput(image, wholePictureGeometry(image, input));
      assert.equal(createHash('sha256').update(data).digest('hex'), expected);
    });
  }

  it('is black outside the picture', () => {
    const image = { widthPx: 100, heightPx: 100, data: new Uint8Array(30_000).fill(255) };
    const { data } = warpToInput(image, wholePictureGeometry(image, DWPOSE));
    assert.equal(data[0], 0);
    assert.equal(data[(192 * 288 + 144) * 3], 255);
    assert.equal(data.at(-1), 0);
  });

  it('normalises R, G, B in planes and mirrors', () => {
    const image = { widthPx: 2, heightPx: 1, data: Uint8Array.of(255, 0, 10, 1, 2, 3) };
    const f = Math.fround;
    const red = [f((255 - 123.675) / 58.395), f((1 - 123.675) / 58.395)];
    const green = [f((0 - 116.28) / 57.12), f((2 - 116.28) / 57.12)];
    const blue = [f((10 - 103.53) / 57.375), f((3 - 103.53) / 57.375)];
    assert.deepEqual([...normalisedInput(image)], [...red, ...green, ...blue]);
    assert.deepEqual(
      [...normalisedInput(image, true)],
      [...red.reverse(), ...green.reverse(), ...blue.reverse()],
    );
  });
});

describe('SimCC decoding', () => {
  const picture = { widthPx: 288, heightPx: 384 };
  const geometry = wholePictureGeometry(picture, DWPOSE);
  const toX = (bin: number): number =>
    (bin / 2 / 288) * geometry.scaleWidthPx + 144 - geometry.scaleWidthPx / 2;
  const toY = (bin: number): number =>
    (bin / 2 / 384) * geometry.scaleHeightPx + 192 - geometry.scaleHeightPx / 2;

  function vectors(peaks: readonly { x: number[]; y: number[]; height: number }[]): {
    pointCount: number;
    x: Float32Array;
    y: Float32Array;
  } {
    const x = new Float32Array(peaks.length * 576).fill(-1);
    const y = new Float32Array(peaks.length * 768).fill(-1);
    peaks.forEach((peak, point) => {
      for (const bin of peak.x) x[point * 576 + bin] = peak.height;
      for (const bin of peak.y) y[point * 768 + bin] = peak.height + 1;
    });
    return { pointCount: peaks.length, x, y };
  }

  it('takes the first of equal maxima and maps it back', () => {
    const { points, scores } = decodeSimcc(vectors([{ x: [100, 300], y: [7, 8], height: 0.5 }]), geometry);
    assert.deepEqual([...points], [toX(100), toY(7)]);
    assert.deepEqual([...scores], [0.5]);
  });

  it('gives a point with a score of 0 or less bin -1 on both axes', () => {
    const { points, scores } = decodeSimcc(vectors([{ x: [100], y: [7], height: 0 }]), geometry);
    assert.deepEqual([...points], [toX(-1), toY(-1)]);
    assert.equal(scores[0], 0);
  });

  it('averages with the mirrored answer, points exchanged and x turned about', () => {
    const straight = vectors([
      { x: [10], y: [20], height: 1 },
      { x: [400], y: [30], height: 1 },
    ]);
    const mirrored = vectors([
      { x: [575 - 402], y: [30], height: 3 },
      { x: [575 - 12], y: [20], height: 3 },
    ]);
    const { points } = decodeSimcc(
      averageWithMirrored(straight, mirrored, (point) => 1 - point),
      geometry,
    );
    assert.deepEqual([...points], [toX(12), toY(20), toX(402), toY(30)]);
  });

  it('knows the mirror image of all 133 points', () => {
    for (let point = 0; point < 133; point++) assert.equal(mirrorOf(mirrorOf(point)), point);
    const face = (k: number): number => mirrorOf(23 + k) - 23;
    assert.deepEqual(
      [0, 8, 17, 27, 30, 33, 36, 37, 39, 41, 48, 51, 57, 60, 62, 67].map(face),
      [16, 8, 26, 27, 30, 33, 45, 44, 42, 46, 54, 51, 57, 64, 62, 65],
    );
    assert.deepEqual([0, 1, 16, 17, 22, 91, 132].map(mirrorOf), [0, 2, 15, 20, 19, 112, 111]);
  });
});

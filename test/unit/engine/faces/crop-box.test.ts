import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  boxFromExtents,
  extentsOfMesh,
  extentsOfPoints68,
  shiftAdvice,
} from '../../../../src/engine/faces/crop-box.js';
import { DEFAULT_FACE_PARAMETERS } from '../../../../src/engine/faces/face-material.js';
import type { FaceParameters } from '../../../../src/engine/faces/face-material.js';
import { syntheticLandmarks } from '../../../helpers/synthetic-face.js';

type Rest = Parameters<typeof boxFromExtents> extends [unknown, ...infer Others] ? Others : never;
const boxOfPoints = (points: ArrayLike<number>, ...rest: Rest) =>
  boxFromExtents(extentsOfPoints68(points), ...rest);
const boxOfMesh = (landmarks: Float32Array, ...rest: Rest) =>
  boxFromExtents(extentsOfMesh(landmarks), ...rest);

const PICTURE = { widthPx: 640, heightPx: 480 };
const V15 = DEFAULT_FACE_PARAMETERS;
const V1: FaceParameters = { ...DEFAULT_FACE_PARAMETERS, version: 'v1' };

/** 68 points within x1..x2, the lowest at yMax, nose points 28, 29, 30 at the given heights. */
function points68(x1: number, x2: number, yMax: number, nose: readonly [number, number, number]): number[] {
  const points = Array.from({ length: 68 }, () => [(x1 + x2) >> 1, nose[1]] as [number, number]);
  points[0]![0] = x1;
  points[16]![0] = x2;
  points[8]![1] = yMax;
  nose.forEach((y, k) => (points[28 + k]![1] = y));
  return points.flat();
}

const face = points68(200, 360, 300, [180, 200, 215]);

describe('the crop box of 68 points', () => {
  it('has nose point 29 in its middle (v1)', () => {
    assert.deepEqual(boxOfPoints(face, V1, PICTURE), { x1: 200, y1: 100, x2: 360, y2: 300 });
  });

  it('goes extra_margin below the chin, cut at the picture (v1.5)', () => {
    assert.deepEqual(boxOfPoints(face, V15, PICTURE), { x1: 200, y1: 100, x2: 360, y2: 310 });
    const low = points68(200, 360, 475, [380, 400, 410]);
    assert.equal(boxOfPoints(low, V15, PICTURE)?.y2, 480);
  });

  it('moves its middle by bbox_shift in v1 only', () => {
    assert.equal(boxOfPoints(face, { ...V1, bboxShiftPx: 5 }, PICTURE)?.y1, 110);
    assert.equal(boxOfPoints(face, { ...V1, bboxShiftPx: -7 }, PICTURE)?.y1, 86);
    assert.equal(boxOfPoints(face, { ...V15, bboxShiftPx: 5 }, PICTURE)?.y1, 100);
  });

  it('counts the moved point among the lowest ones', () => {
    // 200 + 110 lies below the chin at 300: then y1 = y2 = 310, no box
    assert.equal(boxOfPoints(face, { ...V1, bboxShiftPx: 110 }, PICTURE), undefined);
    assert.deepEqual(boxOfPoints(face, { ...V1, bboxShiftPx: 80 }, PICTURE), {
      x1: 200,
      y1: 260,
      x2: 360,
      y2: 300,
    });
    // the unmoved point 29 is the lowest of all, yet a shift upwards takes it along
    const upsideDown = points68(200, 360, 190, [190, 200, 190]);
    assert.deepEqual(boxOfPoints(upsideDown, { ...V1, bboxShiftPx: -30 }, PICTURE), {
      x1: 200,
      y1: 140,
      x2: 360,
      y2: 200,
    });
  });

  it('takes the fallback where the points give no box or leave the left edge, margin included', () => {
    const fallback = { x1: 10, y1: 20, x2: 110, y2: 140 };
    const beyondLeft = points68(-3, 100, 300, [180, 200, 215]);
    assert.deepEqual(boxOfPoints(beyondLeft, V15, PICTURE, fallback), { ...fallback, y2: 150 });
    assert.deepEqual(boxOfPoints(beyondLeft, V1, PICTURE, fallback), fallback);
    const flat = points68(200, 360, 200, [200, 200, 200]);
    assert.deepEqual(boxOfPoints(flat, V1, PICTURE, fallback), fallback);
    assert.deepEqual(boxOfPoints(face, V1, PICTURE, fallback), { x1: 200, y1: 100, x2: 360, y2: 300 });
  });

  it('reference bug: x2 and the y2 of v1 left the picture; here all four edges stay inside', () => {
    const beyond = points68(500, 700, 520, [380, 400, 410]);
    assert.deepEqual(boxOfPoints(beyond, V1, PICTURE), { x1: 500, y1: 280, x2: 640, y2: 480 });
    const beyondLeft = points68(-30, 100, 300, [120, 140, 150]);
    assert.deepEqual(boxOfPoints(beyondLeft, V1, PICTURE), { x1: 0, y1: 0, x2: 100, y2: 300 });
  });

  it('is none for a face outside the picture or of a few pixels', () => {
    assert.equal(boxOfPoints(points68(700, 800, 300, [180, 200, 215]), V15, PICTURE), undefined);
    assert.equal(boxOfPoints(points68(100, 110, 30, [20, 22, 24]), V15, PICTURE), undefined);
  });
});

describe('the crop box of the mesh', () => {
  const mesh = syntheticLandmarks(320, 200, 100);

  it('goes from ear to ear and ends at the chin, the nose point in its middle', () => {
    const box = boxOfMesh(mesh, V1, PICTURE)!;
    assert.equal(box.x1, Math.trunc(mesh[234 * 3]!));
    assert.equal(box.x2, Math.trunc(mesh[454 * 3]!));
    assert.equal(box.y2, Math.trunc(mesh[152 * 3 + 1]!));
    const y29 = Math.trunc(mesh[168 * 3 + 1]! + ((mesh[4 * 3 + 1]! - mesh[168 * 3 + 1]!) * 2) / 3);
    assert.equal(box.y1, 2 * y29 - box.y2);
    assert.equal(boxOfMesh(mesh, V15, PICTURE)?.y2, box.y2 + 10);
  });

  it('leaves the forehead out of account', () => {
    const wideBrow = Float32Array.from(mesh);
    for (const point of [10, 338, 297, 21, 54, 103, 67, 109, 251, 284, 332]) {
      wideBrow[point * 3] = point > 200 ? 600 : 20;
      wideBrow[point * 3 + 1] = 0;
    }
    assert.deepEqual(extentsOfMesh(wideBrow), extentsOfMesh(mesh));
  });

  it('is none where the landmarks are no numbers', () => {
    assert.equal(boxOfMesh(new Float32Array(1404).fill(NaN), V15, PICTURE), undefined);
    assert.equal(boxOfMesh(new Float32Array(1404), V15, PICTURE), undefined);
  });
});

describe('the advised range of bbox_shift', () => {
  const face = (y28: number, y29: number, y30: number) => ({ xMin: 0, xMax: 1, yMax: 1, y28, y29, y30 });

  it('is the mean steps of the nose points, fractions cut off', () => {
    assert.deepEqual(shiftAdvice([face(10, 20, 27), face(10, 21, 28)]), { minPx: -7, maxPx: 10 });
  });

  it('reference bug: no face at all divided by zero; here there is no advice', () => {
    assert.equal(shiftAdvice([]), undefined);
  });
});

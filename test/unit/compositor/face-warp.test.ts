import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FacePose } from '../../../src/compositor/face-pose.js';
import { FaceWarp, VERTEX_COUNT, WARP_TRIANGLES } from '../../../src/compositor/face-warp.js';
import { LipRim } from '../../../src/compositor/lip-rim.js';
import { fitMouth, sourceGapIod } from '../../../src/compositor/mouth-fit.js';
import { HeadFrame } from '../../../src/compositor/head-frame.js';
import { LOWER_LIP_RINGS, UPPER_LIP_RINGS } from '../../../src/media/face-topology.js';
import { LANDMARK_COUNT, REST_MOUTH } from '../../../src/media/frame.js';
import { openedLandmarks, shippedBasis, syntheticLandmarks } from '../../helpers/synthetic-face.js';

const IOD = 160;
const basis = shippedBasis();
const shut = syntheticLandmarks(320, 320, IOD);
const smiling = openedLandmarks(shut, basis, 0.09, IOD);

function warped(points: Float32Array, pose: Partial<FacePose>): FaceWarp {
  const head = new HeadFrame();
  assert.ok(head.update(points));
  const warp = new FaceWarp(basis, fitMouth({ frameCount: 1, landmarks: () => shut }));
  warp.update(points, head, { mouth: REST_MOUTH, speaking: 1, ...pose }, new LipRim(), 640, 640);
  return warp;
}

function gapPx(warp: FaceWarp, column: number): number {
  return warp.to[LOWER_LIP_RINGS[0]![column]! * 2 + 1]! - warp.to[UPPER_LIP_RINGS[0]![column]! * 2 + 1]!;
}

test('an open mouth is shut exactly, in every column', () => {
  const head = new HeadFrame();
  head.update(smiling);
  assert.ok(sourceGapIod(smiling, head) > 0.06, 'the test face must be open');
  const warp = warped(smiling, { mouth: { ...REST_MOUTH, open: 0 } });
  for (let column = 0; column < 9; column += 1) {
    assert.ok(Math.abs(gapPx(warp, column)) < 0.02, `column ${column} is open by ${gapPx(warp, column)} px`);
  }
});

test('it is shut in silence as well', () => {
  const warp = warped(smiling, { speaking: 0 });
  assert.ok(Math.abs(gapPx(warp, 4)) < 0.02);
});

test('the opening obeys the wanted one, from a shut and from an open mouth', () => {
  for (const points of [shut, smiling]) {
    for (const open of [0.25, 0.5, 1]) {
      const warp = warped(points, { mouth: { ...REST_MOUTH, open } });
      const expected = 0.21 * open * IOD;
      assert.ok(
        Math.abs(gapPx(warp, 4) - expected) < 0.05 * expected + 0.2,
        `open ${open}: ${gapPx(warp, 4)} px, not ${expected}`,
      );
    }
  }
});

test('silence leaves a shut mouth where it is', () => {
  const warp = warped(shut, { speaking: 0 });
  for (let i = 0; i < warp.to.length; i += 1)
    assert.ok(Math.abs(warp.to[i]! - warp.from[i]!) < 0.04, `value ${i}`);
});

test('the ring around the face and everything above the nose base stay', () => {
  const warp = warped(shut, { mouth: { open: 1, spread: 0.9, round: 0, tuck: 0, tongue: 0 } });
  for (let i = LANDMARK_COUNT; i < VERTEX_COUNT; i += 1) {
    assert.equal(warp.to[i * 2], warp.from[i * 2]);
    assert.equal(warp.to[i * 2 + 1], warp.from[i * 2 + 1]);
  }
  for (const point of [10, 1, 33, 263, 159, 386, 168])
    assert.equal(warp.to[point * 2 + 1], warp.from[point * 2 + 1]);
});

test('rounding makes the mouth narrower, spreading wider', () => {
  const width = (mouth: FacePose['mouth']): number => {
    const { to } = warped(shut, { mouth });
    return to[291 * 2]! - to[61 * 2]!;
  };
  const rest = width({ open: 0.2, spread: 0.2, round: 0, tuck: 0, tongue: 0 });
  assert.ok(width({ open: 0.2, spread: 0.2, round: 1, tuck: 0, tongue: 0 }) < rest - 0.08 * IOD);
  assert.ok(width({ open: 0.2, spread: 0.9, round: 0, tuck: 0, tongue: 0 }) > rest + 0.04 * IOD);
});

test('no visible triangle is turned inside out by strong shapes', () => {
  const shapes = [
    { open: 1, spread: 0.3, round: 0, tuck: 0, tongue: 0 },
    { open: 0.3, spread: 0.9, round: 0, tuck: 0, tongue: 0 },
    { open: 0.3, spread: 0.1, round: 1, tuck: 0, tongue: 0 },
    { open: 0.1, spread: 0.3, round: 0, tuck: 1, tongue: 0 },
  ];
  for (const mouth of shapes) {
    const { from, to } = warped(shut, { mouth });
    for (let i = 0; i < WARP_TRIANGLES.length; i += 3) {
      const before = area(from, i);
      const after = area(to, i);
      // A sliver of less than four square pixels may turn over without anybody seeing it.
      assert.ok(
        before * after > 0 || Math.abs(after) < 4,
        `triangle ${i / 3}: ${before} -> ${after} at ${JSON.stringify(mouth)}`,
      );
    }
  }
});

function area(xy: Float32Array, i: number): number {
  const [a, b, c] = [WARP_TRIANGLES[i]! * 2, WARP_TRIANGLES[i + 1]! * 2, WARP_TRIANGLES[i + 2]! * 2];
  return (xy[b]! - xy[a]!) * (xy[c + 1]! - xy[a + 1]!) - (xy[b + 1]! - xy[a + 1]!) * (xy[c]! - xy[a]!);
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faceMask, faceSquare, toAlphaMask } from '../../../src/compositor/face-mask.js';
import { meshLabels } from '../../../src/compositor/mesh-labels.js';
import { CHIN, FACE_OVAL } from '../../../src/media/face-topology.js';
import type { Box, Landmarks } from '../../../src/media/frame.js';
import { openedLandmarks, shippedBasis, syntheticLandmarks } from '../../helpers/synthetic-face.js';

const IOD_PX = 90;
const CENTRE_X = 320;
const CENTRE_Y = 180;
const shut = syntheticLandmarks(CENTRE_X, CENTRE_Y, IOD_PX);
const open = openedLandmarks(shut, shippedBasis(), 0.25, IOD_PX);

/** A box as the reference would make one: oval wide, from the chin to as far above the nose bridge. */
function boxAround(landmarks: Landmarks): Box {
  const xs = FACE_OVAL.map((point) => landmarks[point * 3]!);
  const middle = landmarks[195 * 3 + 1]!;
  const chin = landmarks[CHIN * 3 + 1]!;
  return {
    x1: Math.floor(Math.min(...xs)),
    y1: Math.floor(2 * middle - chin),
    x2: Math.ceil(Math.max(...xs)),
    y2: Math.ceil(chin),
  };
}

/** The label at a picture position, `square` 512 labels wide. */
function labelAt(labels: Uint8Array, square: Box, x: number, y: number): number | undefined {
  const scale = 512 / (square.x2 - square.x1);
  return labels[Math.floor((y - square.y1) * scale) * 512 + Math.floor((x - square.x1) * scale)];
}

function pointAt(labels: Uint8Array, square: Box, landmarks: Landmarks, point: number): number | undefined {
  return labelAt(labels, square, landmarks[point * 3]!, landmarks[point * 3 + 1]!);
}

test('the parts of an open mouth and the face have the labels of the parsing network', () => {
  const square = faceSquare(boxAround(open));
  const labels = meshLabels(open, square);
  const at = (point: number): number | undefined => pointAt(labels, square, open, point);
  assert.equal(at(4), 10, 'tip of the nose');
  assert.equal(at(195), 10, 'ridge of the nose');
  assert.equal(at(12), 12, 'middle of the upper lip');
  assert.equal(at(15), 13, 'middle of the lower lip');
  assert.equal(at(205), 1, 'left cheek');
  assert.equal(at(425), 1, 'right cheek');
  assert.equal(at(199), 1, 'chin');
  const mouthY = (open[13 * 3 + 1]! + open[14 * 3 + 1]!) / 2;
  assert.equal(labelAt(labels, square, open[13 * 3]!, mouthY), 11, 'inside the mouth');
  assert.equal(labelAt(labels, square, open[CHIN * 3]!, open[CHIN * 3 + 1]! + 4), 0, 'below the chin');
  assert.equal(labels[0], 0);
});

test('a shut mouth has lips and next to no inside', () => {
  const square = faceSquare(boxAround(shut));
  const labels = meshLabels(shut, square);
  const count = (label: number): number => labels.filter((value) => value === label).length;
  assert.ok(count(12) > 800 && count(13) > 800, `lips ${count(12)}, ${count(13)}`);
  assert.ok(count(11) < 30, `inside ${count(11)}`);
});

test('the map follows the square: moved with the face it is the same, twice as large it is half the size', () => {
  const square = faceSquare(boxAround(open));
  const labels = meshLabels(open, square);
  const moved = open.map((value, i) => value + [40, -25, 0][i % 3]!);
  const movedSquare = { x1: square.x1 + 40, y1: square.y1 - 25, x2: square.x2 + 40, y2: square.y2 - 25 };
  const different = meshLabels(moved, movedSquare).filter((value, i) => value !== labels[i]).length;
  assert.ok(different < 40, `${different} labels differ`);
  const half = (square.x2 - square.x1) / 2;
  const wide = {
    x1: square.x1 - half,
    y1: square.y1 - half,
    x2: square.x2 + half,
    y2: square.y2 + half,
  };
  const skin = (map: Uint8Array): number => map.filter((value) => value === 1).length;
  const ratio = skin(labels) / skin(meshLabels(open, wide));
  assert.ok(Math.abs(ratio - 4) < 0.05, `${ratio}`);
});

test('a face that leaves its square is cut off, and one beyond it leaves the map empty', () => {
  const square = faceSquare(boxAround(open));
  const shift = (square.x2 - square.x1) / 2;
  const moved = open.map((value, i) => (i % 3 === 0 ? value + shift : value));
  const cut = meshLabels(moved, square);
  assert.equal(cut[256 * 512 + 511], 10, 'half the nose is left, at the right edge');
  assert.equal(cut[256 * 512], 0);
  const away = open.map((value, i) => (i % 3 === 0 ? value + 5000 : value));
  assert.ok(meshLabels(away, square).every((value) => value === 0));
  assert.ok(meshLabels(open, { x1: 9, y1: 9, x2: 9, y2: 9 }).every((value) => value === 0));
});

test('an outline that crosses itself has no hole where it goes round twice', () => {
  const square = faceSquare(boxAround(open));
  const looped = open.slice();
  // The oval's right side makes a loop, in its own sense of turning, over the forehead.
  const loop = [
    [454, 15, -50],
    [323, -15, -50],
    [361, -15, -70],
    [288, 15, -70],
  ] as const;
  for (const [point, x, y] of loop) looped.set([CENTRE_X + x, CENTRE_Y + y], point * 3);
  assert.equal(labelAt(meshLabels(looped, square), square, CENTRE_X, CENTRE_Y - 60), 1);
});

for (const mode of ['raw', 'jaw'] as const) {
  test(`a ${mode} mask from the mesh shows the mouth fully and fades out at the face's edge`, () => {
    const box = boxAround(open);
    const square = faceSquare(box);
    const cheeks = { leftCheekWidthPx: 90, rightCheekWidthPx: 90 };
    const mask = faceMask({ labels: meshLabels(open, square), box, square, mode, ...cheeks });
    const { area, alpha } = toAlphaMask(mask, square, { widthPx: 640, heightPx: 360 });
    const alphaOf = (point: number): number => {
      const [x, y] = [Math.floor(open[point * 3]!), Math.floor(open[point * 3 + 1]!)];
      if (x < area.x1 || x >= area.x2 || y < area.y1 || y >= area.y2) return 0;
      return alpha[(y - area.y1) * (area.x2 - area.x1) + x - area.x1]!;
    };
    for (const point of [13, 14, 0, 17, 61, 291])
      assert.ok(alphaOf(point) >= 250, `point ${point}: ${alphaOf(point)}`);
    assert.ok(alphaOf(CHIN) < 200 && alphaOf(CHIN) > 20, `chin ${alphaOf(CHIN)}`);
    for (const point of [10, 33, 263, 4])
      assert.ok(alphaOf(point) < 100, `point ${point}: ${alphaOf(point)}`);
  });
}

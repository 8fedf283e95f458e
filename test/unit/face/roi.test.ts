import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boxOf, overlap, roiFromDetection, roiFromLandmarks } from '../../../src/face/roi.js';
import { LANDMARK_COUNT } from '../../../src/media/frame.js';

/** An ellipse 100 wide and 140 high with the eyes on its horizontal axis, turned and moved. */
function oval(angleRad: number, centreX: number, centreY: number): Float32Array {
  const points = new Float32Array(LANDMARK_COUNT * 3);
  const put = (index: number, x: number, y: number): void => {
    const turnedX = centreX + Math.cos(angleRad) * x - Math.sin(angleRad) * y;
    const turnedY = centreY + Math.sin(angleRad) * x + Math.cos(angleRad) * y;
    points.set([turnedX, turnedY, 0], index * 3);
  };
  for (let i = 0; i < LANDMARK_COUNT; i++) {
    const turn = (i / LANDMARK_COUNT) * 2 * Math.PI;
    put(i, 50 * Math.cos(turn), 70 * Math.sin(turn));
  }
  put(33, -30, 0);
  put(263, 30, 0);
  return points;
}

test('the square from landmarks turns with the head and keeps its size', () => {
  for (const angle of [0, 0.5, -1.2]) {
    const roi = roiFromLandmarks(oval(angle, 200, 300));
    assert.ok(Math.abs(roi.angleRad - angle) < 1e-4);
    assert.ok(Math.abs(roi.sidePx - 140 * 1.5) < 0.5, `side ${roi.sidePx}`);
    assert.ok(Math.hypot(roi.centreX - 200, roi.centreY - 300) < 0.5);
  }
});

test('the square from a detection is the longer side times 1.5, level with the eyes', () => {
  const roi = roiFromDetection({ left: 10, top: 20, right: 50, bottom: 80 }, [20, 40], [40, 60]);
  assert.deepEqual({ ...roi, angleRad: 0 }, { centreX: 30, centreY: 50, sidePx: 90, angleRad: 0 });
  assert.ok(Math.abs(roi.angleRad - Math.PI / 4) < 1e-9);
});

test('overlap is one for the same box, zero for boxes apart, a third for half-shifted ones', () => {
  const box = { left: 0, top: 0, right: 10, bottom: 10 };
  assert.equal(overlap(box, box), 1);
  assert.equal(overlap(box, { left: 10, top: 0, right: 20, bottom: 10 }), 0);
  assert.ok(Math.abs(overlap(box, { left: 5, top: 0, right: 15, bottom: 10 }) - 1 / 3) < 1e-9);
});

test('the box holds all points', () => {
  const box = boxOf(oval(0, 100, 100));
  assert.ok(Math.abs(box.left - 50) < 0.1 && Math.abs(box.bottom - 170) < 0.1);
});

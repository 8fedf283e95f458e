import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseFace, mergeFaces } from '../../../src/face/face-detector.js';
import type { DetectedFace } from '../../../src/face/face-detector.js';

function face(left: number, top: number, sidePx: number, score: number): DetectedFace {
  const box = { left, top, right: left + sidePx, bottom: top + sidePx };
  return { box, leftEye: [left, top], rightEye: [left + sidePx, top], score };
}

test('faces that overlap become one, weighted by score; a face apart stays', () => {
  const merged = mergeFaces([face(0, 0, 100, 0.6), face(9, 0, 100, 0.9), face(300, 0, 50, 0.7)]);
  assert.equal(merged.length, 2);
  assert.equal(merged[0]!.score, 0.9);
  assert.ok(Math.abs(merged[0]!.box.left - (9 * 0.9) / 1.5) < 1e-9);
  assert.equal(merged[1]!.box.left, 300);
});

test('the largest clear face is chosen, but the followed one is kept', () => {
  const small = face(0, 0, 50, 0.99);
  const large = face(200, 0, 120, 0.8);
  assert.equal(chooseFace([small, large]), large);
  assert.equal(chooseFace([small, large], { left: 5, top: 5, right: 55, bottom: 55 }), small);
  assert.equal(chooseFace([small, large], { left: 900, top: 900, right: 950, bottom: 950 }), large);
  assert.equal(chooseFace([]), undefined);
});

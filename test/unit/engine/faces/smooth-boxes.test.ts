import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { smoothBoxes } from '../../../../src/engine/faces/smooth-boxes.js';
import type { Box } from '../../../../src/media/frame.js';

const box = (x: number, y: number, w = 100, h = 120): Box => ({ x1: x, y1: y, x2: x + w, y2: y + h });

describe('box smoothing', () => {
  it('leaves boxes that stand still or move steadily where they are, up to both ends', () => {
    const still = Array.from({ length: 12 }, () => box(50, 60));
    assert.deepEqual(smoothBoxes(still), still);
    const moving = Array.from({ length: 30 }, (_, k) => box(50 + 4 * k, 60 + 2 * k));
    assert.deepEqual(smoothBoxes(moving), moving);
  });

  it('takes a tremor of 4 pixels out', () => {
    const trembling = Array.from({ length: 40 }, (_, k) => box(50 + (k % 2) * 4, 60));
    for (const smoothed of smoothBoxes(trembling).slice(3, -3)) assert.ok(Math.abs(smoothed.x1 - 52) <= 1);
  });

  it('overlooks a slip of two pictures', () => {
    const boxes = Array.from({ length: 20 }, (_, k) => (k === 9 || k === 10 ? box(90, 60) : box(50, 60)));
    assert.deepEqual(smoothBoxes(boxes)[9], box(50, 60));
  });

  it('keeps a jump sharp', () => {
    const boxes = Array.from({ length: 20 }, (_, k) => box(k < 10 ? 50 : 300, 60));
    assert.deepEqual(smoothBoxes(boxes), boxes);
  });

  it('does not shift or squeeze one picture, two, or none', () => {
    assert.deepEqual(smoothBoxes([]), []);
    assert.deepEqual(smoothBoxes([box(3, 5, 31, 33)]), [box(3, 5, 31, 33)]);
    assert.deepEqual(smoothBoxes([box(3, 5), box(4, 5)]), [box(3, 5), box(4, 5)]);
  });
});

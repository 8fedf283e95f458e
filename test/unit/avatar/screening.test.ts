import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isCut, judge, spreadOf } from '../../../src/avatar/screening.js';
import { syntheticFace } from '../../helpers/media.js';

it('judges a picture by its face', () => {
  assert.equal(judge(undefined), 'no-face');
  assert.equal(judge(syntheticFace()), 'usable');
  assert.equal(judge(syntheticFace({ yawDeg: 25 })), 'usable');
  assert.equal(judge(syntheticFace({ yawDeg: -25 })), 'usable');
  assert.equal(judge(syntheticFace({ yawDeg: 60 })), 'turned-away');
  assert.equal(judge(syntheticFace({ yawDeg: -60 })), 'turned-away');
  assert.equal(judge(syntheticFace({ eyesPx: 20 })), 'too-small');
});

it('calls a profile turned away, not small', () => {
  assert.equal(judge(syntheticFace({ eyesPx: 100, yawDeg: 80 })), 'turned-away');
});

it('tells a cut from a movement', () => {
  const before = syntheticFace({ xPx: 200 });
  assert.equal(isCut(before, syntheticFace({ xPx: 230 })), false);
  assert.equal(isCut(before, syntheticFace({ xPx: 300 })), true);
});

it('finds smallest, middle and largest', () => {
  assert.deepEqual(spreadOf([3, 1, 10, 2]), { min: 1, median: 3, max: 10 });
  assert.deepEqual(spreadOf([]), { min: 0, median: 0, max: 0 });
});

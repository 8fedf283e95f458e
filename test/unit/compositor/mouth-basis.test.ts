import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMouthBasis } from '../../../src/compositor/mouth-basis.js';
import { isAppError } from '../../../src/errors.js';
import { shippedBasis } from '../../helpers/synthetic-face.js';

test('the shipped basis opens downwards: the lower lip most, the chin less, the upper lip a little upwards', () => {
  const { open, width } = shippedBasis();
  const y = (point: number): number => open[point * 3 + 1]!;
  assert.ok(y(14) > 0.6 && y(152) > 0.2 && y(152) < y(14) && y(13) < 0.05);
  assert.ok(width[291 * 3]! - width[61 * 3]! > 0.8, 'one unit of width is about one unit of distance');
});

test('anything else is model-invalid', () => {
  const good = { version: 1, open: new Array(1404).fill(0), width: new Array(1404).fill(0) };
  for (const bad of [
    null,
    3,
    { ...good, version: 2 },
    { ...good, open: [1] },
    { ...good, width: new Array(1404).fill('x') },
  ]) {
    assert.throws(
      () => parseMouthBasis(bad),
      (error) => isAppError(error, 'model-invalid'),
    );
  }
});

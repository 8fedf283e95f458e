import assert from 'node:assert/strict';
import { it } from 'node:test';
import { idleIndex } from '../../../src/media/idle-index.js';

it('walks to and fro', () => {
  assert.deepEqual(
    Array.from({ length: 10 }, (_, k) => idleIndex(k, 4)),
    [0, 1, 2, 3, 2, 1, 0, 1, 2, 3],
  );
});

it('never jumps, never leaves the footage, and shows every picture', () => {
  for (const count of [1, 2, 3, 25, 250]) {
    const seen = new Set<number>();
    for (let k = 0; k < 5 * count; k++) {
      const index = idleIndex(k, count);
      assert.ok(index >= 0 && index < count);
      assert.ok(Math.abs(idleIndex(k + 1, count) - index) <= 1);
      seen.add(index);
    }
    assert.equal(seen.size, count);
  }
});

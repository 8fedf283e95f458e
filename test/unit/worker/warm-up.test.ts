import assert from 'node:assert/strict';
import { test } from 'node:test';
import { warmUpSizes } from '../../../src/worker/warm-up.js';

/** A memory with room for `room` faces, that halves a batch until it fits. */
function memory(room: number) {
  const tried: number[] = [];
  const warmUp = (size: number): Promise<number> => {
    tried.push(size);
    let fitting = size;
    while (fitting > room) fitting = Math.max(1, Math.floor(fitting / 2));
    return Promise.resolve(fitting);
  };
  return { tried, warmUp };
}

for (const [largest, sizes] of [
  [1, [1]],
  [6, [1, 2, 4, 6]],
  [16, [1, 2, 4, 8, 16]],
] as const)
  test(`a batch of ${largest} that fits is kept, and each size below it is warmed up`, async () => {
    const { tried, warmUp } = memory(largest);
    assert.equal(await warmUpSizes(largest, warmUp), largest);
    assert.deepEqual(tried, sizes);
  });

test('nothing larger is tried after a size that does not fit', async () => {
  const { tried, warmUp } = memory(5);
  assert.equal(await warmUpSizes(32, warmUp), 4);
  assert.deepEqual(tried, [1, 2, 4, 8]);
});

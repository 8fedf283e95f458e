import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoundedQueue } from '../../../src/lib/bounded-queue.js';

test('past the limit the oldest goes and is counted', () => {
  const queue = new BoundedQueue<number>(2);
  for (const n of [1, 2, 3]) queue.push(n);
  assert.equal(queue.dropped, 1);
  assert.deepEqual([queue.shift(), queue.shift(), queue.shift()], [2, 3, undefined]);
});

test('a limit below one is refused', () => {
  assert.throws(() => new BoundedQueue(0), RangeError);
});

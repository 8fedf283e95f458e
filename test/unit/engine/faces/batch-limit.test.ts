import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchLimit } from '../../../../src/engine/faces/batch-limit.js';
import { silentLog } from '../../../../src/lib/log.js';

/** Runs `count` items, of which `room` fit at once, and tells the batches that went through as first:size:padTo. */
async function batches(limit: BatchLimit, count: number, room = Infinity): Promise<string[]> {
  const done: string[] = [];
  await limit.each(count, (first, size, padTo) => {
    if (padTo > room) return Promise.reject(new Error('CUDA failure 2: out of memory'));
    done.push(`${first}:${size}:${padTo}`);
    return Promise.resolve();
  });
  return done;
}

test('whole batches and a rest', async () => {
  const limit = new BatchLimit('things', 4, silentLog);
  assert.deepEqual(await batches(limit, 9), ['0:4:4', '4:4:4', '8:1:1']);
  assert.deepEqual(await batches(limit, 0), []);
});

test('a rest is filled up to the smallest size that holds it', async () => {
  const limit = new BatchLimit('things', 8, silentLog);
  limit.padTo(8);
  limit.padTo(2);
  limit.padTo(2);
  assert.deepEqual(await batches(limit, 11), ['0:8:8', '8:3:8']);
  assert.deepEqual(await batches(limit, 1), ['0:1:2']);
});

test('halving goes on until it fits, is remembered, and forgets sizes that do not fit', async () => {
  const limit = new BatchLimit('things', 20, silentLog);
  limit.padTo(20);
  assert.deepEqual(await batches(limit, 7, 6), ['0:5:5', '5:2:5']);
  assert.equal(limit.limit, 5);
  assert.deepEqual(await batches(limit, 6), ['0:5:5', '5:1:5']);
});

test('what was done before memory ran out is not done again', async () => {
  const limit = new BatchLimit('things', 4, silentLog);
  const done: number[] = [];
  let failures = 1;
  await limit.each(8, (first, size) => {
    if (first === 4 && failures-- > 0) return Promise.reject(new Error('Failed to allocate memory'));
    for (let i = 0; i < size; i++) done.push(first + i);
    return Promise.resolve();
  });
  assert.deepEqual(done, [0, 1, 2, 3, 4, 5, 6, 7]);
});

test('one item that does not fit is the end, and other failures are not mistaken for it', async () => {
  const limit = new BatchLimit('things', 4, silentLog);
  await assert.rejects(batches(limit, 3, 0), {
    code: 'no-capacity',
    message: /not even one item of things fits in memory: close other programs/,
  });
  const other = new Error('an illegal memory access was encountered');
  await assert.rejects(
    limit.each(3, () => Promise.reject(other)),
    other,
  );
});

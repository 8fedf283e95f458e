import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PictureNumbers } from '../../../src/worker/picture-numbers.js';

test('pictures that are drawn once more get their places again, in a new epoch', () => {
  const numbers = new PictureNumbers(3);
  assert.deepEqual(numbers.of(12), { index: 12, epoch: 3 });
  numbers.cut(20, 2, 4); // 18 and 19 again
  assert.deepEqual(
    [19, 20, 21].map((serial) => numbers.of(serial)),
    [
      { index: 19, epoch: 3 },
      { index: 18, epoch: 4 },
      { index: 19, epoch: 4 },
    ],
  );
  numbers.cut(25, 3, 5);
  assert.deepEqual(numbers.of(24), { index: 22, epoch: 4 });
  assert.deepEqual(numbers.of(25), { index: 20, epoch: 5 });
});

test('many cuts keep few numbers; a picture older than all of them is of no epoch', () => {
  const numbers = new PictureNumbers(0);
  for (let epoch = 1; epoch <= 1000; epoch += 1) numbers.cut(10 * epoch, 1, epoch);
  assert.deepEqual(numbers.of(10_000), { index: 9000, epoch: 1000 });
  assert.ok(numbers.of(15).epoch < 1000);
  assert.equal(numbers.of(15).epoch, -1);
});

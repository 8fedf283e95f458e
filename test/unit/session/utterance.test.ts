import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError, isAppError } from '../../../src/errors.js';
import { Utterance } from '../../../src/session/utterance.js';

async function* chunks(...list: Int16Array[]): AsyncIterable<Int16Array> {
  yield* list;
}

const piece = () => new Int16Array(1920);

test('hands out 20 ms pieces in order and pads the last', async () => {
  const sound = Int16Array.from({ length: 2000 }, (_, i) => i + 1);
  const utterance = new Utterance('u', () => chunks(sound.subarray(0, 700), sound.subarray(700)));
  await utterance.closed;
  const target = piece();
  assert.ok(utterance.take(target));
  assert.deepEqual([target[0], target[1919]], [1, 1920]);
  assert.ok(utterance.take(target));
  assert.deepEqual([target[0], target[79], target[80]], [1921, 2000, 0]);
  assert.ok(utterance.done);
  assert.equal(utterance.take(target), false);
});

test('reads at most a bounded stretch ahead', async () => {
  let read = 0;
  const utterance = new Utterance('u', async function* () {
    for (;;) {
      read += 1;
      yield new Int16Array(48_000);
    }
  });
  await utterance.firstSound;
  await new Promise((resolve) => setImmediate(resolve));
  const before = read;
  assert.ok(before <= 4, `read ${before} chunks of half a second ahead`);
  for (let i = 0; i < 60; i += 1) utterance.take(piece());
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(read > before, 'reading goes on when there is room');
  await utterance.close();
  assert.equal(utterance.take(piece()), false);
});

test('a sound that cannot be read fails before its first piece', async () => {
  // eslint-disable-next-line require-yield
  const utterance = new Utterance('u', async function* () {
    throw new AppError('media-undecodable', 'no');
  });
  await assert.rejects(utterance.firstSound, (error) => isAppError(error, 'media-undecodable'));
  await utterance.closed;
  assert.ok(utterance.done);
});

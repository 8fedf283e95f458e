import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError, isAppError } from '../../../../src/errors.js';
import { Utterance } from '../../../../src/session/speech/utterance.js';

async function* chunks(...list: Int16Array[]): AsyncIterable<Int16Array> {
  yield* list;
}

const piece = () => new Int16Array(1920);

test('hands out 20 ms pieces in order; the last may be short', async () => {
  const sound = Int16Array.from({ length: 2000 }, (_, i) => i + 1);
  const utterance = new Utterance('u', () => chunks(sound.subarray(0, 700), sound.subarray(700)));
  await utterance.closed;
  const target = piece();
  assert.equal(utterance.take(target), 960);
  assert.deepEqual([target[0], target[1919]], [1, 1920]);
  assert.equal(utterance.take(target), 40);
  assert.deepEqual([target[0], target[79], target[80]], [1921, 2000, 81], 'the rest is not touched');
  assert.ok(utterance.done);
  assert.equal(utterance.take(target), 0);
  assert.equal(utterance.lengthSamples, 1000);
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
  assert.equal(utterance.take(piece()), 0);
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

test('what was taken and not heard is taken once more, also at the end and after long speech', async () => {
  let value = 0;
  const utterance = new Utterance('u', async function* () {
    for (let part = 0; part < 100; part += 1)
      yield Int16Array.from({ length: 4800 * 2 }, () => (value = (value + 1) % 30_000));
  });
  const target = piece();
  let wanted = 0;
  const takeAll = async (upTo: number): Promise<void> => {
    while (utterance.takenSamples < upTo) {
      const took = utterance.take(target);
      if (took === 0) await new Promise((resolve) => setImmediate(resolve));
      for (let at = 0; at < 2 * took; at += 1) assert.equal(target[at], (wanted = (wanted + 1) % 30_000));
    }
  };
  const back = (samples: number): void => {
    utterance.rewind(samples);
    wanted = (((wanted - 2 * samples) % 30_000) + 30_000) % 30_000;
  };
  await takeAll(960 * 50);
  back(12_345);
  await takeAll(960 * 400);
  back(48_000);
  await takeAll(480_000);
  assert.ok(utterance.done);
  back(1);
  assert.ok(!utterance.done);
  await takeAll(480_000);
});

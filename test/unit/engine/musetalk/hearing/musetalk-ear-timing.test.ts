import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAppError } from '../../../../../src/errors.js';
import {
  MuseTalkEar,
  type MuseTalkEarOptions,
} from '../../../../../src/engine/musetalk/hearing/musetalk-ear.js';
import { ROW_VALUES, type WhisperEncode } from '../../../../../src/engine/musetalk/hearing/whisper-states.js';
import { deferred, type Deferred } from '../../../../helpers/deferred.js';
import { babble, listenLive, melEncoder, turn } from '../../../../helpers/hearing.js';

/** An encoder that answers when it is told to; its rows hold zeros. */
function slowEncoder(): { encode: WhisperEncode; runs: { rows: number; answer: Deferred<void> }[] } {
  const runs: { rows: number; answer: Deferred<void> }[] = [];
  const encode: WhisperEncode = async (_, rows) => {
    const answer = deferred<void>();
    runs.push({ rows, answer });
    await answer.promise;
    return new Float32Array(rows * ROW_VALUES);
  };
  return { encode, runs };
}

/** Says whether a promise is settled by now. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  await turn();
  return done;
}

test('nothing is computed while nobody asks', async () => {
  const { encode, runs } = melEncoder();
  const ear = new MuseTalkEar({ encode });
  for (let at = 0; at < 500; at++) ear.push(new Float32Array(320));
  await turn();
  assert.deepEqual(runs, []);
  await ear.features(9000);
  assert.equal(runs.length, 1);
  for (let at = 0; at < 500; at++) ear.push(new Float32Array(320));
  await turn();
  assert.equal(runs.length, 1);
});

test('a picture is heard as soon as its window and what settles it are there, not before', async () => {
  const { encode, runs } = melEncoder();
  const ear = new MuseTalkEar({ encode });
  const picture = ear.features(400);
  ear.push(new Float32Array(6400 + 2400 - 1));
  assert.equal(await settled(picture), false);
  assert.deepEqual(runs, []);
  ear.push(new Float32Array(1));
  assert.equal(await settled(picture), true);
  // Its window ends with row 25; the sound begins at its first row, 16, and what lies 25 rows before: none.
  assert.deepEqual(runs, [26]);
});

test('no picture waits for more sound than the lookahead says', async () => {
  for (const hopMs of [20, 80, 400]) {
    const { encode } = melEncoder();
    const ear = new MuseTalkEar({ encode, hopMs });
    assert.equal(ear.lookaheadMs, 150 + hopMs);
    let pushedMs = 0;
    for (let k = 0; k < 60; k++) {
      const timeMs = (k * 1000) / 30;
      while (pushedMs < timeMs + ear.lookaheadMs) {
        ear.push(new Float32Array(160));
        pushedMs += 10;
      }
      assert.equal(await settled(ear.features(timeMs)), true, `picture ${k}, hop ${hopMs}`);
    }
  }
});

test('the encoder runs once a hop, however many pictures wait', async () => {
  const { encode, runs } = melEncoder();
  const ear = new MuseTalkEar({ encode, hopMs: 200 });
  const pictures = Array.from({ length: 90 }, (_, k) => ear.features(k * 40));
  for (let at = 0; at < 200; at++) {
    ear.push(new Float32Array(320));
    await turn();
  }
  await Promise.all(pictures);
  // 3.6 s of pictures; the first run comes with the first picture.
  assert.equal(runs.length, 19);
});

test('one run at a time; who waits meanwhile is served by the next one together', async () => {
  const { encode, runs } = slowEncoder();
  const ear = new MuseTalkEar({ encode });
  const pictures = Array.from({ length: 30 }, (_, k) => ear.features(k * 40));
  for (let at = 0; at < 80; at++) ear.push(new Float32Array(320));
  await turn();
  assert.equal(runs.length, 1);
  runs[0]!.answer.resolve();
  await turn();
  assert.equal(runs.length, 2);
  runs[1]!.answer.resolve();
  await Promise.all(pictures);
  assert.equal(runs.length, 2);
});

test('a pause in the asking begins a new stretch half a second before its first window', async () => {
  const { encode, runs } = melEncoder();
  const ear = new MuseTalkEar({ encode });
  const second = babble(1);
  for (let i = 0; i < 5; i++) ear.push(second);
  await ear.features(1000);
  // The first stretch: from row 50 - 4 - 25 on to all that is settled of 5 s.
  assert.deepEqual(runs, [248 - 21]);
  // Under a second later is the same stretch, heard already; over a second is not.
  await ear.features(1980);
  assert.equal(runs.length, 1);
  await ear.features(4000);
  assert.deepEqual(runs.slice(1), [248 - (200 - 4 - 25)]);
});

test('where the sound begins moves on in one long step', async () => {
  const { encode, runs } = melEncoder();
  const ear = new MuseTalkEar({ encode, hopMs: 500, longestSeconds: 10, shortestSeconds: 4 });
  await listenLive(ear, new Float32Array(20 * 16_000), 25);
  const steps = runs.slice(1).map((rows, i) => rows - runs[i]!);
  const back = steps.filter((step) => step < 0);
  assert.equal(back.length, 2, `${steps.join(' ')}`);
  for (const step of back) assert.ok(step <= -250 && step >= -300, `a step of ${step} rows`);
  assert.ok(Math.max(...runs) <= 500, `${Math.max(...runs)} rows`);
});

test('a picture whose sound is gone is refused, and the next one is heard', async () => {
  const ear = new MuseTalkEar(melEncoder());
  const second = babble(1);
  for (let i = 0; i < 40; i++) ear.push(second);
  await assert.rejects(ear.features(9000), (error) => isAppError(error, 'invalid-argument'));
  assert.equal((await ear.features(10_080)).length, 19_200);
});

test('a failing encoder fails the pictures it was run for, not those after them', async () => {
  let fails = true;
  const { encode } = melEncoder();
  const ear = new MuseTalkEar({
    encode: (mel, rows) => (fails ? Promise.reject(new Error('out of memory')) : encode(mel, rows)),
  });
  const early = [ear.features(0), ear.features(40)];
  const later = ear.features(1000);
  const refused = Promise.all(
    early.map((picture) =>
      assert.rejects(picture, (error) => isAppError(error) && /memory/.test(error.message)),
    ),
  );
  ear.push(babble(1));
  await refused;
  fails = false;
  ear.push(babble(1));
  assert.equal((await later).length, 19_200);
});

test('an encoder of another shape is named', async () => {
  const ear = new MuseTalkEar({ encode: (_, rows) => Promise.resolve(new Float32Array(rows * 5 * 512)) });
  const picture = ear.features(0);
  ear.push(babble(1));
  await assert.rejects(picture, (error) => isAppError(error, 'model-invalid'));
});

test('closing refuses who waits, now and later', async () => {
  const { encode, runs } = slowEncoder();
  const ear = new MuseTalkEar({ encode });
  const running = ear.features(0);
  const waiting = ear.features(5000);
  ear.push(babble(1));
  assert.equal(runs.length, 1);
  const refused = Promise.all(
    [running, waiting].map((picture) => assert.rejects(picture, (error) => isAppError(error, 'internal'))),
  );
  ear.close();
  await refused;
  runs[0]!.answer.resolve();
  await turn();
  ear.push(babble(1));
  await assert.rejects(ear.features(6000), (error) => isAppError(error, 'internal'));
  assert.equal(runs.length, 1);
});

test('options and times that make no sense are refused', async () => {
  const { encode } = melEncoder();
  const wrong: Partial<MuseTalkEarOptions>[] = [
    { hopMs: 0 },
    { hopMs: 30 },
    { hopMs: NaN },
    { settleMs: 5 },
    { longestSeconds: 30 },
    { longestSeconds: 8, shortestSeconds: 8 },
    { audioPaddingLengthLeft: -1 },
  ];
  for (const options of wrong) {
    assert.throws(
      () => new MuseTalkEar({ encode, ...options }),
      (error) => isAppError(error, 'invalid-argument'),
      JSON.stringify(options),
    );
  }
  const ear = new MuseTalkEar({ encode });
  for (const timeMs of [-1, NaN, Infinity]) {
    await assert.rejects(ear.features(timeMs), (error) => isAppError(error, 'invalid-argument'));
  }
});

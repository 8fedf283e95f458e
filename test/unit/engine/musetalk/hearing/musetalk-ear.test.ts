import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isAppError } from '../../../../../src/errors.js';
import {
  MuseTalkEar,
  type MuseTalkEarOptions,
} from '../../../../../src/engine/musetalk/hearing/musetalk-ear.js';
import { addPositions } from '../../../../../src/engine/musetalk/hearing/positional-encoding.js';
import { MelFrames, logMel } from '../../../../../src/engine/musetalk/hearing/whisper-mel.js';
import { ROW_VALUES, type WhisperEncode } from '../../../../../src/engine/musetalk/hearing/whisper-states.js';
import { hearWhole } from '../../../../../src/engine/musetalk/hearing/whole-utterance.js';
import { deferred, type Deferred } from '../../../../helpers/deferred.js';
import { babble, cosine, readWav, stubEncoder } from '../../../../helpers/hearing.js';
import { sharedFile } from '../../../../helpers/media.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Each row's first 80 numbers are mel frames 2r and 2r + 1 added up; `runs` holds how many rows each run was asked for. */
function melEncoder(): { encode: WhisperEncode; runs: number[] } {
  const runs: number[] = [];
  const encode: WhisperEncode = (mel, rows) => {
    runs.push(rows);
    const states = new Float32Array(rows * ROW_VALUES);
    for (let row = 0; row < rows; row++) {
      for (let band = 0; band < 80; band++) {
        const at = band * 3000 + 2 * row;
        states[row * ROW_VALUES + band] = mel[at]! + mel[at + 1]!;
      }
    }
    return Promise.resolve(states);
  };
  return { encode, runs };
}

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

/** Pushes `sound` in pieces of 20 ms and asks for each picture as soon as the ear says that it can be complete. */
async function listenLive(ear: MuseTalkEar, sound: Float32Array, fps: number): Promise<Float32Array[]> {
  const asked: Promise<Float32Array>[] = [];
  for (let at = 0; at < sound.length; at += 320) {
    ear.push(sound.subarray(at, at + 320));
    const untilMs = (at + 320) / 16 - ear.lookaheadMs;
    while ((asked.length * 1000) / fps <= untilMs) asked.push(ear.features((asked.length * 1000) / fps));
    await turn();
  }
  return Promise.all(asked);
}

function withoutPositions(features: Float32Array): Float32Array {
  const positions = new Float32Array(features.length);
  addPositions(positions);
  return features.map((value, i) => value - positions[i]!);
}

function farthest(a: Float32Array, b: Float32Array): number {
  assert.equal(a.length, b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

for (const fps of [25, 30, 20, 15, 29.97]) {
  test(`live features are those of the whole utterance, at ${fps} fps`, async () => {
    const sound = babble(4);
    const whole = await hearWhole(sound, fps, melEncoder().encode);
    const live = await listenLive(new MuseTalkEar(melEncoder()), sound, fps);
    assert.ok(live.length >= whole.length - Math.ceil((230 * fps) / 1000) - 1, `${live.length} pictures`);
    live.forEach((features, i) => {
      const difference = farthest(features, whole[i]!);
      assert.ok(difference < 1e-5, `picture ${i} differs by ${difference}`);
    });
  });
}

test('live features of speech through the stand-in encoder are near to those of the whole', async (t) => {
  const file = sharedFile('audio/eng.wav');
  if (file === undefined) {
    t.skip('shared test data is absent');
    return;
  }
  const stub = await stubEncoder();
  t.after(() => stub.close());
  const sound = readWav(file).subarray(0, 8 * 16_000);
  const whole = await hearWhole(sound, 25, stub.encode);
  const live = await listenLive(new MuseTalkEar({ encode: stub.encode, hopMs: 200 }), sound, 25);
  assert.ok(live.length > 185);
  const cosines = live.map((features, i) => cosine(withoutPositions(features), withoutPositions(whole[i]!)));
  const least = Math.min(...cosines);
  t.diagnostic(`cosine: least ${least}, mean ${cosines.reduce((sum, c) => sum + c, 0) / cosines.length}`);
  assert.ok(least >= 0.98, `picture ${cosines.indexOf(least)} has a cosine of ${least}`);
});

test('a time that misses its row by rounding alone is in the row', async () => {
  const timeMs = (201 / 25) * 1000;
  assert.ok(timeMs < 8040);
  const sound = babble(9);
  const hear = async (at: number): Promise<Float32Array> => {
    const ear = new MuseTalkEar(melEncoder());
    ear.push(sound);
    return ear.features(at);
  };
  assert.deepEqual(await hear(timeMs), await hear(8040));
});

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

test('features do not change where the sound begins anew', async () => {
  const sound = babble(9);
  const whole = await hearWhole(sound, 25, melEncoder().encode);
  const ear = new MuseTalkEar({ ...melEncoder(), longestSeconds: 5, shortestSeconds: 3 });
  const live = await listenLive(ear, sound, 25);
  live.forEach((features, i) => {
    const difference = farthest(features, whole[i]!);
    assert.ok(difference < 1e-5, `picture ${i} differs by ${difference}`);
  });
});

test('features do not depend on where a stretch of speech begins', async () => {
  const sound = babble(4);
  const whole = await hearWhole(sound, 25, melEncoder().encode);
  const { encode, runs } = melEncoder();
  const ear = new MuseTalkEar({ encode });
  ear.push(sound);
  for (let picture = 60; picture < 95; picture++) {
    const difference = farthest(await ear.features(picture * 40), whole[picture]!);
    assert.ok(difference < 1e-5, `picture ${picture} differs by ${difference}`);
  }
  assert.deepEqual(runs, [198 - (120 - 4 - 25)]);
});

test('rows before the sound are zeros', async () => {
  const ear = new MuseTalkEar(melEncoder());
  ear.push(babble(1));
  const rows = withoutPositions(await ear.features(40));
  assert.ok(rows.subarray(0, 2 * ROW_VALUES).every((value) => value === 0));
  assert.notEqual(rows[2 * ROW_VALUES], 0);
});

test('a burst changes first the picture whose window it enters, last the one whose window it leaves', async (t) => {
  const stub = await stubEncoder();
  t.after(() => stub.close());
  const quiet = Float32Array.from(
    { length: 32_000 },
    (_, n) => 0.05 * Math.sin(n / 3) + 0.01 * Math.sin(n * n),
  );
  for (const row of [40, 41, 53]) {
    const loud = quiet.slice();
    // 10 ms around the middle of the row: no frame of the row before it reaches that far.
    for (let n = row * 320 + 60; n < row * 320 + 110; n++) loud[n] = loud[n]! + 0.3 * Math.sin(n * 1.1);
    const hear = async (sound: Float32Array): Promise<Float32Array[]> => {
      const ear = new MuseTalkEar({ encode: stub.encode, hopMs: 400 });
      return (await listenLive(ear, sound, 25)).map(withoutPositions);
    };
    const without = await hear(quiet);
    const changed = (await hear(loud)).map((features, i) => farthest(features, without[i]!) > 0.01);
    // 2i - 4 <= row < 2i + 6
    const expected = changed.map((_, i) => 2 * i - 4 <= row && row < 2 * i + 6);
    assert.deepEqual(changed, expected, `row ${row}`);
  }
});

test('twenty minutes take no more memory than one, and every row stays in its place', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const ear = new MuseTalkEar({ encode: melEncoder().encode, hopMs: 2000 });
  // Noise that never repeats: each row sounds like no other.
  let seed = 5;
  const noise = (): number => {
    seed = (Math.imul(1664525, seed) + 1013904223) >>> 0;
    return seed / 2 ** 32 - 0.5;
  };
  /** The last six seconds. */
  const recent = new Float32Array(6 * 16_000);
  let endMs = 0;
  const frames = new MelFrames();
  let checked = 0;
  const check = (timeMs: number, features: Float32Array): void => {
    const firstRow = timeMs / 20 - 4;
    // From ten rows before the window on, so that no mirrored frame is in it.
    const from = (firstRow - 10) * 320 - (endMs * 16 - recent.length);
    const mel = logMel(recent.subarray(from, from + 30 * 320), frames);
    const rows = withoutPositions(features);
    for (let row = 0; row < 10; row++) {
      for (let band = 0; band < 80; band += 7) {
        const at = band * 3000 + 2 * (row + 10);
        const difference = Math.abs(rows[row * ROW_VALUES + band]! - mel[at]! - mel[at + 1]!);
        assert.ok(difference < 1e-5, `picture at ${timeMs} ms, row ${row}, band ${band}: ${difference}`);
      }
    }
    checked += 1;
  };
  const checks: Promise<void>[] = [];
  const memory: number[] = [];
  for (let second = 0; second < 1200; second++) {
    // Somebody speaks at the start of minutes 1, 10 and 20. One picture of each second is looked at.
    if ([0, 9, 19].includes(Math.floor(second / 60)) && second % 60 < 35) {
      for (let k = 0; k < 25; k++) {
        const timeMs = second * 1000 + k * 40;
        const picture = ear.features(timeMs);
        checks.push(
          picture.then((features) => (k === 7 && second > 0 ? check(timeMs, features) : undefined)),
        );
      }
    }
    recent.copyWithin(0, 16_000);
    recent.subarray(5 * 16_000).forEach((_, i, last) => (last[i] = noise()));
    endMs += 1000;
    ear.push(recent.subarray(5 * 16_000));
    await turn();
    if (second % 60 === 59) {
      collect();
      memory.push(process.memoryUsage().arrayBuffers);
    }
  }
  ear.push(new Float32Array(3 * 16_000));
  await Promise.all(checks);
  assert.equal(checked, 104);
  assert.ok(memory.at(-1)! - memory[0]! < 2e6, `bytes after each minute: ${memory.join(' ')}`);
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

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MuseTalkEar } from '../../../../../src/engine/musetalk/hearing/musetalk-ear.js';
import { MelFrames, logMel } from '../../../../../src/engine/musetalk/hearing/whisper-mel.js';
import { ROW_VALUES } from '../../../../../src/engine/musetalk/hearing/whisper-states.js';
import { hearWhole } from '../../../../../src/engine/musetalk/hearing/whole-utterance.js';
import {
  babble,
  cosine,
  listenLive,
  melEncoder,
  readWav,
  stubEncoder,
  turn,
  withoutPositions,
} from '../../../../helpers/hearing.js';
import { sharedFile } from '../../../../helpers/media.js';

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

/** Bytes of array buffers still in use: V8 frees the others on a thread of its own, so the least of some readings counts. */
async function heldBytes(collect: () => void): Promise<number> {
  let least = Infinity;
  for (let reading = 0; reading < 5; reading++) {
    collect();
    await turn();
    least = Math.min(least, process.memoryUsage().arrayBuffers);
  }
  return least;
}

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
    if (second % 60 === 59) memory.push(await heldBytes(collect));
  }
  ear.push(new Float32Array(3 * 16_000));
  await Promise.all(checks);
  assert.equal(checked, 104);
  assert.ok(memory.at(-1)! - memory[0]! < 2e6, `bytes after each minute: ${memory.join(' ')}`);
});

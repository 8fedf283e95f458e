import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAppError } from '../../../../../src/errors.js';
import { cutWindow } from '../../../../../src/engine/musetalk/hearing/feature-windows.js';
import { addPositions } from '../../../../../src/engine/musetalk/hearing/positional-encoding.js';
import { logMel } from '../../../../../src/engine/musetalk/hearing/whisper-mel.js';
import { ROW_VALUES, type WhisperEncode } from '../../../../../src/engine/musetalk/hearing/whisper-states.js';
import { hearPictures, hearWhole } from '../../../../../src/engine/musetalk/hearing/whole-utterance.js';
import { readGoldens, stubEncoder } from '../../../../helpers/hearing.js';

const goldens = readGoldens('stubs/stub-goldens.json') as {
  whisper_pts: Record<string, number>;
  win_pts: Record<string, number>;
  pe_pts: Record<string, number>;
};

/** The mel picture of the goldens: bytes of the generator with seed 22, as (byte - 128) / 128. */
function chanceMel(): Float32Array {
  let state = 22;
  return Float32Array.from({ length: 80 * 3000 }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return ((state >>> 24) - 128) / 128;
  });
}

function holds(points: Record<string, number>, value: (a: number, b: number, c: number) => number): void {
  for (const [place, expected] of Object.entries(points)) {
    const [a, b, c] = place.split(',').map(Number) as [number, number, number];
    assert.ok(Math.abs(value(a, b, c) - expected) < 1e-5, `${place}: ${value(a, b, c)} is not ${expected}`);
  }
}

/** Row r of segment s holds 10 000 s + r in all its numbers. */
function countingEncoder(): { encode: WhisperEncode; asked: number[]; heard: Float32Array[] } {
  const asked: number[] = [];
  const heard: Float32Array[] = [];
  const encode: WhisperEncode = (mel, rows) => {
    const segment = asked.length;
    asked.push(rows);
    heard.push(mel.slice());
    const values = { length: rows * ROW_VALUES };
    return Promise.resolve(
      Float32Array.from(values, (_, i) => 10_000 * segment + Math.floor(i / ROW_VALUES)),
    );
  };
  return { encode, asked, heard };
}

/** The rows of a picture of countingEncoder, with the positions taken out. */
function rowsOf(features: Float32Array): number[] {
  const positions = new Float32Array(features.length);
  addPositions(positions);
  return Array.from({ length: features.length / ROW_VALUES }, (_, row) => {
    const value = features[row * ROW_VALUES]! - positions[row * ROW_VALUES]!;
    return Math.round(value);
  });
}

test('the stand-in encoder, the windows and the positions give the golden numbers', async (t) => {
  const stub = await stubEncoder();
  t.after(() => stub.close());
  const mel = chanceMel();
  const states = await stub.encode(mel, 125);
  assert.equal(states.length, 125 * ROW_VALUES);
  holds(goldens.whisper_pts, (row, layer, i) => states[row * ROW_VALUES + layer * 384 + i]!);
  const rowAt = (row: number): number => (row < 0 || row >= 125 ? -1 : row * ROW_VALUES);
  const window = (i: number): Float32Array => cutWindow(states, rowAt, 2 * i - 4, 10);
  holds(goldens.win_pts, (picture, row, i) => window(picture)[row * 384 + i]!);

  const pictures = await hearWhole(new Float32Array(40_000), 25, (_, rows) => stub.encode(mel, rows));
  assert.equal(pictures.length, 62);
  holds(goldens.pe_pts, (picture, row, i) => pictures[picture]![row * 384 + i]!);
  for (const [i, features] of pictures.entries()) {
    const expected = window(i);
    addPositions(expected);
    assert.deepEqual(features, expected, `picture ${i}`);
  }
});

test('each 30 s are heard alone and their rows joined', async () => {
  const sound = Float32Array.from({ length: 65 * 16_000 }, (_, n) => Math.sin(n * n * 1e-6));
  const { encode, asked, heard } = countingEncoder();
  const pictures = await hearWhole(sound, 25, encode);
  assert.equal(pictures.length, 1625);
  assert.deepEqual(asked, [1500, 1500, 250]);
  heard.forEach((mel, i) =>
    assert.deepEqual(mel, logMel(sound.subarray(i * 480_000, (i + 1) * 480_000)), `segment ${i}`),
  );
  assert.deepEqual(rowsOf(pictures[748]!), [1492, 1493, 1494, 1495, 1496, 1497, 1498, 1499, 10_000, 10_001]);
  assert.deepEqual(rowsOf(pictures[1501]!).slice(0, 3), [11_498, 11_499, 20_000]);
  assert.deepEqual(rowsOf(pictures[1624]!), [20_244, 20_245, 20_246, 20_247, 20_248, 20_249, 0, 0, 0, 0]);
});

test('the encoder is not run for rows that no window wants', async () => {
  const { encode, asked } = countingEncoder();
  // 5 ms into the next segment: no whole row of it.
  await hearWhole(new Float32Array(480_080), 25, encode);
  assert.deepEqual(asked, [1500]);
});

test('pictures can be taken one by one, and only what they need is heard', async () => {
  const { encode, asked } = countingEncoder();
  for await (const features of hearPictures(new Float32Array(65 * 16_000), 25, encode)) {
    assert.equal(features.length, 50 * 384);
    break;
  }
  assert.deepEqual(asked, [1500]);
});

test('sound shorter than a window gives whole windows', async () => {
  for (const [samples, rows] of [
    [1, 0],
    [320, 1],
    [700, 2],
    [3000, 9],
  ] as const) {
    const { encode, asked } = countingEncoder();
    const pictures = await hearWhole(new Float32Array(samples), 25, encode);
    assert.equal(pictures.length, Math.max(1, Math.floor(samples / 640)), `${samples} samples`);
    assert.deepEqual(asked, rows === 0 ? [] : [rows]);
    const expected = Array.from({ length: 10 }, (_, i) => (i - 4 > 0 && i - 4 < rows ? i - 4 : 0));
    assert.deepEqual(rowsOf(pictures[0]!), expected, `${samples} samples`);
  }
  assert.deepEqual(await hearWhole(new Float32Array(0), 25, countingEncoder().encode), []);
});

test('a frame rate under 25 keeps its windows in place, unless asked for the reference', async () => {
  const sound = new Float32Array(40_000);
  const ours = await hearWhole(sound, 15, countingEncoder().encode);
  assert.deepEqual(rowsOf(ours[3]!), [6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  const reference = await hearWhole(sound, 15, countingEncoder().encode, { reference: true });
  assert.deepEqual(rowsOf(reference[3]!), [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

test('an encoder of another shape is named', async () => {
  const encode: WhisperEncode = (_, rows) => Promise.resolve(new Float32Array(rows * 5 * 512));
  await assert.rejects(hearWhole(new Float32Array(16_000), 25, encode), (error) =>
    isAppError(error, 'model-invalid'),
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAppError } from '../../../../../src/errors.js';
import {
  UtteranceWindows,
  cutWindow,
  windowShape,
} from '../../../../../src/engine/musetalk/hearing/feature-windows.js';
import { addPositions } from '../../../../../src/engine/musetalk/hearing/positional-encoding.js';
import { ROW_VALUES } from '../../../../../src/engine/musetalk/hearing/whisper-states.js';
import { readGoldens } from '../../../../helpers/hearing.js';

interface Goldens {
  pe: Record<string, number>;
  windows: {
    samples: number;
    fps: number;
    num_frames: number;
    actual_rows: number;
    first_rows: [number, number][];
  }[];
}

const goldens = readGoldens('goldens.json') as Goldens;

/** [first, end) of the given pictures. */
function rowsOf(windows: UtteranceWindows, pictures: readonly number[]): [number, number][] {
  return pictures.map((i) => [windows.firstRow(i), windows.firstRow(i) + windows.windowRows]);
}

for (const golden of goldens.windows) {
  const { samples, fps } = golden;
  test(`reference windows of ${samples} samples at ${fps} fps`, () => {
    const windows = new UtteranceWindows(samples, fps, { reference: true });
    assert.equal(windows.pictureCount, golden.num_frames);
    assert.equal(windows.soundRows, golden.actual_rows);
    const pictures = [0, 1, 2, 3, 4, 5, golden.num_frames - 1];
    assert.deepEqual(rowsOf(windows, pictures), golden.first_rows);
  });
}

test('by default a window begins four rows before its picture at any frame rate', () => {
  const firstRows = (fps: number): [number, number][] =>
    rowsOf(new UtteranceWindows(40_000, fps), [0, 1, 2, 3]);
  assert.deepEqual(firstRows(25), goldens.windows[0]!.first_rows.slice(0, 4));
  assert.deepEqual(firstRows(30), goldens.windows[1]!.first_rows.slice(0, 4));
  assert.deepEqual(
    firstRows(20).map(([first]) => first),
    [-4, -2, 1, 3],
  );
  assert.deepEqual(
    firstRows(15).map(([first]) => first),
    [-4, -1, 2, 6],
  );
  assert.deepEqual(
    firstRows(60).map(([first]) => first),
    [-4, -4, -3, -2],
  );
});

test('a frame rate that is no integer is kept; the reference cuts it', () => {
  const minute = 60 * 16_000;
  assert.equal(new UtteranceWindows(minute, 29.97).pictureCount, 1798);
  assert.equal(new UtteranceWindows(minute, 29.97, { reference: true }).pictureCount, 1740);
  // After a minute the window is where the picture is.
  assert.equal(new UtteranceWindows(minute, 29.97).firstRow(1797), Math.floor((1797 / 29.97) * 50) - 4);
});

test('no picture that begins with a row is put into the row before it by rounding', () => {
  for (const fps of [15, 20, 24, 25, 30, 48, 50, 60]) {
    const windows = new UtteranceWindows(16_000, fps);
    for (let i = 0; i < 5000; i++) {
      // floor(50 i / fps) in integers
      assert.equal(windows.firstRow(i), (50 * i - ((50 * i) % fps)) / fps - 4, `picture ${i} at ${fps} fps`);
    }
  }
});

test('any sound has a picture, even one sample', () => {
  assert.deepEqual(
    [0, 1, 639, 640, 1280].map((samples) => new UtteranceWindows(samples, 25).pictureCount),
    [0, 1, 1, 1, 2],
  );
  assert.equal(new UtteranceWindows(639, 25, { reference: true }).pictureCount, 0);
});

test('the paddings change how far a window reaches', () => {
  assert.deepEqual(windowShape(), { rowsBefore: 4, rows: 10 });
  assert.deepEqual(windowShape({ audioPaddingLengthLeft: 1, audioPaddingLengthRight: 3 }), {
    rowsBefore: 2,
    rows: 10,
  });
  assert.deepEqual(windowShape({ audioPaddingLengthLeft: 0, audioPaddingLengthRight: 0 }), {
    rowsBefore: 0,
    rows: 2,
  });
  assert.throws(
    () => windowShape({ audioPaddingLengthLeft: 1.5 }),
    (error) => isAppError(error, 'invalid-argument'),
  );
});

test('a frame rate that is none is refused', () => {
  for (const fps of [0, -25, NaN, 101]) {
    assert.throws(
      () => new UtteranceWindows(1000, fps),
      (error) => isAppError(error, 'invalid-argument'),
    );
  }
  assert.throws(
    () => new UtteranceWindows(1000, 0.5, { reference: true }),
    (error) => isAppError(error, 'invalid-argument'),
  );
});

test('a window holds its rows in order and zeros where there are none', () => {
  const states = Float32Array.from({ length: 3 * ROW_VALUES }, (_, i) => i + 1);
  const window = cutWindow(states, (row) => (row < 0 || row > 2 ? -1 : row * ROW_VALUES), -1, 5);
  assert.equal(window.length, 5 * ROW_VALUES);
  assert.ok(window.subarray(0, ROW_VALUES).every((value) => value === 0));
  assert.deepEqual(window.subarray(ROW_VALUES, 4 * ROW_VALUES), states);
  assert.ok(window.subarray(4 * ROW_VALUES).every((value) => value === 0));
});

test('positions are sin and cos in turn, added in place', () => {
  const features = new Float32Array(50 * 384).fill(1);
  addPositions(features);
  for (const [place, expected] of Object.entries(goldens.pe)) {
    const [row, column] = place.split(',').map(Number) as [number, number];
    const value = features[row * 384 + column]! - 1;
    assert.ok(Math.abs(value - expected) < 1e-6, `${place}: ${value} is not ${expected}`);
  }
  const longer = new Float32Array(60 * 384);
  addPositions(longer);
  assert.ok(Math.abs(longer[59 * 384]! - Math.sin(59)) < 1e-6);
  assert.throws(() => addPositions(new Float32Array(100)), RangeError);
});

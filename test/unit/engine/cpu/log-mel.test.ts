import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogMel, MEL_BANDS, MEL_SILENCE } from '../../../../src/engine/cpu/log-mel.js';

/** 100 ms: 440 Hz throughout, 3100 Hz in the second half. */
function twoTones(): Float32Array {
  return Float32Array.from({ length: 1600 }, (_, n) => {
    const low = 0.3 * Math.sin((2 * Math.PI * 440 * n) / 16000);
    return low + (n > 800 ? 0.1 * Math.sin((2 * Math.PI * 3100 * n) / 16000) : 0);
  });
}

function picture(chunks: Iterable<Float32Array>): Float32Array[] {
  const mel = new LogMel();
  const frames: Float32Array[] = [];
  for (const chunk of chunks) mel.push(chunk, ({ bands }) => frames.push(bands.slice()));
  return frames;
}

test('the picture is the one the network was trained on (numbers from models/training/mel.py)', () => {
  const frames = picture([twoTones()]);
  assert.equal(frames.length, 9);
  const golden: [frame: number, band: number, value: number][] = [
    [0, 0, 0.2431],
    [0, 9, 0.2796],
    [3, 9, -1.3092],
    [3, 30, -2.1052],
    [7, 28, -1.7363],
    [7, 29, -2.099],
    [7, 39, -2.1052],
  ];
  for (const [k, band, value] of golden) {
    assert.ok(
      Math.abs(frames[k]![band]! - value) < 2e-4,
      `frame ${k} band ${band}: ${frames[k]![band]} is not ${value}`,
    );
  }
});

test('frames do not depend on how the sound is cut', () => {
  const sound = twoTones();
  const whole = picture([sound]);
  for (const size of [1, 7, 159, 160, 161, 500]) {
    const chunks: Float32Array[] = [];
    for (let at = 0; at < sound.length; at += size) chunks.push(sound.subarray(at, at + size));
    assert.deepEqual(picture(chunks), whole, `chunks of ${size}`);
  }
});

test('digital silence has the documented value and level', () => {
  new LogMel().push(new Float32Array(400), ({ bands, levelDb }) => {
    assert.equal(bands.length, MEL_BANDS);
    for (const value of bands) assert.equal(value, Math.fround(MEL_SILENCE));
    assert.ok(levelDb < -90);
  });
});

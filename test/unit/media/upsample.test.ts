import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIVE_RATES, Upsampler } from '../../../src/media/upsample.js';

function sine(rate: number, hz: number, samples: number): Int16Array {
  return Int16Array.from({ length: samples }, (_, i) => 10_000 * Math.sin((2 * Math.PI * hz * i) / rate));
}

for (const rate of LIVE_RATES) {
  test(`sound at ${rate} Hz keeps its length, place and level, however it is cut`, () => {
    const upsampler = new Upsampler(rate);
    const input = sine(rate, 440, rate / 2);
    const parts: number[] = [];
    for (let at = 0, size = 1; at < input.length; at += size, size = (size * 7) % 401)
      parts.push(...upsampler.push(input.subarray(at, at + size)));
    parts.push(...upsampler.flush());
    assert.equal(parts.length, 2 * 24_000);
    let worst = 0;
    for (let at = 500; at < 23_500; at++) {
      const wanted = 10_000 * Math.sin((2 * Math.PI * 440 * at) / 48_000);
      worst = Math.max(worst, Math.abs(parts[2 * at]! - wanted), Math.abs(parts[2 * at + 1]! - wanted));
    }
    assert.ok(worst < 20, `off by ${worst} of 10000`);
  });
}

test('what has ended does not sound into the next stretch', () => {
  const upsampler = new Upsampler(16_000);
  upsampler.push(sine(16_000, 440, 1600));
  upsampler.flush();
  const silence = [...upsampler.push(new Int16Array(160)), ...upsampler.flush()];
  assert.equal(silence.length, 960);
  assert.ok(silence.every((value) => value === 0));
});

test('the mirror image of a high tone is far below it', () => {
  const upsampler = new Upsampler(16_000);
  const sound = upsampler.push(sine(16_000, 6000, 8000));
  const level = (hz: number): number => {
    let [re, im] = [0, 0];
    for (let at = 2000; at < 20_000; at++) {
      const angle = (2 * Math.PI * hz * at) / 48_000;
      re += sound[2 * at]! * Math.cos(angle);
      im += sound[2 * at]! * Math.sin(angle);
    }
    return Math.hypot(re, im);
  };
  assert.ok(level(10_000) < level(6000) / 1000, `${level(10_000) / level(6000)}`);
});

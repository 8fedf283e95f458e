import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Downsampler48To16 } from '../../../src/media/resample.js';

/** Interleaved stereo, both sides alike. */
function tone(frequencyHz: number, samples: number, amplitude = 16_384): Int16Array {
  const stereo = new Int16Array(samples * 2);
  for (let index = 0; index < samples; index++) {
    const value = Math.round(amplitude * Math.sin((2 * Math.PI * frequencyHz * index) / 48_000));
    stereo[2 * index] = value;
    stereo[2 * index + 1] = value;
  }
  return stereo;
}

function levelDb(pcm: Float32Array): number {
  const settled = pcm.subarray(200);
  return 10 * Math.log10(settled.reduce((sum, value) => sum + value * value, 0) / settled.length / 0.125);
}

describe('Downsampler48To16', () => {
  it('gives a third of the samples, piece by piece', () => {
    const resampler = new Downsampler48To16();
    assert.equal(resampler.push(new Int16Array(1920)).length, 320);
    assert.equal(resampler.push(new Int16Array(1920)).length, 320);
    assert.equal(resampler.push(new Int16Array(2)).length, 0);
    assert.equal(resampler.push(new Int16Array(4)).length, 1);
  });

  it('does not depend on how the sound is cut', () => {
    const sound = tone(440, 9000);
    const whole = new Downsampler48To16().push(sound);
    for (const size of [1, 7, 960, 5000]) {
      const resampler = new Downsampler48To16();
      const parts: number[] = [];
      for (let at = 0; at < sound.length; at += 2 * size)
        parts.push(...resampler.push(sound.subarray(at, at + 2 * size)));
      assert.deepEqual(Float32Array.from(parts), whole, `pieces of ${size}`);
    }
  });

  it('passes speech and stops what would fold back', () => {
    for (const frequencyHz of [100, 1000, 4000, 6000]) {
      assert.ok(
        Math.abs(levelDb(new Downsampler48To16().push(tone(frequencyHz, 24_000)))) < 0.1,
        `${frequencyHz} Hz`,
      );
    }
    for (const frequencyHz of [8500, 10_000, 15_000, 20_000]) {
      assert.ok(levelDb(new Downsampler48To16().push(tone(frequencyHz, 24_000))) < -55, `${frequencyHz} Hz`);
    }
  });

  it('lags by exactly the delay that it names', () => {
    const click = new Int16Array(2 * 4800);
    click[2 * 2400] = 32_767;
    click[2 * 2400 + 1] = 32_767;
    const out = new Downsampler48To16().push(click);
    const peak = out.reduce((best, value, index) => (value > (out[best] as number) ? index : best), 0);
    assert.equal((3 * peak - 2400) / 48, Downsampler48To16.delayMs);
  });

  it('averages the two sides', () => {
    const left = tone(1000, 9600);
    for (let index = 1; index < left.length; index += 2) left[index] = 0;
    assert.ok(Math.abs(levelDb(new Downsampler48To16().push(left)) + 6.02) < 0.05);
  });

  it('forgets on reset', () => {
    const resampler = new Downsampler48To16();
    resampler.push(tone(500, 961));
    resampler.reset();
    assert.ok(resampler.push(new Int16Array(600)).every((value) => value === 0));
  });
});

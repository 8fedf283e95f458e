import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  frameToSamples,
  ntpTime,
  rtpTimestamp,
  samplesToFrame,
  samplesToMs,
} from '../../../src/media/timeline.js';

test('frames and samples agree over an hour at every usual rate', () => {
  for (const fps of [5, 15, 24, 25, 29, 30, 50, 60]) {
    for (const index of [0, 1, 2, 999, 3600 * fps]) {
      const start = frameToSamples(index, fps);
      assert.ok(Math.abs(samplesToMs(start) - (index * 1000) / fps) < 0.021, `${fps} fps, frame ${index}`);
      assert.ok(samplesToFrame(frameToSamples(index + 1, fps), fps) >= index);
    }
  }
});

test('RTP time stamps wrap at 32 bits', () => {
  assert.equal(rtpTimestamp(48_000, 90_000, 0), 90_000);
  assert.equal(rtpTimestamp(48_000, 90_000, 2 ** 32 - 1), 89_999);
});

test('NTP time keeps the fraction of a second', () => {
  const time = ntpTime(1_000_712.6);
  assert.equal(Number(time >> 32n), 2_208_988_800 + 1000);
  assert.ok(Math.abs(Number(time & 0xffffffffn) / 2 ** 32 - 0.7126) < 1e-6);
});

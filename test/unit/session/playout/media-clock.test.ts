import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MediaClock } from '../../../../src/session/playout/media-clock.js';
import { ManualClock } from '../../../helpers/manual-clock.js';

test('media time counts from the start', () => {
  const clock = new ManualClock();
  const media = new MediaClock(clock);
  clock.advance(300);
  media.restart();
  clock.advance(20);
  assert.equal(media.nowSamples, 960);
});

test('a stall of the process is left out, a short pause is not', () => {
  const clock = new ManualClock();
  const media = new MediaClock(clock);
  clock.advance(900);
  assert.deepEqual(media.tick(), { sinceLastMs: 900, heldMs: 0 });
  clock.advance(5000);
  assert.deepEqual(media.tick(), { sinceLastMs: 5000, heldMs: 5000 });
  assert.equal(media.nowSamples, 900 * 48);
});

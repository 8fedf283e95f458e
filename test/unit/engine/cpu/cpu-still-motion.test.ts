import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StillMotion, seedOf } from '../../../../src/engine/cpu/still-motion.js';

test('the eyes shut fully every 2 to 6 seconds, for a fraction of a second', () => {
  const motion = new StillMotion({ seed: 7, iodPx: 100 });
  const starts: number[] = [];
  let shut = false;
  let fullest = 0;
  for (let timeMs = 0; timeMs < 120_000; timeMs += 10) {
    const blink = motion.blink(timeMs);
    assert.ok(blink >= 0 && blink <= 1);
    fullest = Math.max(fullest, blink);
    if (blink > 0 && !shut) starts.push(timeMs);
    shut = blink > 0;
  }
  assert.equal(fullest, 1);
  assert.ok(starts.length >= 18, `${starts.length} blinks in two minutes`);
  for (let i = 1; i < starts.length; i += 1) {
    const pause = starts[i]! - starts[i - 1]!;
    assert.ok(pause > 1990 && pause < 6400, `pause of ${pause} ms`);
  }
});

test('the sway is small, smooth, and starts from rest', () => {
  const motion = new StillMotion({ seed: 7, iodPx: 100 });
  let before = { ...motion.sway(0) };
  assert.deepEqual([before.dxPx, before.dyPx, before.angleRad].map(Math.abs), [0, 0, 0]);
  let farthest = 0;
  for (let timeMs = 40; timeMs < 60_000; timeMs += 40) {
    const now = { ...motion.sway(timeMs) };
    assert.ok(Math.hypot(now.dxPx - before.dxPx, now.dyPx - before.dyPx) < 0.3, `jump at ${timeMs}`);
    farthest = Math.max(farthest, Math.hypot(now.dxPx, now.dyPx));
    before = now;
  }
  assert.ok(farthest > 0.7 && farthest < 3, `farthest ${farthest} px`);
});

test('the same seed lives the same life, another one another', () => {
  const life = (id: string): number[] => {
    const motion = new StillMotion({ seed: seedOf(id), iodPx: 100 });
    return Array.from({ length: 200 }, (_, k) => motion.blink(k * 40) + motion.sway(k * 40).dxPx);
  };
  assert.deepEqual(life('anna'), life('anna'));
  assert.notDeepEqual(life('anna'), life('bert'));
});

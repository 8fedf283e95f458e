import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MouthTimeline } from '../../../../src/engine/cpu/mouth-timeline.js';
import { REST_MOUTH } from '../../../../src/media/frame.js';
import type { MouthShape } from '../../../../src/media/frame.js';

const shapes = (opens: readonly number[]): MouthShape[] => opens.map((open) => ({ ...REST_MOUTH, open }));

test('a moment is covered once the shapes that it reads are there', () => {
  const timeline = new MouthTimeline();
  assert.equal(timeline.lookaheadMs, 10);
  timeline.append(shapes([0]));
  assert.equal(timeline.covers(0), false);
  timeline.append(shapes([0]));
  assert.equal(timeline.covers(0), true);
  assert.equal(timeline.covers(10), false);
});

test('an instant one waits for nothing after the moment', () => {
  const timeline = new MouthTimeline({ instant: true });
  assert.equal(timeline.lookaheadMs, 0);
  timeline.append(shapes([0.2, 0.4]));
  assert.equal(timeline.covers(10), true);
  assert.equal(timeline.covers(20), false);
  assert.ok(timeline.at(10).mouth.open > 0.3);
});

test('a ramp comes out as the ramp', () => {
  const timeline = new MouthTimeline();
  timeline.append(shapes(Array.from({ length: 40 }, (_, k) => 0.2 + k / 100)));
  for (const timeMs of [40, 80, 123, 200]) {
    assert.ok(Math.abs(timeline.at(timeMs).mouth.open - (0.2 + timeMs / 1000)) < 0.006, `at ${timeMs}`);
  }
});

test('a closure of 30 ms between two vowels is seen at 25 pictures a second, wherever it falls', () => {
  for (let start = 20; start < 24; start += 1) {
    const timeline = new MouthTimeline();
    timeline.append(shapes(Array.from({ length: 60 }, (_, k) => (k >= start && k < start + 3 ? 0 : 0.7))));
    const seen = [160, 200, 240, 280].map((timeMs) => timeline.at(timeMs).mouth.open);
    assert.ok(Math.min(...seen) < 0.15, `closure at ${start * 10} ms: least opening ${Math.min(...seen)}`);
    assert.ok(Math.max(...seen) > 0.5);
  }
});

test('speaking rises at once, is held through a closure and fades in silence', () => {
  const timeline = new MouthTimeline();
  const opens = Array.from({ length: 200 }, (_, k) => (k >= 50 && k < 100 && (k < 70 || k > 80) ? 0.5 : 0));
  timeline.append(shapes(opens));
  assert.equal(timeline.at(400).speaking, 0);
  assert.equal(timeline.at(600).speaking, 1);
  assert.equal(timeline.at(750).speaking, 1);
  assert.equal(timeline.at(1800).speaking, 0);
});

test('long speech holds few shapes, and times stay right after forgetting', () => {
  const timeline = new MouthTimeline();
  for (let k = 0; k < 3000; k += 1) {
    timeline.append(shapes([0.3 + 0.2 * Math.sin(k / 30)]));
    if (k % 4 === 3) timeline.at((k - 3) * 10);
  }
  assert.ok(Math.abs(timeline.at(29_900).mouth.open - (0.3 + 0.2 * Math.sin(2990 / 30))) < 0.01);
});

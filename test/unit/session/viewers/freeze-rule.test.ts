import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FreezeRule } from '../../../../src/session/viewers/freeze-rule.js';

function after(gapsMs: readonly number[]): FreezeRule {
  const rule = new FreezeRule();
  for (const gapMs of gapsMs) rule.add(gapMs);
  return rule;
}

const even = (gapMs: number, count = 30): number[] => Array.from({ length: count }, () => gapMs);

test('at 40 ms a gap counts from more than 150 ms above it, with its whole length', () => {
  assert.equal(after([...even(40), 190]).count, 0);
  const rule = after([...even(40), 191]);
  assert.deepEqual([rule.count, rule.totalMs], [1, 191]);
});

test('at 200 ms a gap counts from more than three times as much', () => {
  assert.equal(after([...even(200), 600]).count, 0);
  assert.equal(after([...even(200), 601]).count, 1);
});

test('the mean is that of the last thirty gaps', () => {
  assert.equal(after([...even(200, 100), ...even(40), 200]).count, 1, 'fast of late: 200 ms stand out');
  const slowed = after([...even(40, 100), ...even(180)]);
  slowed.add(500);
  assert.equal(slowed.count, 0, 'slow of late: 500 ms do not');
});

test('the first few gaps are no freeze whatever they are', () => {
  assert.equal(after([40, 40, 40, 40, 5000]).count, 0);
  assert.equal(after([40, 40, 40, 40, 40, 5000]).count, 1);
});

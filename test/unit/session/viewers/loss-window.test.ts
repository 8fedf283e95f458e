import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LossWindow } from '../../../../src/session/viewers/loss-window.js';

const report = (lostPackets: number, highestNumber: number) => ({
  ...{ ssrc: 1, lostShare: 0, jitterTicks: 0, lastReport: 0, sinceLastReport: 0 },
  lostPackets,
  highestNumber,
});

test('loss is told for stretches that are long enough, from totals', () => {
  const window = new LossWindow();
  assert.equal(window.add(report(0, 1000), 0), undefined, 'nothing to compare with');
  assert.equal(window.add(report(2, 1006), 60), undefined, 'six packets say nothing');
  assert.equal(window.add(report(5, 1100), 700), 0.05);
  assert.equal(window.add(report(5, 1200), 1400), 0);
});

test('copies that came, a silence and a new count give no nonsense', () => {
  const window = new LossWindow();
  window.add(report(10, 70_000), 0);
  assert.equal(window.add(report(4, 70_100), 1000), 0);
  assert.equal(window.add(report(4, 70_100), 2000), undefined);
  assert.equal(window.add(report(0, 50), 3000), undefined);
  assert.equal(window.add(report(500, 150), 4000), 1);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ntpTime } from '../../../../src/media/timeline.js';
import { ntpMiddle } from '../../../../src/rtp/sender-report.js';
import { RoundTrip } from '../../../../src/session/viewers/round-trip.js';

const ntp = (second: number): bigint => ntpTime(1_700_000_000_000 + 1000 * second);
const answer = (second: number, keptMs: number) => ({
  lastReport: ntpMiddle(ntp(second)),
  sinceLastReport: Math.round((keptMs * 65_536) / 1000),
});

test('the round trip is the time since the report left, less what the viewer kept it', () => {
  const way = new RoundTrip();
  way.reportLeaves(ntp(0), 500);
  const rtt = way.measure(answer(0, 250), 800);
  assert.equal(rtt?.reportSentMs, 500);
  assert.ok(Math.abs(rtt.ms - 50) < 0.02, `${rtt.ms} ms`);
  assert.ok(Math.abs((way.latestMs ?? 0) - 50) < 0.02);
});

test('only the newest five reports can be answered', () => {
  const way = new RoundTrip();
  for (let second = 0; second < 6; second += 1) way.reportLeaves(ntp(second), 1000 * second);
  assert.equal(way.measure(answer(0, 0), 6000), undefined);
  assert.equal(way.measure(answer(1, 0), 6000)?.ms, 5000);
  assert.equal(way.measure({ lastReport: 0, sinceLastReport: 0 }, 6000), undefined);
});

test('what cannot be is not taken for the latest', () => {
  const way = new RoundTrip();
  way.reportLeaves(ntp(0), 0);
  way.measure(answer(0, 0), 31_000);
  assert.equal(way.latestMs, undefined);
  assert.ok((way.measure(answer(0, 100), 40)?.ms ?? 0) < 0);
  assert.equal(way.latestMs, 0);
});

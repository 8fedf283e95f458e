import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ViewerReports } from '../../../../src/session/viewers/viewer-reports.js';
import { ManualClock } from '../../../helpers/manual-clock.js';

const SOUND = { ssrc: 1, clockRate: 48_000, timestampBase: 1000, packets: 50, octets: 8000 };
const PICTURES = { ssrc: 2, clockRate: 90_000, timestampBase: 5, packets: 100, octets: 100_000 };
const WALL_MS = 1_700_000_000_250;

/** NTP time in ms of the Unix epoch, RTP time, packets: RFC 3550 section 6.4.1. */
const fieldsOf = (report: Buffer): number[] => [
  report.readUInt32BE(4),
  (report.readUInt32BE(8) - 2_208_988_800) * 1000 + Math.round((report.readUInt32BE(12) * 1000) / 2 ** 32),
  report.readUInt32BE(16),
  report.readUInt32BE(20),
];

test('both streams are told one moment, and the same line a while later', () => {
  const clock = new ManualClock();
  const sent: Buffer[] = [];
  const reports = new ViewerReports([SOUND, PICTURES], clock, (compound) => sent.push(compound));
  reports.sendAgain();
  assert.equal(sent.length, 0, 'nothing is known yet');
  reports.send(48_000, WALL_MS);
  clock.advance(400);
  reports.sendAgain();
  assert.deepEqual(sent.map(fieldsOf), [
    [1, WALL_MS, 49_000, 50],
    [2, WALL_MS, 90_005, 100],
    [1, WALL_MS + 400, 49_000 + 19_200, 50],
    [2, WALL_MS + 400, 90_005 + 36_000, 100],
  ]);
  for (const report of sent) assert.ok(report.includes(reports.cname));
  clock.advance(30);
  // The middle of the NTP time of the second pair.
  const lastReport = sent[3]?.readUInt32BE(10) ?? 0;
  assert.equal(reports.roundTrip.measure({ lastReport, sinceLastReport: 0 }, clock.now())?.ms, 30);
});

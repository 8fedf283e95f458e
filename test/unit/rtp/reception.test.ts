import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readRtcp } from '../../../src/rtp/rtcp.js';
import { buildReceiverReport } from '../../../src/rtp/receiver-report.js';
import { Reception } from '../../../src/rtp/reception.js';

const SSRC = 0xcafe0001;

function rtp(number: number, timestamp: number, ssrc = SSRC): Buffer {
  const packet = Buffer.alloc(20);
  packet.writeUInt8(0x80, 0);
  packet.writeUInt16BE(number & 0xffff, 2);
  packet.writeUInt32BE(timestamp >>> 0, 4);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}

/** Numbers and time stamps that both wrap on the way. */
function receive(reception: Reception, numbers: readonly number[], lateMs: (n: number) => number = () => 0) {
  for (const n of numbers) reception.came(rtp(65_530 + n, 0xffff_f000 + 960 * n), 1000 + 20 * n + lateMs(n));
}
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

describe('Reception', () => {
  it('has nothing to tell before something came', () => {
    assert.equal(new Reception(48_000).report(0), undefined);
  });

  it('counts what is missing, since the beginning and since the last report', () => {
    const reception = new Reception(48_000);
    receive(
      reception,
      upTo(20).filter((n) => n % 4 !== 3 || n === 19),
    );
    const first = reception.report(2000);
    assert.equal(first?.lostPackets, 4);
    assert.equal(first.lostShare, 0.2);
    assert.equal(first.highestNumber, 65_530 + 19, 'with the wrap counted');
    receive(
      reception,
      upTo(40).filter((n) => n >= 20),
    );
    assert.equal(reception.report(3000)?.lostShare, 0);
    receive(reception, [3, 7, 11, 15], () => 900);
    assert.equal(reception.report(3000)?.lostPackets, 0, 'late ones are not lost');
    receive(reception, [39]);
    assert.equal(reception.report(3000)?.lostPackets, -1, 'a copy counts as more than was sent');
  });

  it('has no jitter on an even line, also over the wrap of the time stamp, and a sixteenth of a step', () => {
    const even = new Reception(48_000);
    receive(even, upTo(50));
    assert.equal(even.report(0)?.jitterTicks, 0);
    const uneven = new Reception(48_000);
    receive(uneven, upTo(400), (n) => (n % 2) * 10);
    const ticks = uneven.report(0)?.jitterTicks ?? 0;
    assert.ok(Math.abs(ticks - 480) <= 2, `${ticks} ticks for steps of 10 ms`);
  });

  it('says which sender report it knows, and how old that is', () => {
    const reception = new Reception(48_000);
    receive(reception, upTo(2));
    reception.senderReported(SSRC, 0x1234_5678, 5000);
    reception.senderReported(SSRC + 1, 0x9999_9999, 5500);
    const report = reception.report(6500);
    assert.equal(report?.lastReport, 0x1234_5678);
    assert.equal(report.sinceLastReport, 1.5 * 65_536);
  });

  it('begins anew with another sender, or after a jump', () => {
    const reception = new Reception(48_000);
    receive(reception, upTo(5));
    reception.came(rtp(7, 0, SSRC + 1), 2000);
    assert.deepEqual(
      [reception.report(0)?.ssrc, reception.report(0)?.lostPackets, reception.report(0)?.highestNumber],
      [SSRC + 1, 0, 7],
    );
    reception.came(rtp(20_000, 0, SSRC + 1), 2000);
    assert.equal(reception.report(0)?.lostPackets, 0);
  });

  it('is told in a packet that reads back the same', () => {
    const report = {
      ...{ ssrc: SSRC, lostShare: 0.25, lostPackets: -2, highestNumber: 70_000 },
      ...{ jitterTicks: 480, lastReport: 0xfedc_ba98, sinceLastReport: 65_536 },
    };
    const packet = buildReceiverReport(7, report, 'a name');
    assert.deepEqual(readRtcp(packet).reports, [report]);
    assert.equal(packet.length % 4, 0);
    assert.equal(packet.readUInt8(33), 202, 'a source description follows');
  });
});

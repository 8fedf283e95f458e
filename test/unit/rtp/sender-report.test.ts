import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ntpTime } from '../../../src/media/timeline.js';
import { buildSenderReport, ntpMiddle } from '../../../src/rtp/sender-report.js';

describe('buildSenderReport', () => {
  it('lays out a report and a source description', () => {
    const ntp = ntpTime(1_700_000_000_712.6);
    const packet = buildSenderReport({
      ssrc: 0xdeadbeef,
      ntp,
      rtpTimestamp: 0xfffffffe,
      packetCount: 7,
      octetCount: 2 ** 32 + 9,
      cname: 'abc',
    });
    assert.deepEqual([...packet.subarray(0, 4)], [0x80, 200, 0, 6]);
    assert.equal(packet.readUInt32BE(4), 0xdeadbeef);
    assert.equal(packet.readUInt32BE(8), 1_700_000_000 + 2_208_988_800);
    assert.ok(Math.abs(packet.readUInt32BE(12) / 2 ** 32 - 0.7126) < 1e-6, 'the fraction is binary');
    assert.equal(packet.readUInt32BE(16), 0xfffffffe);
    assert.equal(packet.readUInt32BE(20), 7);
    assert.equal(packet.readUInt32BE(24), 9);
    assert.deepEqual([...packet.subarray(28, 32)], [0x81, 202, 0, 3]);
    assert.equal(packet.readUInt32BE(32), 0xdeadbeef);
    assert.deepEqual([...packet.subarray(36)], [1, 3, 97, 98, 99, 0, 0, 0]);
  });

  it('ends the source description on a word with at least one zero', () => {
    for (let length = 1; length < 40; length++) {
      const packet = buildSenderReport({
        ssrc: 1,
        ntp: 0n,
        rtpTimestamp: 0,
        packetCount: 0,
        octetCount: 0,
        cname: 'x'.repeat(length),
      });
      assert.equal(packet.length % 4, 0);
      assert.equal(packet.readUInt16BE(30) * 4 + 4, packet.length - 28);
      assert.equal(packet.at(-1), 0);
    }
  });

  it('names a report by its middle bits', () => {
    assert.equal(ntpMiddle(0x1122_3344_5566_7788n), 0x3344_5566);
  });
});

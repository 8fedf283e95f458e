import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readRtcp } from '../../../src/rtp/rtcp.js';
import { lcgBytes } from '../../helpers/lcg.js';

/** Bytes from 32-bit words and buffers. */
function words(...parts: (number | Buffer)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part !== 'number') return part;
      const word = Buffer.alloc(4);
      word.writeUInt32BE(part >>> 0);
      return word;
    }),
  );
}

/** One packet: its count or format, its type, then the rest; the length is filled in. */
function packet(count: number, type: number, ...rest: (number | Buffer)[]): Buffer {
  const body = words(...rest);
  return words((0x80 | count) * 2 ** 24 + type * 2 ** 16 + body.length / 4, body);
}

const ME = 0x11111111;
const VIDEO = 0x22222222;
const block = words(VIDEO, 0x40000005, 0x0001ffff, 300, 0xabcd1234, 0x00018000);
const REPORT = {
  ...{ ssrc: VIDEO, lostShare: 0.25, lostPackets: 5, jitterTicks: 300 },
  ...{ highestNumber: 0x0001ffff, lastReport: 0xabcd1234, sinceLastReport: 0x18000 },
};
const NOTHING = {
  ...{ reports: [], nacks: [], wantsKey: undefined, rembBps: undefined },
  ...{ bye: false, sender: undefined },
};

describe('RTCP from viewers', () => {
  it('reads receiver reports, with a negative loss', () => {
    assert.deepEqual(readRtcp(packet(1, 201, ME, block)), { ...NOTHING, reports: [REPORT] });
    const negative = words(VIDEO, 0x00fffffe, 0, 0, 0, 0);
    assert.equal(readRtcp(packet(1, 201, ME, negative)).reports[0]?.lostPackets, -2);
    assert.equal(readRtcp(packet(2, 201, ME, block, negative)).reports.length, 2);
  });

  it('reads a compound of a sender report, a description and feedback', () => {
    const sr = packet(1, 200, ME, 1, 2, 3, 4, 5, block);
    const sdes = packet(1, 202, ME, words(0x01026162, 0));
    const nack = packet(1, 205, ME, VIDEO, 0x00640000);
    const found = readRtcp(Buffer.concat([sr, sdes, nack]));
    assert.deepEqual(found, {
      ...NOTHING,
      reports: [REPORT],
      nacks: [{ ssrc: VIDEO, sequenceNumbers: [100] }],
      sender: { ssrc: ME, ntpMiddle: 0x0001_0000 },
    });
  });

  it('reads the masks of NACKs, over the end of the numbers', () => {
    const nack = packet(1, 205, ME, VIDEO, 0xfffe_8005, 0x0064_0001);
    assert.deepEqual(readRtcp(nack).nacks[0]?.sequenceNumbers, [0xfffe, 0xffff, 1, 14, 100, 101]);
    const full = packet(1, 205, ME, VIDEO, 0x0000_ffff);
    assert.deepEqual(
      readRtcp(full).nacks[0]?.sequenceNumbers,
      Array.from({ length: 17 }, (_, n) => n),
    );
  });

  it('bounds what one NACK asks for', () => {
    const many = packet(1, 205, ME, VIDEO, ...Array.from({ length: 10_000 }, () => 0xffff));
    assert.ok((readRtcp(many).nacks[0]?.sequenceNumbers.length ?? 0) <= 512 + 16);
  });

  it('reads wishes for a key picture, goodbye, and nothing in other feedback', () => {
    assert.equal(readRtcp(packet(1, 206, ME, VIDEO)).wantsKey, 'pli');
    assert.equal(readRtcp(packet(4, 206, ME, 0, VIDEO, 0x01000000)).wantsKey, 'fir');
    assert.equal(readRtcp(packet(1, 203, ME)).bye, true);
    assert.deepEqual(readRtcp(packet(15, 205, ME, VIDEO, 0, 0)), NOTHING); // transport-wide feedback
    assert.deepEqual(readRtcp(packet(0, 204, ME, 0x51545353)), NOTHING);
  });

  it('reads REMB: six bits of exponent, eighteen of mantissa', () => {
    const remb = (exponent: number, mantissa: number): number | undefined =>
      readRtcp(
        packet(15, 206, ME, 0, Buffer.from('REMB'), 0x0100_0000 + exponent * 2 ** 18 + mantissa, VIDEO),
      ).rembBps;
    assert.equal(remb(0, 1000), 1000);
    assert.equal(remb(3, 125_000), 1_000_000);
    assert.equal(remb(0, 0x3ffff), 0x3ffff);
    assert.equal(remb(63, 1), 2 ** 63);
    assert.equal(
      readRtcp(packet(15, 206, ME, 0, Buffer.from('REMX'), 0x0100_0001, VIDEO)).rembBps,
      undefined,
    );
  });

  it('reads up to where a compound breaks', () => {
    const good = packet(1, 201, ME, block);
    const tooLong = packet(1, 206, ME, VIDEO);
    tooLong.writeUInt16BE(3, 2);
    const cases = [tooLong, tooLong.subarray(0, 3), Buffer.from([0x40, 201, 0, 0]), packet(31, 201, ME)];
    for (const broken of cases)
      assert.deepEqual(readRtcp(Buffer.concat([good, broken])), { ...NOTHING, reports: [REPORT] });
    for (let size = 0; size < good.length; size++)
      assert.deepEqual(readRtcp(good.subarray(0, size)), NOTHING);
  });

  it('never throws on noise', () => {
    const noise = Buffer.from(lcgBytes(9, 1_000_000));
    const types = [200, 201, 202, 203, 204, 205, 206, 207];
    for (let round = 0; round < 10_000; round++) {
      const size = noise[round] ?? 0;
      const from = round * 97 + 300;
      const bytes = Buffer.from(noise.subarray(from, from + size));
      if (round % 2 === 0 && size >= 4) {
        bytes[0] = 0x80 | ((bytes[0] ?? 0) & 0x1f);
        bytes[1] = types[round % 8] ?? 0;
        bytes.writeUInt16BE(round % 3 === 0 ? Math.max(0, Math.floor(size / 4) - 1) : round % 20, 2);
      }
      const { lostShare = 0 } = readRtcp(bytes).reports[0] ?? {};
      assert.ok(lostShare >= 0 && lostShare < 1);
    }
  });
});

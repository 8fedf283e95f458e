import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { joinNalUnits } from '../../../src/media/nal-units.js';
import { splitH264 } from '../../../src/rtp/h264-packetizer.js';
import { MAX_PAYLOAD_BYTES } from '../../../src/rtp/vp8-packetizer.js';
import { annexB, rejoined } from '../../helpers/h264.js';

const SPS = Uint8Array.of(0x67, 0x42, 0xc0, 0x1f, 1, 2, 3);
const PPS = Uint8Array.of(0x68, 0xce, 0x3c, 0x80);
const idr = (sizeBytes: number): Uint8Array => unit(0x65, sizeBytes);
const slice = (sizeBytes: number): Uint8Array => unit(0x41, sizeBytes);

function unit(head: number, sizeBytes: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, at) => (at === 0 ? head : (at * 31) & 0xff));
}

describe('H.264 over RTP', () => {
  const sizes = [1, 2, 1149, 1150, 1151, 1152, 2297, 2298, 50_001];
  for (const sizeBytes of sizes)
    it(`carries a slice of ${sizeBytes} bytes in payloads that fit and join again`, () => {
      const one = slice(sizeBytes);
      const payloads = splitH264(joinNalUnits([one]));
      assert.equal(payloads.length, sizeBytes <= 1150 ? 1 : Math.ceil((sizeBytes - 1) / 1148));
      for (const { length } of payloads) assert.ok(length > 0 && length <= MAX_PAYLOAD_BYTES);
      assert.deepEqual(rejoined(payloads), annexB([one]));
    });

  it('puts parameter sets together before the key picture and keeps its weight', () => {
    const key = idr(3000);
    const payloads = splitH264(joinNalUnits([SPS, PPS, key]));
    assert.deepEqual(
      payloads.map((payload) => payload[0]),
      [0x60 | 24, 0x60 | 28, 0x60 | 28, 0x60 | 28],
    );
    assert.deepEqual(
      payloads.slice(1).map((payload) => payload[1]),
      [0x80 | 5, 5, 0x40 | 5],
    );
    assert.deepEqual(rejoined(payloads), annexB([SPS, PPS, key]));
  });

  it('keeps a lower weight in every fragment', () => {
    const payloads = splitH264(joinNalUnits([slice(2000)]));
    assert.deepEqual(
      payloads.map((payload) => payload[0]),
      [0x40 | 28, 0x40 | 28],
    );
  });

  it('carries several slices of one picture in order', () => {
    const slices = [slice(10), slice(1200), slice(20)];
    assert.deepEqual(rejoined(splitH264(joinNalUnits(slices))), annexB(slices));
  });

  it('refuses a picture whose lengths do not fit', () => {
    assert.throws(() => splitH264(Uint8Array.of(0, 0, 0, 9, 1)), /longer than its picture/);
    assert.throws(() => splitH264(Uint8Array.of(0, 0, 0)), /longer than its picture/);
    assert.deepEqual(splitH264(new Uint8Array(0)), []);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_PAYLOAD_BYTES, packetizeVp8 } from '../../../src/rtp/vp8-packetizer.js';

describe('packetizeVp8', () => {
  const picture = (sizeBytes: number): Uint8Array =>
    Uint8Array.from({ length: sizeBytes }, (_, at) => (at * 31) & 0xff);

  for (const sizeBytes of [1, 1145, 1146, 1147, 2292, 2293, 50_001]) {
    it(`cuts ${sizeBytes} bytes into payloads that fit and join again`, () => {
      const payloads = packetizeVp8(picture(sizeBytes), 0x1234);
      assert.equal(payloads.length, Math.ceil(sizeBytes / 1146));
      for (const [at, payload] of payloads.entries()) {
        assert.ok(payload.length <= MAX_PAYLOAD_BYTES, `${payload.length} bytes`);
        assert.ok(payload.length > 4);
        // RFC 7741 section 4.2: X and S; I; M with the upper 7 bits; the lower 8 bits.
        assert.deepEqual([...payload.subarray(0, 4)], [at === 0 ? 0x90 : 0x80, 0x80, 0x80 | 0x12, 0x34]);
      }
      assert.deepEqual(
        Buffer.concat(payloads.map((payload) => payload.subarray(4))),
        Buffer.from(picture(sizeBytes)),
      );
    });
  }

  it('keeps the highest picture id in 15 bits', () => {
    assert.deepEqual([...(packetizeVp8(picture(3), 0x7fff)[0]?.subarray(1, 4) ?? [])], [0x80, 0xff, 0xff]);
  });
});

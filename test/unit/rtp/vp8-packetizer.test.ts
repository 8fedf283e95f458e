import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  MAX_PAYLOAD_BYTES,
  splitVp8,
  VP8_DESCRIPTOR_BYTES,
  writeVp8Descriptor,
} from '../../../src/rtp/vp8-packetizer.js';

describe('VP8 over RTP', () => {
  const picture = (sizeBytes: number): Uint8Array =>
    Uint8Array.from({ length: sizeBytes }, (_, at) => (at * 31) & 0xff);

  for (const sizeBytes of [1, 1145, 1146, 1147, 2292, 2293, 50_001]) {
    it(`cuts ${sizeBytes} bytes into parts that fit and join again`, () => {
      const parts = splitVp8(picture(sizeBytes));
      assert.equal(parts.length, Math.ceil(sizeBytes / 1146));
      for (const part of parts)
        assert.ok(part.length > 0 && part.length + VP8_DESCRIPTOR_BYTES <= MAX_PAYLOAD_BYTES);
      assert.deepEqual(Buffer.concat(parts), Buffer.from(picture(sizeBytes)));
    });
  }

  it('describes a part: X and S; I; M with the upper 7 bits; the lower 8 bits (RFC 7741 section 4.2)', () => {
    const packet = Buffer.alloc(6);
    assert.equal(writeVp8Descriptor(packet, 1, true, 0x1234), 5);
    assert.deepEqual([...packet], [0, 0x90, 0x80, 0x80 | 0x12, 0x34, 0]);
    writeVp8Descriptor(packet, 1, false, 0x7fff);
    assert.deepEqual([...packet], [0, 0x80, 0x80, 0xff, 0xff, 0]);
  });
});

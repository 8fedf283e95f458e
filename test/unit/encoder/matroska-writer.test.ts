import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { matroskaHeader, matroskaPictureHead } from '../../../src/encoder/matroska-writer.js';

/** Id and content of the element at `at`; our sizes are always eight bytes long. */
function element(bytes: Buffer, at: number): { id: number; sizeBytes: bigint; from: number } {
  const first = bytes.readUInt8(at);
  const idBytes = Math.clz32(first) - 23;
  const sizeAt = at + idBytes;
  return {
    id: bytes.readUIntBE(at, idBytes),
    sizeBytes: bytes.readBigUInt64BE(sizeAt) & 0x00ff_ffff_ffff_ffffn,
    from: sizeAt + 8,
  };
}

describe('Matroska writer', () => {
  it('writes a header with a segment of unknown size', () => {
    const header = matroskaHeader(640, 360);
    const ebml = element(header, 0);
    assert.equal(ebml.id, 0x1a45dfa3);
    const segment = element(header, ebml.from + Number(ebml.sizeBytes));
    assert.deepEqual([segment.id, segment.sizeBytes], [0x18538067, 0x00ff_ffff_ffff_ffffn]);
    const info = element(header, segment.from);
    const tracks = element(header, info.from + Number(info.sizeBytes));
    assert.equal(tracks.id, 0x1654ae6b);
    assert.equal(tracks.from + Number(tracks.sizeBytes), header.length);
  });

  it('announces exactly the picture bytes that follow, in microseconds', () => {
    const head = matroskaPictureHead(123_456.789, 345_600);
    const cluster = element(head, 0);
    assert.equal(cluster.id, 0x1f43b675);
    assert.equal(cluster.from + Number(cluster.sizeBytes), head.length + 345_600);
    const time = element(head, cluster.from);
    assert.deepEqual([time.id, head.readBigUInt64BE(time.from)], [0xe7, 123_456_789_000n]);
    const block = element(head, time.from + 8);
    assert.deepEqual([block.id, block.sizeBytes], [0xa3, 345_604n]);
    assert.equal(block.from + 4, head.length);
  });
});

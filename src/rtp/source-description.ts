const VERSION = 0x80;
const SDES = 202;
const CNAME = 1;

/** An RTCP source description with one chunk: the canonical name of a source (RFC 3550 section 6.5), cut at 255 bytes. */
export function sourceDescription(ssrc: number, cname: string): Buffer {
  const name = Buffer.from(cname, 'utf8').subarray(0, 255);
  // Chunk: SSRC, item (type, length, text), at least one zero byte, padded to a multiple of four.
  const chunkBytes = 4 + 2 + name.length + (4 - ((2 + name.length) % 4));
  const packet = Buffer.alloc(4 + chunkBytes);
  packet.writeUInt8(VERSION | 1, 0);
  packet.writeUInt8(SDES, 1);
  packet.writeUInt16BE(chunkBytes / 4, 2);
  packet.writeUInt32BE(ssrc >>> 0, 4);
  packet.writeUInt8(CNAME, 8);
  packet.writeUInt8(name.length, 9);
  packet.set(name, 10);
  return packet;
}

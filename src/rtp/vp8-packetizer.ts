/**
 * VP8 over RTP (RFC 7741 section 4.2). The descriptor is always four bytes: X and S bits, the I bit, and a 15-bit
 * PictureID. VP8 partitions are not told apart: one picture is one partition 0 cut at will, which decoders accept.
 */

export const MAX_PAYLOAD_BYTES = 1150;
export const PICTURE_ID_COUNT = 1 << 15;
const DESCRIPTOR_BYTES = 4;
const EXTENDED = 0x80;
const START_OF_PARTITION = 0x10;
const HAS_PICTURE_ID = 0x80;
const LONG_PICTURE_ID = 0x80;

/**
 * The RTP payloads of one picture, in order; the last one's packet carries the marker bit. They are views of one
 * new buffer, about equal in size, each at most 1150 bytes, and may be shared between receivers.
 */
export function packetizeVp8(frame: Uint8Array, pictureId: number): Uint8Array[] {
  const count = Math.ceil(frame.length / (MAX_PAYLOAD_BYTES - DESCRIPTOR_BYTES));
  const buffer = Buffer.allocUnsafe(frame.length + count * DESCRIPTOR_BYTES);
  const payloads: Uint8Array[] = [];
  let from = 0;
  let at = 0;
  for (let part = 0; part < count; part++) {
    const to = Math.round((frame.length * (part + 1)) / count);
    const start = at;
    buffer[at++] = EXTENDED | (part === 0 ? START_OF_PARTITION : 0);
    buffer[at++] = HAS_PICTURE_ID;
    buffer[at++] = LONG_PICTURE_ID | ((pictureId >> 8) & 0x7f);
    buffer[at++] = pictureId & 0xff;
    buffer.set(frame.subarray(from, to), at);
    at += to - from;
    from = to;
    payloads.push(buffer.subarray(start, at));
  }
  return payloads;
}

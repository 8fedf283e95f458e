/**
 * VP8 over RTP (RFC 7741 section 4.2). The descriptor is always four bytes: X and S bits, the I bit, and a 15-bit
 * PictureID. VP8 partitions are not told apart: one picture is one partition 0 cut at will, which decoders accept.
 */

/** With headers, extensions, tag, UDP and IPv6 still below 1280, which every path carries. */
export const MAX_PAYLOAD_BYTES = 1150;
export const PICTURE_ID_COUNT = 1 << 15;
export const VP8_DESCRIPTOR_BYTES = 4;
const EXTENDED = 0x80;
const START_OF_PARTITION = 0x10;
const HAS_PICTURE_ID = 0x80;
const LONG_PICTURE_ID = 0x80;

/** The parts of one picture, in order: views of `frame`, about equal in size, each with its descriptor at most 1150 bytes. */
export function splitVp8(frame: Uint8Array): Uint8Array[] {
  const count = Math.ceil(frame.length / (MAX_PAYLOAD_BYTES - VP8_DESCRIPTOR_BYTES));
  return Array.from({ length: count }, (_, part) =>
    frame.subarray(
      Math.round((frame.length * part) / count),
      Math.round((frame.length * (part + 1)) / count),
    ),
  );
}

/** Returns where the part itself begins. Each viewer counts pictures by itself, so the descriptor is its own. */
export function writeVp8Descriptor(packet: Buffer, at: number, first: boolean, pictureId: number): number {
  packet[at] = EXTENDED | (first ? START_OF_PARTITION : 0);
  packet[at + 1] = HAS_PICTURE_ID;
  packet[at + 2] = LONG_PICTURE_ID | ((pictureId >> 8) & 0x7f);
  packet[at + 3] = pictureId & 0xff;
  return at + VP8_DESCRIPTOR_BYTES;
}

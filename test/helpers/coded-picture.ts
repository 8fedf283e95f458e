import type { EncodedPicture, RenditionName } from '../../src/media/frame.js';

/** A picture whose first bytes are those of a VP8 frame (RFC 6386 section 9.1); its last two tell its index. */
export function codedPicture(
  index: number,
  key: boolean,
  options: { rendition?: RenditionName; widthPx?: number; heightPx?: number; bytes?: number } = {},
): EncodedPicture {
  const { rendition = 'high', widthPx = 64, heightPx = 48, bytes = 200 } = options;
  const data = Buffer.alloc(bytes, 0x55);
  data.writeUInt16BE(index & 0xffff, bytes - 2);
  data.writeUInt8(key ? 0x10 : 0x11, 0);
  if (key) {
    Buffer.from([0x9d, 0x01, 0x2a]).copy(data, 3);
    data.writeUInt16LE(widthPx, 6);
    data.writeUInt16LE(heightPx, 8);
  }
  return { index, key, data, rendition };
}

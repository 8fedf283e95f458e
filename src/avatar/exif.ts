/**
 * The orientation of a JPEG, 1..8 (Exif 2.3 section 4.6.4, tag 0x0112); 1 where there is none. Read here because
 * ffmpeg's treatment of it differs between versions.
 */
export function jpegOrientation(head: Uint8Array): number {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return 1;
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes.readUInt8(at + 1);
    const length = bytes.readUInt16BE(at + 2);
    if (marker === 0xe1 && bytes.toString('latin1', at + 4, at + 8) === 'Exif')
      return tiffOrientation(bytes.subarray(at + 10, at + 2 + length));
    if (marker === 0xda) return 1; // picture data begins
    at += 2 + length;
  }
  return 1;
}

function tiffOrientation(tiff: Buffer): number {
  if (tiff.length < 8) return 1;
  const little = tiff.toString('latin1', 0, 2) === 'II';
  const u16 = (at: number): number => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const directory = little ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4);
  if (directory + 2 > tiff.length) return 1;
  const entries = u16(directory);
  for (let index = 0, at = directory + 2; index < entries && at + 12 <= tiff.length; index++, at += 12) {
    if (u16(at) !== 0x0112) continue;
    const value = u16(at + 8);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** ffmpeg filters that undo an orientation; the list is applied from left to right. */
export function uprightFilters(orientation: number): string[] {
  const filters: Record<number, string[]> = {
    2: ['hflip'],
    3: ['hflip', 'vflip'],
    4: ['vflip'],
    5: ['transpose=cclock_flip'],
    6: ['transpose=clock'],
    7: ['transpose=clock_flip'],
    8: ['transpose=cclock'],
  };
  return filters[orientation] ?? [];
}

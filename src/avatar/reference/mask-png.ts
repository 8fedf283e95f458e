/** Masks of the MuseTalk reference: 8-bit PNGs as large as the square around the face (PNG specification, W3C 2003). */
import { inflateSync } from 'node:zlib';
import { AppError } from '../../errors.js';
import type { AlphaMask, Box } from '../../media/frame.js';
import { pngChunks, sizeOfPng } from '../png-files.js';

/** Channels of the colour types whose pixels are plain values: grey, RGB, grey and alpha, RGBA. */
const CHANNELS: Record<number, number> = { 0: 1, 2: 3, 4: 2, 6: 4 };

/**
 * The grey values of a mask PNG, row-packed, sidePx square; of colours their light (equal channels stay as they are).
 * @throws AppError media-undecodable if it is damaged, of another kind or size
 */
export function decodeMaskPng(bytes: Uint8Array, sidePx: number, name: string): Uint8Array {
  const { widthPx, heightPx } = sizeOfPng(bytes, name);
  if (widthPx !== sidePx || heightPx !== sidePx)
    throw new AppError(
      'media-undecodable',
      `the mask ${name} has ${widthPx}x${heightPx} pixels and its square in mask_coords.pkl ${sidePx}x${sidePx}; prepare the folder again`,
    );
  const chunks = pngChunks(bytes, name);
  const [depth, colourType, , , interlaced] = chunks[0]!.data.subarray(8);
  const channels = CHANNELS[colourType ?? -1];
  if (depth !== 8 || channels === undefined || interlaced !== 0)
    throw new AppError('media-undecodable', `the mask ${name} is not a plain PNG of 8 bits a value`);
  const rowBytes = sidePx * channels;
  const packed = Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data));
  const rows = inflate(packed, (rowBytes + 1) * sidePx, name);
  unfilter(rows, rowBytes, channels, name);
  const grey = new Uint8Array(sidePx * sidePx);
  for (let y = 0, i = 0; y < sidePx; y++) {
    for (let at = y * (rowBytes + 1) + 1; i < (y + 1) * sidePx; at += channels, i++) {
      grey[i] =
        channels < 3
          ? rows[at]!
          : (19595 * rows[at]! + 38470 * rows[at + 1]! + 7471 * rows[at + 2]! + 0x8000) >> 16;
    }
  }
  return grey;
}

function inflate(packed: Uint8Array, sizeBytes: number, name: string): Uint8Array {
  try {
    const rows = inflateSync(packed, { maxOutputLength: sizeBytes });
    if (rows.length === sizeBytes) return rows;
  } catch {
    // Told below.
  }
  throw new AppError('media-undecodable', `the mask ${name} is damaged: its pixels cannot be unpacked`);
}

/** Undoes the row filters in place; each row starts with the number of its filter. */
function unfilter(rows: Uint8Array, rowBytes: number, pixelBytes: number, name: string): void {
  for (let row = 0; row < rows.length; row += rowBytes + 1) {
    const filter = rows[row]!;
    if (filter > 4)
      throw new AppError('media-undecodable', `the mask ${name} is damaged: row filter ${filter}`);
    for (let i = 1; i <= rowBytes; i++) {
      const at = row + i;
      const left = i > pixelBytes ? rows[at - pixelBytes]! : 0;
      const above = row > 0 ? rows[at - rowBytes - 1]! : 0;
      const corner = row > 0 && i > pixelBytes ? rows[at - rowBytes - 1 - pixelBytes]! : 0;
      rows[at] = rows[at]! + predicted(filter, left, above, corner); // wraps at 256
    }
  }
}

function predicted(filter: number, left: number, above: number, corner: number): number {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return above;
    case 3:
      return (left + above) >> 1;
    case 4: {
      const guess = left + above - corner;
      const toLeft = Math.abs(guess - left);
      const toAbove = Math.abs(guess - above);
      const toCorner = Math.abs(guess - corner);
      if (toLeft <= toAbove && toLeft <= toCorner) return left;
      return toAbove <= toCorner ? above : corner;
    }
    default:
      return 0;
  }
}

/**
 * The mask of a square that may leave the picture, as alpha over the picture: what lies outside is dropped, and so are
 * the rows and columns around it that are all zero.
 */
export function clipMask(grey: Uint8Array, square: Box, widthPx: number, heightPx: number): AlphaMask {
  const sidePx = square.x2 - square.x1;
  let x1 = widthPx;
  let y1 = heightPx;
  let x2 = 0;
  let y2 = 0;
  const inside = {
    x1: Math.max(0, square.x1),
    y1: Math.max(0, square.y1),
    x2: Math.min(widthPx, square.x2),
    y2: Math.min(heightPx, square.y2),
  };
  for (let y = inside.y1; y < inside.y2; y++) {
    const row = (y - square.y1) * sidePx - square.x1;
    for (let x = inside.x1; x < inside.x2; x++) {
      if (grey[row + x] === 0) continue;
      if (x < x1) x1 = x;
      if (x >= x2) x2 = x + 1;
      if (y < y1) y1 = y;
      y2 = y + 1;
    }
  }
  if (x2 <= x1) return { area: { x1: 0, y1: 0, x2: 0, y2: 0 }, alpha: new Uint8Array(0) };
  const alpha = new Uint8Array((x2 - x1) * (y2 - y1));
  for (let y = y1; y < y2; y++) {
    const from = (y - square.y1) * sidePx - square.x1;
    alpha.set(grey.subarray(from + x1, from + x2), (y - y1) * (x2 - x1));
  }
  return { area: { x1, y1, x2, y2 }, alpha };
}

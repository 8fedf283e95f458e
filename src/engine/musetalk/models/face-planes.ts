/**
 * Between packed RGB pictures of 0..255 and the planar -1..1 that the VAE takes and gives, with the reference's own
 * roundings (torchvision's normalisation, the image processing of MuseTalk's VAE).
 */
import { fromFloat16Bits, toFloat16Bits } from '../../../media/float16.js';
import type { Batch } from '../../faces/batch-graph.js';

/** Which plane comes first; MuseTalk's own is RGB. */
export type PlaneOrder = 'rgb' | 'bgr';

/** The network's number for a byte: each step rounded to float32, as PyTorch has it. */
const NUMBER_OF_BYTE = Float32Array.from({ length: 256 }, (_, value) =>
  Math.fround(Math.fround(Math.fround(value / 255) - 0.5) / 0.5),
);

/** A byte for each half-float pattern, the arithmetic done in half floats; built at first use. */
let byteOfHalf: Uint8ClampedArray | undefined;

/**
 * Writes a packed RGB picture as three planes (R, G, B) from `offset` on. Rows from `blankFromRow` on become black
 * before the normalisation, that is -1.
 */
export function rgbToPlanes(
  rgb: Uint8Array,
  sidePx: number,
  blankFromRow: number,
  planes: Float32Array,
  offset: number,
): void {
  const pixels = sidePx * sidePx;
  const kept = blankFromRow * sidePx;
  for (let channel = 0; channel < 3; channel++) {
    const start = offset + channel * pixels;
    for (let i = 0; i < kept; i++) planes[start + i] = NUMBER_OF_BYTE[rgb[3 * i + channel]!]!;
    planes.fill(-1, start + kept, start + pixels);
  }
}

/**
 * Writes `count` decoded pictures as packed RGB: v/2 + 0.5, times 255, rounded half to even, clamped.
 * @returns false if a number was NaN or infinite, in which case the pictures are of no use
 */
export function planesToRgb(
  planes: Batch,
  sidePx: number,
  count: number,
  order: PlaneOrder,
  target: Uint8Array,
): boolean {
  const pixels = sidePx * sidePx;
  // A clamped array rounds half to even and clamps by itself.
  const rgb = new Uint8ClampedArray(target.buffer, target.byteOffset, target.length);
  const red = order === 'rgb' ? 0 : 2 * pixels;
  const blue = 2 * pixels - red;
  let poison = 0;
  for (let n = 0; n < count; n++) {
    const start = n * 3 * pixels;
    if (planes instanceof Uint16Array) {
      const table = (byteOfHalf ??= buildTable());
      for (let i = 0, p = start, to = start; i < pixels; i++, p++, to += 3) {
        const r = planes[p + red]!;
        const g = planes[p + pixels]!;
        const b = planes[p + blue]!;
        rgb[to] = table[r]!;
        rgb[to + 1] = table[g]!;
        rgb[to + 2] = table[b]!;
        if ((r & 0x7c00) === 0x7c00 || (g & 0x7c00) === 0x7c00 || (b & 0x7c00) === 0x7c00) poison = NaN;
      }
    } else {
      for (let i = 0, p = start, to = start; i < pixels; i++, p++, to += 3) {
        const r = planes[p + red]!;
        const g = planes[p + pixels]!;
        const b = planes[p + blue]!;
        rgb[to] = Math.fround(Math.fround(r * 0.5 + 0.5) * 255);
        rgb[to + 1] = Math.fround(Math.fround(g * 0.5 + 0.5) * 255);
        rgb[to + 2] = Math.fround(Math.fround(b * 0.5 + 0.5) * 255);
        poison += (r + g + b) * 0;
      }
    }
  }
  return poison === 0;
}

function buildTable(): Uint8ClampedArray {
  const table = new Uint8ClampedArray(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const halved = fromFloat16Bits(toFloat16Bits(fromFloat16Bits(bits) / 2));
    table[bits] = Math.fround(fromFloat16Bits(toFloat16Bits(halved + 0.5)) * 255);
  }
  return table;
}

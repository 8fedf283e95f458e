/**
 * Resizing as Pillow does it on 8-bit pictures, to the bit (its Resample.c): weights of 22 bits, smoothing when it
 * shrinks, across first and then down, with whole levels stored between the two.
 */
export type PillowFilter = 'bilinear' | 'bicubic';

const PRECISION_BITS = 22;
const ONE = 2 ** PRECISION_BITS;
const HALF = 2 ** (PRECISION_BITS - 1);

/**
 * `data`: row-packed, `channels` interleaved values a pixel, only read. Gives a new array of outWidthPx x outHeightPx
 * pixels. An axis whose size stays is left as it is. A picture without pixels becomes black.
 */
export function pillowResize(
  data: Uint8Array,
  channels: number,
  widthPx: number,
  heightPx: number,
  outWidthPx: number,
  outHeightPx: number,
  filter: PillowFilter,
): Uint8Array {
  if (widthPx === 0 || heightPx === 0) return new Uint8Array(outWidthPx * outHeightPx * channels);
  let across = data;
  if (outWidthPx !== widthPx) {
    across = new Uint8Array(outWidthPx * heightPx * channels);
    resample(across, data, heightPx, widthPx, outWidthPx, channels, filter);
  }
  if (outHeightPx === heightPx) return across === data ? data.slice() : across;
  // Down the columns: a whole row is one pixel of very many channels.
  const target = new Uint8Array(outWidthPx * outHeightPx * channels);
  resample(target, across, 1, heightPx, outHeightPx, outWidthPx * channels, filter);
  return target;
}

/** Resamples `lines` lines of `from` pixels with `values` values each to lines of `to` pixels. */
function resample(
  target: Uint8Array,
  source: Uint8Array,
  lines: number,
  from: number,
  to: number,
  values: number,
  filter: PillowFilter,
): void {
  const { first, count, weights, stride } = axis(from, to, filter);
  for (let line = 0; line < lines; line += 1) {
    for (let pixel = 0; pixel < to; pixel += 1) {
      const start = (line * from + first[pixel]!) * values;
      const out = (line * to + pixel) * values;
      const taps = count[pixel]!;
      const weight = pixel * stride;
      for (let value = 0; value < values; value += 1) {
        let sum = HALF;
        let at = start + value;
        for (let tap = 0; tap < taps; tap += 1) {
          sum += source[at]! * weights[weight + tap]!;
          at += values;
        }
        const level = Math.floor(sum / ONE);
        target[out + value] = level < 0 ? 0 : level > 255 ? 255 : level;
      }
    }
  }
}

interface Axis {
  /** The first source pixel of each target pixel, and how many follow. */
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** `stride` weights a target pixel. */
  readonly weights: Int32Array;
  readonly stride: number;
}

function axis(from: number, to: number, filter: PillowFilter): Axis {
  const kernel = filter === 'bilinear' ? triangle : cubic;
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const reach = stretch * (filter === 'bilinear' ? 1 : 2);
  const squeeze = 1 / stretch;
  const stride = Math.ceil(reach) * 2 + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const weights = new Int32Array(to * stride);
  const exact = new Float64Array(stride);
  for (let i = 0; i < to; i += 1) {
    const centre = (i + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - reach + 0.5));
    const taps = Math.min(from, Math.trunc(centre + reach + 0.5)) - low;
    let sum = 0;
    for (let tap = 0; tap < taps; tap += 1) {
      exact[tap] = kernel((tap + low - centre + 0.5) * squeeze);
      sum += exact[tap]!;
    }
    for (let tap = 0; tap < taps; tap += 1) {
      const share = sum === 0 ? exact[tap]! : exact[tap]! / sum;
      weights[i * stride + tap] = Math.trunc(share * ONE + (share < 0 ? -0.5 : 0.5));
    }
    first[i] = low;
    count[i] = taps;
  }
  return { first, count, weights, stride };
}

function triangle(x: number): number {
  return Math.max(0, 1 - Math.abs(x));
}

const CUBIC_A = -0.5;

function cubic(signed: number): number {
  const x = Math.abs(signed);
  if (x < 1) return ((CUBIC_A + 2) * x - (CUBIC_A + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * CUBIC_A;
  return 0;
}

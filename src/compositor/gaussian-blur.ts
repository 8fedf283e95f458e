/** The 8-bit Gaussian blur of OpenCV (sigma 0, border reflect-101), to the bit: kernel and sums in 1/256. */
import type { Box } from '../media/frame.js';
import { roundHalfToEven } from './rounding.js';

/**
 * The blurred copy of a one-channel picture. `size` is odd and at least 1; the kernel is size x size. Rows and columns
 * that no white can reach are left out: most of a face mask is black.
 */
export function gaussianBlur(data: Uint8Array, widthPx: number, heightPx: number, size: number): Uint8Array {
  const target = new Uint8Array(widthPx * heightPx);
  const extent = whiteExtent(data, widthPx, heightPx);
  if (extent === undefined) return target;
  const kernel = gaussianKernel(size);
  const radius = (size - 1) / 2;
  const left = Math.max(0, extent.x1 - radius);
  const right = Math.min(widthPx, extent.x2 + radius);
  const across = new Uint16Array(widthPx * heightPx);
  const padded = new Uint8Array(widthPx + 2 * radius);
  const columnOf = reflected(widthPx, radius);
  for (let y = extent.y1; y < extent.y2; y += 1) {
    const start = y * widthPx;
    for (let x = 0; x < padded.length; x += 1) padded[x] = data[start + columnOf[x]!]!;
    for (let x = left; x < right; x += 1) {
      let sum = padded[x + radius]! * kernel[radius]!;
      for (let tap = 0; tap < radius; tap += 1)
        sum += (padded[x + tap]! + padded[x + size - 1 - tap]!) * kernel[tap]!;
      across[start + x] = sum;
    }
  }
  const sums = new Uint32Array(widthPx);
  const rowOf = reflected(heightPx, radius);
  for (let y = Math.max(0, extent.y1 - radius); y < Math.min(heightPx, extent.y2 + radius); y += 1) {
    sums.fill(2 ** 15);
    for (let tap = 0; tap < size; tap += 1) {
      const row = rowOf[y + tap]!;
      const weight = kernel[tap]!;
      if (row < extent.y1 || row >= extent.y2 || weight === 0) continue;
      for (let x = left; x < right; x += 1) sums[x] = sums[x]! + across[row * widthPx + x]! * weight;
    }
    for (let x = left; x < right; x += 1) target[y * widthPx + x] = sums[x]! >> 16;
  }
  return target;
}

const SMALL_KERNELS: Readonly<Record<number, readonly number[]>> = {
  1: [256],
  3: [64, 128, 64],
  5: [16, 64, 96, 64, 16],
  7: [8, 28, 56, 72, 56, 28, 8],
};

/** The weights along one axis in 1/256; each one's rounding error goes into the next, and the middle gets the rest. */
export function gaussianKernel(size: number): Int32Array {
  const small = SMALL_KERNELS[size];
  if (small !== undefined) return Int32Array.from(small);
  const sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8;
  const middle = (size - 1) / 2;
  const exact = Float64Array.from({ length: size }, (_, i) =>
    Math.exp((-0.5 * (i - middle) ** 2) / sigma ** 2),
  );
  const total = exact.reduce((sum, value) => sum + value, 0);
  const kernel = new Int32Array(size);
  let error = 0;
  let rest = 256;
  for (let i = 0; i < middle; i += 1) {
    const wanted = (256 * exact[i]!) / total + error;
    const weight = roundHalfToEven(wanted);
    error = wanted - weight;
    kernel[i] = weight;
    kernel[size - 1 - i] = weight;
    rest -= 2 * weight;
  }
  kernel[middle] = rest;
  return kernel;
}

/** Source index for each position from `radius` before the first to `radius` after the last: 2 1 | 0 1 2 ... */
function reflected(count: number, radius: number): Int32Array {
  const period = Math.max(1, 2 * count - 2);
  return Int32Array.from({ length: count + 2 * radius }, (_, i) => {
    const folded = (((i - radius) % period) + period) % period;
    return folded < count ? folded : period - folded;
  });
}

/** The box of all pixels that are not black; undefined when there is none. */
function whiteExtent(data: Uint8Array, widthPx: number, heightPx: number): Box | undefined {
  const extent = { x1: widthPx, y1: heightPx, x2: 0, y2: 0 };
  for (let y = 0; y < heightPx; y += 1) {
    const start = y * widthPx;
    let first = 0;
    while (first < widthPx && data[start + first] === 0) first += 1;
    if (first === widthPx) continue;
    let last = widthPx - 1;
    while (data[start + last] === 0) last -= 1;
    extent.x1 = Math.min(extent.x1, first);
    extent.x2 = Math.max(extent.x2, last + 1);
    extent.y1 = Math.min(extent.y1, y);
    extent.y2 = y + 1;
  }
  return extent.y2 === 0 ? undefined : extent;
}

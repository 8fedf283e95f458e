/**
 * Resizing of packed RGB pictures as OpenCV does it on 8-bit pictures, to the bit: INTER_LANCZOS4 and INTER_LINEAR of
 * `resize` in imgproc, fixed-point coefficients of 11 bits. Neither smooths when it shrinks. The order of the three
 * channels does not matter.
 */
import type { Box, RgbImage } from '../media/frame.js';
import { roundHalfToEven } from './rounding.js';

const COEFFICIENT_ONE = 2048;
const LANCZOS_TAPS = 8;
const LANCZOS_BEFORE = 3;
const FLOAT_EPSILON = 1.1920929e-7;

/** A new picture of the given size, both sides at least 1 px; an unchanged size gives a copy. */
export function resizeLinear(
  source: RgbImage,
  widthPx: number,
  heightPx: number,
  target: Uint8Array = new Uint8Array(widthPx * heightPx * 3),
): RgbImage {
  new LinearResizer().resize(source, widthPx, heightPx, target);
  return { widthPx, heightPx, data: target };
}

/** Linear resizing again and again: tables and rows are kept, so nothing is allocated while the sizes stay. */
export class LinearResizer {
  #columns = new LinearAxis();
  #rows = new LinearAxis();
  /** The two source rows in work, resized horizontally, in 1/128 levels; and which rows they are. */
  #upper = new Uint16Array(0);
  #lower = new Uint16Array(0);
  #upperRow = -1;
  #lowerRow = -1;

  /**
   * Writes `source`, resized to `widthPx` x `heightPx`, into `target` (rows of widthPx * 3 bytes). Only the part in
   * `window` (in pixels of the resized picture and inside it) is computed and written; without it all of it is.
   */
  resize(source: RgbImage, widthPx: number, heightPx: number, target: Uint8Array, window?: Box): void {
    const left = window === undefined ? 0 : window.x1;
    const right = window === undefined ? widthPx : window.x2;
    const top = window === undefined ? 0 : window.y1;
    const bottom = window === undefined ? heightPx : window.y2;
    if (left >= right || top >= bottom) return;
    if (source.widthPx === widthPx && source.heightPx === heightPx) {
      copyWindow(source.data, target, widthPx * 3, left * 3, right * 3, top, bottom);
      return;
    }
    this.#columns.lay(source.widthPx, widthPx, true);
    this.#rows.lay(source.heightPx, heightPx, false);
    if (this.#upper.length < widthPx * 3) {
      this.#upper = new Uint16Array(widthPx * 3);
      this.#lower = new Uint16Array(widthPx * 3);
    }
    this.#upperRow = -1;
    this.#lowerRow = -1;
    const { first, second, firstWeight, secondWeight } = this.#rows;
    for (let y = top; y < bottom; y += 1) {
      this.#fetch(source, first[y]!, second[y]!, left, right);
      const lower = first[y]! === second[y]! ? this.#upper : this.#lower;
      mixRows(
        target,
        (y * widthPx + left) * 3,
        this.#upper,
        lower,
        left * 3,
        right * 3,
        firstWeight[y]!,
        secondWeight[y]!,
      );
    }
  }

  /** Sees to it that `#upper` holds source row `upperRow` and, where it is another one, `#lower` row `lowerRow`. */
  #fetch(source: RgbImage, upperRow: number, lowerRow: number, left: number, right: number): void {
    if (this.#upperRow !== upperRow) {
      if (this.#lowerRow === upperRow) {
        [this.#upper, this.#lower] = [this.#lower, this.#upper];
        [this.#upperRow, this.#lowerRow] = [this.#lowerRow, this.#upperRow];
      } else {
        mixColumns(source.data, upperRow * source.widthPx * 3, this.#columns, this.#upper, left, right);
        this.#upperRow = upperRow;
      }
    }
    if (lowerRow !== upperRow && this.#lowerRow !== lowerRow) {
      mixColumns(source.data, lowerRow * source.widthPx * 3, this.#columns, this.#lower, left, right);
      this.#lowerRow = lowerRow;
    }
  }
}

/** One source row, from byte `start` on, resized horizontally into `target`. */
function mixColumns(
  data: Uint8Array,
  start: number,
  columns: LinearAxis,
  target: Uint16Array,
  left: number,
  right: number,
): void {
  const { first, second, firstWeight, secondWeight } = columns;
  let out = left * 3;
  for (let x = left; x < right; x += 1) {
    const a = start + first[x]! * 3;
    const b = start + second[x]! * 3;
    const weightA = firstWeight[x]!;
    const weightB = secondWeight[x]!;
    target[out] = (data[a]! * weightA + data[b]! * weightB) >> 4;
    target[out + 1] = (data[a + 1]! * weightA + data[b + 1]! * weightB) >> 4;
    target[out + 2] = (data[a + 2]! * weightA + data[b + 2]! * weightB) >> 4;
    out += 3;
  }
}

/** Values from..end of two horizontally resized rows, mixed into `target` from byte `out` on. */
function mixRows(
  target: Uint8Array,
  out: number,
  upper: Uint16Array,
  lower: Uint16Array,
  from: number,
  end: number,
  upperWeight: number,
  lowerWeight: number,
): void {
  let at = out;
  for (let x = from; x < end; x += 3) {
    target[at] = mixed(upper[x]!, upperWeight, lower[x]!, lowerWeight);
    target[at + 1] = mixed(upper[x + 1]!, upperWeight, lower[x + 1]!, lowerWeight);
    target[at + 2] = mixed(upper[x + 2]!, upperWeight, lower[x + 2]!, lowerWeight);
    at += 3;
  }
}

/**
 * Both products are cut off on their own: that is how the reference's vector code rounds. The weights make one at
 * most, so the sum needs no clipping.
 */
function mixed(upper: number, upperWeight: number, lower: number, lowerWeight: number): number {
  return ((Math.imul(upperWeight, upper) >> 16) + (Math.imul(lowerWeight, lower) >> 16) + 2) >> 2;
}

/** For each target index of one axis the two source indices and their weights (2048 = 1). */
class LinearAxis {
  first = new Int32Array(0);
  second = new Int32Array(0);
  firstWeight = new Int32Array(0);
  secondWeight = new Int32Array(0);
  #from = 0;
  #to = 0;

  /** `snap`: outside the outermost pixel middles the edge pixel alone counts (the reference does so across only). */
  lay(from: number, to: number, snap: boolean): void {
    if (this.#from === from && this.#to === to) return;
    this.#from = from;
    this.#to = to;
    if (this.first.length < to) {
      this.first = new Int32Array(to);
      this.second = new Int32Array(to);
      this.firstWeight = new Int32Array(to);
      this.secondWeight = new Int32Array(to);
    }
    const step = 1 / (to / from);
    for (let i = 0; i < to; i += 1) {
      const position = Math.fround((i + 0.5) * step - 0.5);
      let index = Math.floor(position);
      let part = Math.fround(position - index);
      if (snap && index < 0) {
        index = 0;
        part = 0;
      } else if (snap && index >= from - 1) {
        index = from - 1;
        part = 0;
      }
      this.first[i] = clampIndex(index, from);
      this.second[i] = clampIndex(index + 1, from);
      this.firstWeight[i] = roundHalfToEven(Math.fround(1 - part) * COEFFICIENT_ONE);
      this.secondWeight[i] = roundHalfToEven(part * COEFFICIENT_ONE);
    }
  }
}

/** A new picture of the given size, both sides at least 1 px; an unchanged size gives a copy. */
export function resizeLanczos4(source: RgbImage, widthPx: number, heightPx: number): RgbImage {
  const data = new Uint8Array(widthPx * heightPx * 3);
  if (source.widthPx === widthPx && source.heightPx === heightPx) {
    data.set(source.data.subarray(0, data.length));
    return { widthPx, heightPx, data };
  }
  const columns = lanczosAxis(source.widthPx, widthPx);
  const rows = lanczosAxis(source.heightPx, heightPx);
  const rowValues = widthPx * 3;
  const across = new Int32Array(source.heightPx * rowValues);
  for (let y = 0; y < source.heightPx; y += 1) {
    const start = y * source.widthPx * 3;
    for (let x = 0; x < widthPx; x += 1) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let tap = x * LANCZOS_TAPS; tap < (x + 1) * LANCZOS_TAPS; tap += 1) {
        const at = start + columns.index[tap]! * 3;
        const weight = columns.weight[tap]!;
        red += source.data[at]! * weight;
        green += source.data[at + 1]! * weight;
        blue += source.data[at + 2]! * weight;
      }
      across.set([red, green, blue], y * rowValues + x * 3);
    }
  }
  for (let y = 0; y < heightPx; y += 1) {
    for (let x = 0; x < rowValues; x += 1) {
      // Not in 32-bit integers: the sum of large parts may pass their range.
      let sum = 2 ** 21;
      for (let tap = y * LANCZOS_TAPS; tap < (y + 1) * LANCZOS_TAPS; tap += 1)
        sum += across[rows.index[tap]! * rowValues + x]! * rows.weight[tap]!;
      data[y * rowValues + x] = Math.min(255, Math.max(0, Math.floor(sum / 2 ** 22)));
    }
  }
  return { widthPx, heightPx, data };
}

/** For each target index eight source indices (edge repeated) and their weights (2048 = 1). */
function lanczosAxis(from: number, to: number): { index: Int32Array; weight: Int32Array } {
  const index = new Int32Array(to * LANCZOS_TAPS);
  const weight = new Int32Array(to * LANCZOS_TAPS);
  const step = 1 / (to / from);
  for (let i = 0; i < to; i += 1) {
    const position = Math.fround((i + 0.5) * step - 0.5);
    const whole = Math.floor(position);
    const weights = lanczosWeights(Math.fround(position - whole));
    for (let tap = 0; tap < LANCZOS_TAPS; tap += 1) {
      index[i * LANCZOS_TAPS + tap] = clampIndex(whole - LANCZOS_BEFORE + tap, from);
      weight[i * LANCZOS_TAPS + tap] = roundHalfToEven(weights[tap]! * COEFFICIENT_ONE);
    }
  }
  return { index, weight };
}

const R = Math.SQRT1_2;
/** sin(y0 + tap * pi/4) by the angle sum: what the sine and the cosine of y0 are multiplied by. */
const SINE_SHARE = [1, -R, 0, R, -1, R, 0, -R];
const COSINE_SHARE = [0, -R, 1, -R, 0, R, -1, R];

/** The eight weights at `part` (0..1) of the way between two pixels, in the reference's mix of float and double. */
function lanczosWeights(part: number): Float32Array {
  const weights = new Float32Array(LANCZOS_TAPS);
  if (part < FLOAT_EPSILON) {
    weights[LANCZOS_BEFORE] = 1;
    return weights;
  }
  const start = -Math.fround(part + 3) * Math.PI * 0.25;
  const sine = Math.sin(start);
  const cosine = Math.cos(start);
  let sum = 0;
  for (let tap = 0; tap < LANCZOS_TAPS; tap += 1) {
    const away = Math.fround(Math.fround(part + 3) - tap);
    const angle = -away * Math.PI * 0.25;
    // So near to a pixel that its sine quotient breaks down: this pixel alone.
    weights[tap] =
      Math.abs(away) < 1e-6
        ? 1e30
        : (SINE_SHARE[tap]! * sine + COSINE_SHARE[tap]! * cosine) / (angle * angle);
    sum = Math.fround(sum + weights[tap]!);
  }
  const reciprocal = Math.fround(1 / sum);
  for (let tap = 0; tap < LANCZOS_TAPS; tap += 1) weights[tap] = weights[tap]! * reciprocal;
  return weights;
}

function clampIndex(index: number, count: number): number {
  return index < 0 ? 0 : index >= count ? count - 1 : index;
}

function copyWindow(
  from: Uint8Array,
  to: Uint8Array,
  rowBytes: number,
  left: number,
  right: number,
  top: number,
  bottom: number,
): void {
  for (let y = top; y < bottom; y += 1) {
    for (let at = y * rowBytes + left; at < y * rowBytes + right; at += 1) to[at] = from[at]!;
  }
}

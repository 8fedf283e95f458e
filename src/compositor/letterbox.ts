import { i420SizeBytes, type I420Frame } from '../media/frame.js';
import type { Rect } from '../media/yuv.js';

interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Bars thinner than this share of the side are not worth it: so much of the picture is cut off instead. */
const LEAST_BARS = 1 / 16;
/** Position between two samples, in parts. */
const ONE = 256;

/**
 * Fits I420 pictures of one size into another size, as large as they go, in the middle, between black bars. Linear
 * between samples; what shrinks to less than half is halved by means before. One instance a stream: the picture it gives
 * is its own, and valid until the next.
 */
export class Letterbox {
  readonly #picture: I420Frame;
  readonly #halvings: readonly Halving[];
  readonly #planes: readonly PlaneFit[];

  constructor(from: Size, to: Size) {
    const { source, target } = placesOf(from, to);
    const { widthPx, heightPx } = to;
    this.#picture = { widthPx, heightPx, data: new Uint8Array(i420SizeBytes(to.widthPx, to.heightPx)) };
    this.#picture.data.fill(16, 0, to.widthPx * to.heightPx).fill(128, to.widthPx * to.heightPx);
    const halvings: Halving[] = [];
    let size = from;
    let scale = 1;
    // Sides that are divisible by four stay even; others are left to the linear step.
    while (
      source.widthPx / scale >= 2 * target.widthPx &&
      source.heightPx / scale >= 2 * target.heightPx &&
      size.widthPx % 4 === 0 &&
      size.heightPx % 4 === 0
    ) {
      halvings.push(new Halving(size));
      size = { widthPx: size.widthPx / 2, heightPx: size.heightPx / 2 };
      scale *= 2;
    }
    this.#halvings = halvings;
    this.#planes = [0, 1, 2].map((plane) => new PlaneFit(plane, size, scaled(source, scale), to, target));
  }

  /** Only reads `picture`, which has the size given at creation. */
  fit(picture: Uint8Array): I420Frame {
    let data = picture;
    for (const halving of this.#halvings) data = halving.halve(data);
    for (const plane of this.#planes) plane.fit(data, this.#picture.data);
    return this.#picture;
  }
}

/** Which part of the picture goes where; whole even pixels. */
function placesOf(from: Size, to: Size): { source: Rect; target: Rect } {
  // Not spread: an avatar's sizes are getters.
  const whole = ({ widthPx, heightPx }: Size): Rect => ({ x: 0, y: 0, widthPx, heightPx });
  const contain = Math.min(to.widthPx / from.widthPx, to.heightPx / from.heightPx);
  const [widthPx, heightPx] = [even(from.widthPx * contain), even(from.heightPx * contain)];
  const bars = Math.max(1 - widthPx / to.widthPx, 1 - heightPx / to.heightPx);
  if (bars > LEAST_BARS) {
    const place = {
      x: even((to.widthPx - widthPx) / 2),
      y: even((to.heightPx - heightPx) / 2),
      widthPx,
      heightPx,
    };
    return { source: whole(from), target: place };
  }
  const cover = Math.max(to.widthPx / from.widthPx, to.heightPx / from.heightPx);
  const part = {
    widthPx: Math.min(from.widthPx, even(to.widthPx / cover)),
    heightPx: Math.min(from.heightPx, even(to.heightPx / cover)),
  };
  const x = even((from.widthPx - part.widthPx) / 2);
  return { source: { x, y: even((from.heightPx - part.heightPx) / 2), ...part }, target: whole(to) };
}

function even(px: number): number {
  return 2 * Math.round(px / 2);
}

function scaled({ x, y, widthPx, heightPx }: Rect, by: number): Rect {
  return { x: x / by, y: y / by, widthPx: widthPx / by, heightPx: heightPx / by };
}

/** Makes each side half as long. */
class Halving {
  readonly #size: Size;
  readonly #half: Uint8Array;

  constructor(size: Size) {
    this.#size = size;
    this.#half = new Uint8Array(i420SizeBytes(size.widthPx / 2, size.heightPx / 2));
  }

  halve(data: Uint8Array): Uint8Array {
    const half = this.#half;
    let [from, out] = [0, 0];
    for (const plane of [0, 1, 1]) {
      const [width, height] = [this.#size.widthPx >> plane, this.#size.heightPx >> plane];
      for (let y = 0; y < height; y += 2) {
        let at = from + y * width;
        for (let x = 0; x < width; x += 2, at += 2, out += 1)
          half[out] = (data[at]! + data[at + 1]! + data[at + width]! + data[at + width + 1]! + 2) >> 2;
      }
      from += width * height;
    }
    return half;
  }
}

/** One plane's way from a part of the source to a part of the target. */
class PlaneFit {
  readonly #from: { readonly offset: number; readonly width: number; readonly height: number };
  readonly #to: { readonly offset: number; readonly width: number };
  readonly #place: {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
  };
  readonly #across: Axis;
  readonly #down: Axis;
  readonly #row: Uint8Array;

  constructor(plane: number, from: Size, source: Rect, to: Size, target: Rect) {
    const shift = plane === 0 ? 0 : 1;
    const offset = ({ widthPx, heightPx }: Size): number =>
      plane === 0 ? 0 : widthPx * heightPx * (plane === 1 ? 1 : 1.25);
    this.#from = { offset: offset(from), width: from.widthPx >> shift, height: from.heightPx >> shift };
    this.#to = { offset: offset(to), width: to.widthPx >> shift };
    this.#place = {
      ...{ x: target.x >> shift, y: target.y >> shift },
      ...{ width: target.widthPx >> shift, height: target.heightPx >> shift },
    };
    const by = 1 << shift;
    this.#across = axis(source.x / by, source.widthPx / by, this.#place.width, this.#from.width);
    this.#down = axis(source.y / by, source.heightPx / by, this.#place.height, this.#from.height);
    this.#row = new Uint8Array(this.#from.width);
  }

  fit(data: Uint8Array, target: Uint8Array): void {
    const { offset, width } = this.#from;
    const row = this.#row;
    const { at: xs, part: xParts } = this.#across;
    const { at: ys, part: yParts } = this.#down;
    for (let y = 0; y < this.#place.height; y += 1) {
      const upper = offset + ys[y]! * width;
      const part = yParts[y]!;
      // A part above 0 has a row below.
      const lower = part === 0 ? upper : upper + width;
      for (let x = 0; x < width; x += 1) {
        const value = data[upper + x]!;
        row[x] = value + (((data[lower + x]! - value) * part + ONE / 2) >> 8);
      }
      const out = this.#to.offset + (this.#place.y + y) * this.#to.width + this.#place.x;
      for (let x = 0; x < this.#place.width; x += 1) {
        const left = xs[x]!;
        const value = row[left]!;
        const xPart = xParts[x]!;
        target[out + x] = xPart === 0 ? value : value + (((row[left + 1]! - value) * xPart + ONE / 2) >> 8);
      }
    }
  }
}

interface Axis {
  /** The sample before each target sample, and how far behind it that lies, in 1/256. */
  readonly at: Int32Array;
  readonly part: Int32Array;
}

function axis(start: number, length: number, count: number, limit: number): Axis {
  const at = new Int32Array(count);
  const part = new Int32Array(count);
  for (let i = 0; i < count; i += 1) {
    const place = Math.min(limit - 1, Math.max(0, start + ((i + 0.5) * length) / count - 0.5));
    at[i] = Math.floor(place);
    part[i] = at[i]! >= limit - 1 ? 0 : Math.round((place - at[i]!) * ONE);
  }
  return { at, part };
}

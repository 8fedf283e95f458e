import type { Rect } from '../media/yuv.js';

/** What tells two sides of a picture apart, a head and what is behind it: ways through it that avoid jumps in colour. */

/** A way through the picture costs 1 a pixel and, for a jump in colour, its square over this. */
const JUMP_SQUARE = 12;
const DEAREST_STEP = 255;
/** What a bit of evidence from the colour costs, a pixel. */
const STRANGE = 3;

/** The head's surroundings, made smaller. */
export interface Small {
  /** Left upper corner in the photo, even. */
  x: number;
  y: number;
  scale: number;
  width: number;
  height: number;
  /** Y, U, V a pixel, smoothed over three by three. */
  yuv: Float32Array;
}

export function shrink(
  picture: Uint8Array,
  widthPx: number,
  heightPx: number,
  area: Readonly<Rect>,
  scale: number,
): Small {
  const width = Math.floor(area.widthPx / scale);
  const height = Math.floor(area.heightPx / scale);
  const raw = new Float32Array(width * height * 3);
  const chromaWidth = widthPx >> 1;
  const uPlane = widthPx * heightPx;
  const vPlane = uPlane + (uPlane >> 2);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const px = area.x + x * scale;
      const py = area.y + y * scale;
      let sum = 0;
      for (let j = 0; j < scale; j += 1)
        for (let i = 0; i < scale; i += 1) sum += picture[(py + j) * widthPx + px + i]!;
      const chroma = (py >> 1) * chromaWidth + (px >> 1);
      const at = (y * width + x) * 3;
      raw[at] = sum / (scale * scale);
      raw[at + 1] = picture[uPlane + chroma]!;
      raw[at + 2] = picture[vPlane + chroma]!;
    }
  }
  const yuv = raw.slice();
  const row = width * 3;
  for (let y = 1; y < height - 1; y += 1) {
    for (let at = y * row + 3; at < (y + 1) * row - 3; at += 1) {
      let sum = 0;
      for (let j = at - row; j <= at + row; j += row) sum += raw[j - 3]! + raw[j]! + raw[j + 3]!;
      yuv[at] = sum / 9;
    }
  }
  return { x: area.x, y: area.y, scale, width, height, yuv };
}

export const HEAD = 1;
export const BEHIND = 2;

/**
 * HEAD or BEHIND for every pixel: from the places that `seedAt` knows (0: unknown; asked with luma pixels of the photo) ways
 * are laid that avoid jumps in colour, and a place belongs to the side from which it is reached at less cost.
 */
export function sides(small: Small, seedAt: (x: number, y: number) => number, colours: Colours): Uint8Array {
  const { width, height, scale, yuv } = small;
  const side = new Uint8Array(width * height);
  const settled = new Uint8Array(width * height);
  // Costs are small whole numbers, so that places wait in a ring of lists, one for each cost still possible.
  const ring: number[][] = Array.from({ length: DEAREST_STEP + 2 }, () => []);
  const cost = new Int32Array(width * height).fill(2_147_483_647);
  let waiting = 0;
  const reach = (at: number, from: number, price: number): void => {
    if (price >= cost[at]!) return;
    cost[at] = price;
    side[at] = from;
    ring[price % ring.length]!.push(at);
    waiting += 1;
  };
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const seed = seedAt(small.x + (x + 0.5) * scale, small.y + (y + 0.5) * scale);
      if (seed !== 0) reach(y * width + x, seed, 0);
    }
  }
  for (let price = 0; waiting > 0; price += 1) {
    const list = ring[price % ring.length]!;
    for (let at = list.pop(); at !== undefined; at = list.pop()) {
      waiting -= 1;
      if (settled[at] === 1) continue;
      settled[at] = 1;
      const own = side[at]!;
      const x = at % width;
      if (x > 0) reach(at - 1, own, price + dearness(yuv, colours, at, at - 1, own));
      if (x < width - 1) reach(at + 1, own, price + dearness(yuv, colours, at, at + 1, own));
      if (at >= width) reach(at - width, own, price + dearness(yuv, colours, at, at - width, own));
      if (at < width * (height - 1))
        reach(at + width, own, price + dearness(yuv, colours, at, at + width, own));
    }
  }
  return side;
}

/** What a step to a neighbour costs the side `own`. */
function dearness(yuv: Float32Array, colours: Colours, from: number, to: number, own: number): number {
  return Math.min(DEAREST_STEP, 1 + jump(yuv, from, to) + colours.strange(to, own));
}

function jump(yuv: Float32Array, from: number, to: number): number {
  const by =
    Math.abs(yuv[from * 3]! - yuv[to * 3]!) +
    1.5 * Math.abs(yuv[from * 3 + 1]! - yuv[to * 3 + 1]!) +
    1.5 * Math.abs(yuv[from * 3 + 2]! - yuv[to * 3 + 2]!);
  return Math.floor((by * by) / JUMP_SQUARE);
}

/** How often each colour is seen in the head and behind it. */
export class Colours {
  #bins: Uint16Array;
  /** Bits for and against: positive where a bin's colour is rather the head's. */
  #evidence = new Float32Array(16 * 32 * 32);

  constructor(yuv: Float32Array) {
    this.#bins = Uint16Array.from(
      { length: yuv.length / 3 },
      (_, i) => ((yuv[i * 3]! >> 4) << 10) | ((yuv[i * 3 + 1]! >> 3) << 5) | (yuv[i * 3 + 2]! >> 3),
    );
  }

  learn(side: Uint8Array): void {
    const seen = [new Float32Array(this.#evidence.length), new Float32Array(this.#evidence.length)] as const;
    const total = [0, 0] as [number, number];
    side.forEach((which, at) => {
      const i = which === HEAD ? 0 : 1;
      seen[i][this.#bins[at]!]! += 1;
      total[i] += 1;
    });
    this.#evidence.forEach((_, bin) => {
      // A thousandth on both sides: a colour that was hardly seen proves nothing.
      const head = seen[0][bin]! / total[0] + 0.001;
      const behind = seen[1][bin]! / total[1] + 0.001;
      this.#evidence[bin] = Math.log2(head / behind);
    });
  }

  /** What it costs to go on at `at` as a place of `side`. */
  strange(at: number, side: number): number {
    const evidence = this.#evidence[this.#bins[at]!]!;
    return Math.floor(STRANGE * Math.max(0, side === HEAD ? -evidence : evidence));
  }
}

/** 1 where the head is, without thin outgrowths and narrow bays. */
export function smooth(side: Uint8Array, small: Small, thin: number): Uint8Array {
  const { width, height } = small;
  const grown = (mask: Uint8Array, by: number): Uint8Array => widen(mask, width, height, by);
  const not = (mask: Uint8Array): Uint8Array => mask.map((value) => 1 - value);
  const head = side.map((value) => (value === HEAD ? 1 : 0));
  const opened = grown(not(grown(not(head), thin)), thin);
  return not(grown(not(grown(opened, thin)), thin));
}

/** Every set pixel sets the square of so many pixels around it. */
function widen(mask: Uint8Array, width: number, height: number, by: number): Uint8Array {
  const once = new Uint8Array(mask.length);
  const twice = new Uint8Array(mask.length);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (mask[y * width + x] === 0) continue;
      once.fill(1, y * width + Math.max(0, x - by), y * width + Math.min(width, x + by + 1));
    }
  }
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (once[y * width + x] === 0) continue;
      for (let j = Math.max(0, y - by); j <= Math.min(height - 1, y + by); j += 1) twice[j * width + x] = 1;
    }
  }
  return twice;
}

/** The small mask as alpha planes of the photo's size, with a soft edge. */
export function spread(head: Uint8Array, small: Small, widthPx: number, heightPx: number): Uint8Array {
  const { width, height, scale } = small;
  const soft = new Float32Array(width * height);
  for (let y = 1; y < height - 1; y += 1) {
    for (let at = y * width + 1; at < (y + 1) * width - 1; at += 1) {
      let sum = 0;
      for (let j = at - width; j <= at + width; j += width) sum += head[j - 1]! + head[j]! + head[j + 1]!;
      soft[at] = (sum * 255) / 9;
    }
  }
  const alpha = new Uint8Array(widthPx * heightPx * 1.5);
  let offset = 0;
  for (const halvings of [0, 1, 1]) {
    const planeWidth = widthPx >> halvings;
    const pixel = scale / (1 << halvings);
    for (let y = 0; y < Math.floor((height - 1) * pixel); y += 1) {
      const sy = Math.max(0, (y + 0.5) / pixel - 0.5);
      const row = Math.floor(sy) * width;
      const fy = sy - Math.floor(sy);
      const out = offset + ((small.y >> halvings) + y) * planeWidth + (small.x >> halvings);
      for (let x = 0; x < Math.floor((width - 1) * pixel); x += 1) {
        const sx = Math.max(0, (x + 0.5) / pixel - 0.5);
        const at = row + Math.floor(sx);
        const fx = sx - Math.floor(sx);
        const upper = soft[at]! + (soft[at + 1]! - soft[at]!) * fx;
        const lower = soft[at + width]! + (soft[at + width + 1]! - soft[at + width]!) * fx;
        alpha[out + x] = Math.round(upper + (lower - upper) * fy);
      }
    }
    offset += planeWidth * (heightPx >> halvings);
  }
  return alpha;
}

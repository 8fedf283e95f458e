import { interOcularPx } from '../media/face-topology.js';
import { Plane } from './plane.js';
import { smoothstep } from './smooth.js';

/** The lid edges of both eyes from corner to corner, left to right in the picture, and the brow's edge above. */
const EYES = [
  {
    upper: [33, 246, 161, 160, 159, 158, 157, 173, 133],
    lower: [33, 7, 163, 144, 145, 153, 154, 155, 133],
    brow: [46, 53, 52, 65, 55],
  },
  {
    upper: [362, 398, 384, 385, 386, 387, 388, 466, 263],
    lower: [362, 382, 381, 380, 374, 373, 390, 249, 263],
    brow: [285, 295, 282, 283, 276],
  },
] as const;

/** How far lashes and the eye's rim may reach beyond the mesh's lid edges, in inter-ocular distances. */
const LASHES_IOD = { least: 0.018, most: 0.085 };
const RIM_IOD = { least: 0.012, most: 0.05 };
/** Skin is what differs from the skin further out by less than this share of its brightness. */
const AS_SKIN = 0.1;
/** Over so much of the skin the lid's upper end and the eye's lower rim fade in. */
const SOFT_IOD = 0.022;
/** Half the thickness of the line of lashes on a shut eye. */
const LINE_IOD = 0.011;
/** A shut lid is a little brighter in its middle, where it bulges, and darker towards the lashes. */
const BULGE = 0.05;
const SHADE = 0.12;
/** Skin texture is borrowed from the cheek, so far below the eye. */
const CHEEK_IOD = 0.24;

/**
 * Shuts the eyes of a photo: a lid of the skin's own colours and texture comes down over the eye, lashes at its edge.
 * The skin is looked at once; `draw` may be called for any picture that shows the photo's eyes where they were.
 */
export class Eyelids {
  #widthPx: number;
  #heightPx: number;
  #eyes: Eye[];

  /** @param options.photo I420 */
  constructor(options: { photo: Uint8Array; widthPx: number; heightPx: number; landmarks: Float32Array }) {
    this.#widthPx = options.widthPx;
    this.#heightPx = options.heightPx;
    this.#eyes = EYES.map((points) => new Eye(points, options));
  }

  /** Shuts the eyes by `amount` (0 as in the photo, 1 shut) in place. */
  draw(picture: Uint8Array, amount: number): void {
    if (amount <= 0) return;
    for (const eye of this.#eyes) eye.draw(picture, this.#widthPx, this.#heightPx, Math.min(1, amount));
  }
}

/** One eye in its own coordinates: `u` from the left corner to the right one, `v` across, downwards. */
class Eye {
  #originX: number;
  #originY: number;
  #acrossX: number;
  #acrossY: number;
  #length: number;
  #iodPx: number;
  /** By column (one a pixel of `u`): the lid edges, and where clean skin begins above and below them. */
  #upper: Float32Array;
  #lower: Float32Array;
  #top: Float32Array;
  #bottom: Float32Array;
  /** Y, U, V of the clean skin above and below, by column. */
  #skinAbove: Float32Array[];
  #skinBelow: Float32Array[];
  /** How dark the lashes are against the skin, 0..1. */
  #lashes: number;
  #grain: Float32Array;

  constructor(
    points: (typeof EYES)[number],
    options: { photo: Uint8Array; widthPx: number; heightPx: number; landmarks: Float32Array },
  ) {
    const { photo, widthPx, heightPx, landmarks } = options;
    const at = (point: number): [number, number] => [landmarks[point * 3]!, landmarks[point * 3 + 1]!];
    const [left, right] = [at(points.upper[0]), at(points.upper[8])];
    this.#iodPx = interOcularPx(landmarks);
    this.#originX = left[0];
    this.#originY = left[1];
    this.#length = Math.max(2, Math.hypot(right[0] - left[0], right[1] - left[1]));
    this.#acrossX = (right[0] - left[0]) / this.#length;
    this.#acrossY = (right[1] - left[1]) / this.#length;
    const columns = Math.ceil(this.#length) + 1;
    const curve = (list: readonly number[]): Float32Array =>
      smoothed(
        along(
          list.map((point) => this.#toEye(...at(point))),
          columns,
        ),
        this.#length / 24,
      );
    this.#upper = curve(points.upper);
    this.#lower = curve(points.lower).map((v, k) => Math.max(v, this.#upper[k]!));
    const brow = curve(points.brow);

    const luma = new Plane(photo, 0, widthPx, heightPx);
    const plane = widthPx * heightPx;
    const chroma = [plane, plane + (plane >> 2)].map(
      (offset) => new Plane(photo, offset, widthPx >> 1, heightPx >> 1),
    );
    const sample = (which: number, u: number, v: number): number => {
      const x = this.#originX + u * this.#acrossX - v * this.#acrossY;
      const y = this.#originY + u * this.#acrossY + v * this.#acrossX;
      return which === 0 ? luma.at(x, y) : chroma[which - 1]!.at(x / 2, y / 2);
    };
    const iod = this.#iodPx;
    const edge = (
      from: Float32Array,
      direction: number,
      reach: { least: number; most: number },
      room: (k: number) => number,
    ): Float32Array => {
      const found = from.map((v, k) => {
        // Towards the corners the lids meet, and so do lashes and rim.
        const t = k / (columns - 1);
        const most = Math.min(reach.most * iod, 0.6 * room(k)) * (0.55 + 0.45 * Math.sin(Math.PI * t));
        const skin = sample(0, k, v + direction * (most + 0.02 * iod)) - 16;
        let far = Math.min(most, reach.least * iod);
        while (far < most && Math.abs(sample(0, k, v + direction * far) - 16 - skin) > AS_SKIN * skin)
          far += 0.5;
        return far;
      });
      // The farthest of the neighbours: a gap between two lashes is no skin.
      const wide = widest(found, Math.max(1, Math.round(0.02 * iod)));
      return smoothed(wide, 0.02 * iod).map((far, k) => from[k]! + direction * far);
    };
    this.#top = edge(this.#upper, -1, LASHES_IOD, (k) => this.#upper[k]! - brow[k]!);
    this.#bottom = edge(this.#lower, 1, RIM_IOD, () => iod);
    const strip = 0.025 * iod;
    const skin = (from: Float32Array, direction: number): Float32Array[] =>
      [0, 1, 2].map((which) =>
        smoothed(
          from.map((v, k) => {
            let sum = 0;
            for (let i = 0; i < 4; i += 1) sum += sample(which, k, v + (direction * strip * (i + 0.5)) / 4);
            return sum / 4;
          }),
          this.#length / 10,
        ),
      );
    this.#skinAbove = skin(this.#top, -1);
    this.#skinBelow = skin(this.#bottom, 1);
    this.#lashes = this.#measureLashes(sample);
    this.#grain = this.#takeGrain(sample);
  }

  #toEye(x: number, y: number): [number, number] {
    const dx = x - this.#originX;
    const dy = y - this.#originY;
    return [dx * this.#acrossX + dy * this.#acrossY, dy * this.#acrossX - dx * this.#acrossY];
  }

  #measureLashes(sample: (which: number, u: number, v: number) => number): number {
    let sum = 0;
    let count = 0;
    for (let k = Math.floor(0.2 * this.#length); k < 0.8 * this.#length; k += 1) {
      let darkest = 255;
      for (let v = this.#top[k]!; v <= this.#upper[k]! + 0.01 * this.#iodPx; v += 0.5)
        darkest = Math.min(darkest, sample(0, k, v));
      sum += Math.max(0, 1 - (darkest - 16) / Math.max(8, this.#skinAbove[0]![k]! - 16));
      count += 1;
    }
    return Math.min(0.75, Math.max(0.25, sum / Math.max(1, count)));
  }

  /** The fine texture of the cheek below the eye, as differences of luma; as many columns as the eye. */
  #takeGrain(sample: (which: number, u: number, v: number) => number): Float32Array {
    const columns = this.#upper.length;
    const rows = Math.ceil(0.3 * this.#iodPx);
    const grain = new Float32Array(columns * rows);
    for (let row = 0; row < rows; row += 1) {
      for (let k = 0; k < columns; k += 1) {
        const v = this.#bottom[Math.floor(columns / 2)]! + CHEEK_IOD * this.#iodPx + row;
        const around =
          (sample(0, k - 2, v) + sample(0, k + 2, v) + sample(0, k, v - 2) + sample(0, k, v + 2)) / 4;
        grain[row * columns + k] = Math.max(-5, Math.min(5, sample(0, k, v) - around));
      }
    }
    return grain;
  }

  draw(picture: Uint8Array, widthPx: number, heightPx: number, amount: number): void {
    const columns = this.#upper.length;
    const middle = columns >> 1;
    const margin = 0.1 * this.#iodPx;
    const centreX = this.#originX + (this.#acrossX * this.#length) / 2;
    const centreY = this.#originY + (this.#acrossY * this.#length) / 2;
    const reachX = this.#length / 2 + 2;
    const reachY =
      Math.max(this.#bottom[middle]!, -this.#top[middle]!) + this.#length * Math.abs(this.#acrossY) + margin;
    const plane = widthPx * heightPx;
    let offset = 0;
    for (const halvings of [0, 1, 1]) {
      const width = widthPx >> halvings;
      const height = heightPx >> halvings;
      const size = 1 << halvings;
      const which = offset === 0 ? 0 : offset === plane ? 1 : 2;
      const lastY = Math.min(height - 1, Math.ceil((centreY + reachY) / size));
      const lastX = Math.min(width - 1, Math.ceil((centreX + reachX) / size));
      for (let y = Math.max(0, Math.floor((centreY - reachY) / size)); y <= lastY; y += 1) {
        for (let x = Math.max(0, Math.floor((centreX - reachX) / size)); x <= lastX; x += 1) {
          const dx = (x + 0.5) * size - this.#originX;
          const dy = (y + 0.5) * size - this.#originY;
          const u = dx * this.#acrossX + dy * this.#acrossY;
          const k = Math.round(u);
          if (k < 0 || k >= columns) continue;
          const v = dy * this.#acrossX - dx * this.#acrossY;
          if (v < this.#top[k]! - SOFT_IOD * this.#iodPx || v > this.#bottom[k]! + 1) continue;
          const at = offset + y * width + x;
          picture[at] = this.#shade(picture[at]!, which, k, u, v, amount);
        }
      }
      offset += width * height;
    }
  }

  /** What a sample of a plane (0 Y, 1 U, 2 V) at (u, v) becomes, at a lid that is shut by `amount`. */
  #shade(own: number, which: number, k: number, u: number, v: number, amount: number): number {
    const top = this.#top[k]!;
    const bottom = this.#bottom[k]!;
    const upper = this.#upper[k]!;
    const edge = upper + (this.#lower[k]! - upper) * amount;
    const soft = SOFT_IOD * this.#iodPx;
    // The place of the lashes is skin as soon as they have left it; the eye's lower rim goes last.
    const gone = smoothstep(0, 0.2, amount);
    const lid = smoothstep(0.75, -0.75, v - edge) * (gone + (1 - gone) * smoothstep(upper - 1, upper, v));
    const rim = smoothstep(0.7, 1, amount) * smoothstep(-0.75, 0.75, v - edge);
    const corners = smoothstep(-0.5, 0.06 * this.#length, Math.min(u, this.#length - u));
    const cover =
      (lid + rim) * corners * smoothstep(top - soft, top, v) * smoothstep(bottom + 0.5, bottom - soft, v);
    // The skin above lies in the brow's shadow, often with a tint of it: the lid is lit and coloured more like below.
    const down = Math.min(1, Math.max(0, (v - top) / Math.max(1, bottom - top)));
    const like = which === 0 ? Math.sqrt(down) : 0.4 + 0.6 * down;
    let skin = this.#skinAbove[which]![k]! * (1 - like) + this.#skinBelow[which]![k]! * like;
    const line = LINE_IOD * this.#iodPx * (0.45 + 0.55 * Math.sin((Math.PI * u) / this.#length));
    // Lashes hang down a little: the line is softer below.
    const off = (v - edge) / Math.max(0.8, v > edge ? 1.5 * line : line);
    const lash = this.#lashes * gone * corners * Math.exp(-off * off);
    if (which === 0) {
      const q = Math.min(1, Math.max(0, (v - top) / Math.max(1, edge - top)));
      const onLid = v < edge ? 1 : 0;
      const light = 1 + onLid * (BULGE * Math.sin(Math.PI * q) - SHADE * smoothstep(0.55, 1, q));
      const row = Math.max(0, Math.floor(v - top)) % Math.max(1, this.#grain.length / this.#upper.length);
      skin = 16 + (skin - 16) * light + this.#grain[row * this.#upper.length + k]!;
      const drawn = own + (skin - own) * cover;
      return Math.round(16 + (drawn - 16) * (1 - lash));
    }
    const drawn = own + (skin - own) * cover;
    return Math.round(128 + (drawn - 128) * (1 - 0.5 * lash));
  }
}

/** `v` at every whole `u`, straight between the points and level beyond them. */
function along(points: [number, number][], count: number): Float32Array {
  const sorted = points.toSorted((a, b) => a[0] - b[0]);
  return Float32Array.from({ length: count }, (_, u) => {
    const next = sorted.findIndex((point) => point[0] > u);
    if (next === 0) return sorted[0]![1];
    if (next < 0) return sorted.at(-1)![1];
    const [before, after] = [sorted[next - 1]!, sorted[next]!];
    return before[1] + ((after[1] - before[1]) * (u - before[0])) / (after[0] - before[0]);
  });
}

/** A Gaussian mean; the ends are continued. */
function smoothed(values: Float32Array, sigma: number): Float32Array {
  const reach = Math.ceil(2.5 * sigma);
  return values.map((_, k) => {
    let sum = 0;
    let total = 0;
    for (let i = -reach; i <= reach; i += 1) {
      const weight = Math.exp(-(i * i) / (2 * sigma * sigma + 1e-6));
      sum += weight * values[Math.min(values.length - 1, Math.max(0, k + i))]!;
      total += weight;
    }
    return sum / total;
  });
}

function widest(values: Float32Array, reach: number): Float32Array {
  return values.map((_, k) => Math.max(...values.subarray(Math.max(0, k - reach), k + reach + 1)));
}

import { interOcularPx } from '../media/face-topology.js';
import type { FacePhoto } from './face-photo.js';
import { Plane } from './plane.js';

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
/** Skin texture is borrowed from the cheek, so far below the eye. */
const CHEEK_IOD = 0.24;

/** Where an eye is, and its own coordinates: `u` from the left corner to the right one, `v` across, downwards. */
interface EyePlace {
  /** The left corner in the picture, and the direction to the right one. */
  readonly originX: number;
  readonly originY: number;
  readonly acrossX: number;
  readonly acrossY: number;
  /** From corner to corner, in pixels. */
  readonly length: number;
  readonly iodPx: number;
}

/** What was seen of one open eye. Plain data. The arrays have one entry a column, a pixel of `u`. */
export interface EyeLook extends EyePlace {
  /** The lid edges, and where clean skin begins above and below them. */
  readonly upper: Float32Array;
  readonly lower: Float32Array;
  readonly top: Float32Array;
  readonly bottom: Float32Array;
  /** Y, U, V of the clean skin above and below. */
  readonly skinAbove: readonly Float32Array[];
  readonly skinBelow: readonly Float32Array[];
  /** How dark the lashes are against the skin, 0..1. */
  readonly lashes: number;
  /** Fine texture of the skin, as differences of luma: rows of as many columns. */
  readonly grain: Float32Array;
}

/** Looks at both open eyes of a photo, left to right in the picture. */
export function lookAtEyes(options: FacePhoto): EyeLook[] {
  return EYES.map((points) => lookAtEye(points, options));
}

function lookAtEye(points: (typeof EYES)[number], options: FacePhoto): EyeLook {
  const { landmarks } = options;
  const place = placeOf(points, landmarks);
  const { length, iodPx } = place;
  const columns = Math.ceil(length) + 1;
  const curve = (list: readonly number[]): Float32Array =>
    smoothed(
      along(
        list.map((point) => toEye(place, landmarks[point * 3]!, landmarks[point * 3 + 1]!)),
        columns,
      ),
      length / 24,
    );
  const upper = curve(points.upper);
  const lower = curve(points.lower).map((v, k) => Math.max(v, upper[k]!));
  const brow = curve(points.brow);
  const sample = samplerOf(place, options);
  const top = skinEdge(upper, -1, LASHES_IOD, (k) => upper[k]! - brow[k]!, iodPx, sample);
  const bottom = skinEdge(lower, 1, RIM_IOD, () => iodPx, iodPx, sample);
  const skinAbove = skinBeyond(top, -1, place, sample);
  const skinBelow = skinBeyond(bottom, 1, place, sample);
  const lashes = measureLashes(place, top, upper, skinAbove[0]!, sample);
  const grain = takeGrain(place, bottom, sample);
  return { ...place, upper, lower, top, bottom, skinAbove, skinBelow, lashes, grain };
}

function placeOf(points: (typeof EYES)[number], landmarks: Float32Array): EyePlace {
  const [left, right] = [points.upper[0] * 3, points.upper[8] * 3];
  const x = landmarks[right]! - landmarks[left]!;
  const y = landmarks[right + 1]! - landmarks[left + 1]!;
  const length = Math.max(2, Math.hypot(x, y));
  return {
    originX: landmarks[left]!,
    originY: landmarks[left + 1]!,
    acrossX: x / length,
    acrossY: y / length,
    length,
    iodPx: interOcularPx(landmarks),
  };
}

function toEye({ originX, originY, acrossX, acrossY }: EyePlace, x: number, y: number): [number, number] {
  const dx = x - originX;
  const dy = y - originY;
  return [dx * acrossX + dy * acrossY, dy * acrossX - dx * acrossY];
}

/** Y (0), U (1) or V (2) of the photo at (u, v). */
type Sample = (which: number, u: number, v: number) => number;

function samplerOf(
  { originX, originY, acrossX, acrossY }: EyePlace,
  { photo, widthPx, heightPx }: FacePhoto,
): Sample {
  const luma = new Plane(photo, 0, widthPx, heightPx);
  const plane = widthPx * heightPx;
  const chroma = [plane, plane + (plane >> 2)].map(
    (offset) => new Plane(photo, offset, widthPx >> 1, heightPx >> 1),
  );
  return (which, u, v) => {
    const x = originX + u * acrossX - v * acrossY;
    const y = originY + u * acrossY + v * acrossX;
    return which === 0 ? luma.at(x, y) : chroma[which - 1]!.at(x / 2, y / 2);
  };
}

/** Where clean skin begins beyond a lid's edge, seen upwards (-1) or downwards (1), with so much room to look in. */
function skinEdge(
  from: Float32Array,
  direction: number,
  reach: { least: number; most: number },
  room: (k: number) => number,
  iod: number,
  sample: Sample,
): Float32Array {
  const found = from.map((v, k) => {
    // Towards the corners the lids meet, and so do lashes and rim.
    const t = k / (from.length - 1);
    const most = Math.min(reach.most * iod, 0.6 * room(k)) * (0.55 + 0.45 * Math.sin(Math.PI * t));
    const skin = sample(0, k, v + direction * (most + 0.02 * iod)) - 16;
    let far = Math.min(most, reach.least * iod);
    while (far < most && Math.abs(sample(0, k, v + direction * far) - 16 - skin) > AS_SKIN * skin) far += 0.5;
    return far;
  });
  // The farthest of the neighbours: a gap between two lashes is no skin.
  const wide = widest(found, Math.max(1, Math.round(0.02 * iod)));
  return smoothed(wide, 0.02 * iod).map((far, k) => from[k]! + direction * far);
}

/** Y, U, V of a strip of skin above (-1) or below (1) an edge. */
function skinBeyond(
  edge: Float32Array,
  direction: number,
  { length, iodPx }: EyePlace,
  sample: Sample,
): Float32Array[] {
  const strip = 0.025 * iodPx;
  return [0, 1, 2].map((which) =>
    smoothed(
      edge.map((v, k) => {
        let sum = 0;
        for (let i = 0; i < 4; i += 1) sum += sample(which, k, v + (direction * strip * (i + 0.5)) / 4);
        return sum / 4;
      }),
      length / 10,
    ),
  );
}

function measureLashes(
  { length, iodPx }: EyePlace,
  top: Float32Array,
  upper: Float32Array,
  skinAbove: Float32Array,
  sample: Sample,
): number {
  let sum = 0;
  let count = 0;
  for (let k = Math.floor(0.2 * length); k < 0.8 * length; k += 1) {
    let darkest = 255;
    for (let v = top[k]!; v <= upper[k]! + 0.01 * iodPx; v += 0.5)
      darkest = Math.min(darkest, sample(0, k, v));
    sum += Math.max(0, 1 - (darkest - 16) / Math.max(8, skinAbove[k]! - 16));
    count += 1;
  }
  return Math.min(0.75, Math.max(0.25, sum / Math.max(1, count)));
}

/** The fine texture of the cheek below the eye. */
function takeGrain({ iodPx }: EyePlace, bottom: Float32Array, sample: Sample): Float32Array {
  const columns = bottom.length;
  const rows = Math.ceil(0.3 * iodPx);
  const grain = new Float32Array(columns * rows);
  for (let row = 0; row < rows; row += 1) {
    for (let k = 0; k < columns; k += 1) {
      const v = bottom[Math.floor(columns / 2)]! + CHEEK_IOD * iodPx + row;
      const around =
        (sample(0, k - 2, v) + sample(0, k + 2, v) + sample(0, k, v - 2) + sample(0, k, v + 2)) / 4;
      grain[row * columns + k] = Math.max(-5, Math.min(5, sample(0, k, v) - around));
    }
  }
  return grain;
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

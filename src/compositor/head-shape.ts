import {
  CHIN,
  FACE_OVAL,
  FOREHEAD,
  LEFT_CHEEK_EDGE,
  LEFT_EYE_OUTER,
  NOSE_BASE,
  RIGHT_CHEEK_EDGE,
  RIGHT_EYE_OUTER,
  interOcularPx,
} from '../media/face-topology.js';
import { LANDMARK_COUNT } from '../media/frame.js';
import type { Rect } from '../media/yuv.js';
import { smoothstep } from './smooth.js';

/** The lower edges of both brows from the nose outwards, and the upper lid below each point. */
const BROWS: readonly (readonly (readonly [number, number])[])[] = [
  [
    [55, 133],
    [65, 157],
    [52, 159],
    [53, 161],
    [46, 33],
  ],
  [
    [285, 362],
    [295, 384],
    [282, 386],
    [283, 388],
    [276, 263],
  ],
];
/** A brow takes so much above its lower edge wholly with it, and nothing any more so far up or beside (iod). */
const BROW_HEIGHT_IOD = 0.12;
const FOREHEAD_IOD = 0.5;
const BESIDE_IOD = 0.16;
/** Of the way down to the lid, where nothing follows it any more. */
const ABOVE_LID = 0.6;

/**
 * How far the head goes beyond the face's outline, as multiples of the outline's distance from the middle: the depth
 * comes back to the ears' at `round`, the motion begins to fade at `full` and ends at `still`. Hair and hats reach far
 * up, ears a little to the side; below the chin the neck gives way and the shoulders must stay.
 */
const REACH = {
  up: { round: 2, full: 1.6, still: 2.4 },
  side: { round: 1.4, full: 1.4, still: 1.9 },
  down: { round: 1.3, full: 1, still: 1.5 },
} as const;

const DIRECTIONS = 96;

/** A place as seen from the face's middle; `round`, `full` and `still` as in REACH, for its direction. */
export interface Place {
  /** 1 on the face's outline, 0 in the middle. */
  away: number;
  /** 1 straight above the middle, -1 straight below. */
  up: number;
  /** Depth of the outline in this direction. */
  edgeDepth: number;
  round: number;
  full: number;
  still: number;
}

/** A photo's head on a grid over the picture: how deep every grid point lies and how it takes part in motion. */
export interface HeadGrid {
  /** Side of a grid cell in luma pixels, a power of two, at least 4. */
  readonly cellPx: number;
  readonly columns: number;
  readonly rows: number;
  /** Where the head turns about: between the ears, at the height of the nose base. */
  readonly pivotX: number;
  readonly pivotY: number;
  readonly iodPx: number;
  /** Share of the head's motion at each grid point, 0..1. */
  readonly weight: Float32Array;
  /** Depth of each grid point behind the pivot in pixels; negative lies before it. */
  readonly depthPx: Float32Array;
  /** Share of the brows' motion at each grid point, 0..1. */
  readonly brows: Float32Array;
}

/** Makes the grid. Depths come from the landmarks; around the face they round off to the ears' depth. */
export class HeadShape implements HeadGrid {
  readonly cellPx: number;
  readonly columns: number;
  readonly rows: number;
  readonly pivotX: number;
  readonly pivotY: number;
  readonly iodPx: number;
  readonly weight: Float32Array;
  readonly depthPx: Float32Array;
  readonly brows: Float32Array;
  /** All that can move lies inside; even numbers, inside the picture. */
  readonly area: Readonly<Rect>;

  #outline: Outline;

  constructor(options: { widthPx: number; heightPx: number; landmarks: Float32Array }) {
    const { widthPx, heightPx, landmarks } = options;
    this.iodPx = interOcularPx(landmarks);
    this.cellPx = this.iodPx > 240 ? 16 : this.iodPx > 100 ? 8 : 4;
    this.columns = Math.ceil(widthPx / this.cellPx) + 1;
    this.rows = Math.ceil(heightPx / this.cellPx) + 1;
    const count = this.columns * this.rows;
    this.weight = new Float32Array(count);
    this.depthPx = new Float32Array(count);
    this.brows = new Float32Array(count);
    const at = (point: number, axis: number): number => landmarks[point * 3 + axis]!;
    const pivotDepth = (at(LEFT_CHEEK_EDGE, 2) + at(RIGHT_CHEEK_EDGE, 2)) / 2;
    this.pivotX = (at(FOREHEAD, 0) + at(CHIN, 0)) / 2;
    this.pivotY = at(NOSE_BASE, 1);

    this.#outline = new Outline(landmarks);
    const mesh = this.#splatDepths(landmarks);
    for (let row = 0; row < this.rows; row += 1) {
      for (let column = 0; column < this.columns; column += 1) {
        const g = row * this.columns + column;
        const x = column * this.cellPx;
        const y = row * this.cellPx;
        const { away, edgeDepth, round, full, still } = this.#outline.look(x, y);
        if (away >= still) continue;
        const face = mesh[g]!;
        const edge = Number.isNaN(face) ? edgeDepth : face + (edgeDepth - face) * smoothstep(0.85, 1, away);
        this.depthPx[g] = (edge - pivotDepth) * (1 - smoothstep(1, round, away));
        // The outermost cells never move: the picture's border stays, and no pixel is read from beyond it.
        const fromBorder =
          smoothstep(this.cellPx, this.cellPx + 0.16 * widthPx, Math.min(x, widthPx - x)) *
          smoothstep(this.cellPx, this.cellPx + 0.12 * heightPx, Math.min(y, heightPx - y));
        this.weight[g] = fromBorder * (1 - smoothstep(full, still, away));
      }
    }
    this.#raiseBrows(landmarks);
    this.area = this.#findArea(widthPx, heightPx);
  }

  #findArea(widthPx: number, heightPx: number): Rect {
    const { cellPx, columns } = this;
    let [left, top, right, bottom] = [widthPx, heightPx, 0, 0];
    this.weight.forEach((share, g) => {
      if (share === 0) return;
      const x = (g % columns) * cellPx;
      const y = Math.floor(g / columns) * cellPx;
      left = Math.min(left, x - cellPx);
      right = Math.max(right, x + cellPx);
      top = Math.min(top, y - cellPx);
      bottom = Math.max(bottom, y + cellPx);
    });
    const x = Math.max(0, left);
    const y = Math.max(0, top);
    return {
      x,
      y,
      widthPx: Math.max(0, (Math.min(widthPx, right) - x) & ~1),
      heightPx: Math.max(0, (Math.min(heightPx, bottom) - y) & ~1),
    };
  }

  /** Where a place lies as seen from the face's middle. The object is reused. */
  look(x: number, y: number): Readonly<Place> {
    return this.#outline.look(x, y);
  }

  /** Depths near the mesh's points, smoothed over the distance between neighbours; NaN where no point is near. */
  #splatDepths(landmarks: Float32Array): Float32Array {
    const sigma = Math.max(0.09 * this.iodPx, this.cellPx);
    const sum = new Float32Array(this.weight.length);
    const total = new Float32Array(this.weight.length);
    for (let i = 0; i < LANDMARK_COUNT; i += 1) {
      this.#around(landmarks[i * 3]!, landmarks[i * 3 + 1]!, 2.5 * sigma, 2.5 * sigma, (g, dx, dy) => {
        const near = Math.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma));
        sum[g] = sum[g]! + near * landmarks[i * 3 + 2]!;
        total[g] = total[g]! + near;
      });
    }
    return sum.map((value, g) => (total[g]! > 0.1 ? value / total[g]! : NaN));
  }

  #raiseBrows(landmarks: Float32Array): void {
    const { iodPx, cellPx, columns } = this;
    const acrossX = (landmarks[RIGHT_EYE_OUTER * 3]! - landmarks[LEFT_EYE_OUTER * 3]!) / iodPx;
    const acrossY = (landmarks[RIGHT_EYE_OUTER * 3 + 1]! - landmarks[LEFT_EYE_OUTER * 3 + 1]!) / iodPx;
    const across = (x: number, y: number): number => x * acrossX + y * acrossY;
    const down = (x: number, y: number): number => y * acrossX - x * acrossY;
    const at = (point: number): [number, number] => [landmarks[point * 3]!, landmarks[point * 3 + 1]!];
    for (const brow of BROWS) {
      const edge = brow
        .map(([low, lid]) => ({ u: across(...at(low)), low: down(...at(low)), lid: down(...at(lid)) }))
        .sort((a, b) => a.u - b.u);
      const [first, last] = [edge[0]!, edge.at(-1)!];
      for (let g = 0; g < this.brows.length; g += 1) {
        const x = (g % columns) * cellPx;
        const y = Math.floor(g / columns) * cellPx;
        const u = across(x, y);
        const beside = Math.max(0, first.u - u, u - last.u) / (BESIDE_IOD * iodPx);
        if (beside >= 1) continue;
        const next = edge.find((point) => point.u > u) ?? last;
        const before = edge[Math.max(0, edge.indexOf(next) - 1)]!;
        const t = next.u > before.u ? Math.min(1, Math.max(0, (u - before.u) / (next.u - before.u))) : 0;
        const low = before.low + (next.low - before.low) * t;
        const lid = before.lid + (next.lid - before.lid) * t;
        const v = down(x, y) - low;
        const share =
          v > 0
            ? smoothstep(ABOVE_LID * Math.max(1, lid - low), 0, v)
            : smoothstep(FOREHEAD_IOD * iodPx, BROW_HEIGHT_IOD * iodPx, -v);
        this.brows[g] = Math.max(this.brows[g]!, share * (1 - smoothstep(0, 1, beside)));
      }
    }
  }

  /** Visits the grid points at most so far from a place. */
  #around(
    x: number,
    y: number,
    reachX: number,
    reachY: number,
    visit: (g: number, dx: number, dy: number) => void,
  ): void {
    const cell = this.cellPx;
    const lastRow = Math.min(this.rows - 1, Math.floor((y + reachY) / cell));
    const lastColumn = Math.min(this.columns - 1, Math.floor((x + reachX) / cell));
    for (let row = Math.max(0, Math.ceil((y - reachY) / cell)); row <= lastRow; row += 1) {
      for (let column = Math.max(0, Math.ceil((x - reachX) / cell)); column <= lastColumn; column += 1)
        visit(row * this.columns + column, column * cell - x, row * cell - y);
    }
  }
}

/** The face oval seen from its middle: in every direction how far it is and how deep it lies there. */
class Outline {
  #centreX = 0;
  #centreY = 0;
  #distance = new Float32Array(DIRECTIONS);
  #depth = new Float32Array(DIRECTIONS);
  #place: Place = { away: 0, up: 0, edgeDepth: 0, round: 0, full: 0, still: 0 };

  constructor(landmarks: Float32Array) {
    const points = FACE_OVAL.map((point) => [...landmarks.subarray(point * 3, point * 3 + 3)] as const);
    for (const [x, y] of points) {
      this.#centreX += x! / points.length;
      this.#centreY += y! / points.length;
    }
    points.forEach(([ax, ay, az], i) => {
      const [bx, by, bz] = points[(i + 1) % points.length]!;
      // In small steps along the edge; later steps overwrite earlier ones in the same direction.
      for (let t = 0; t < 1; t += 1 / 32) {
        const x = ax! + (bx! - ax!) * t - this.#centreX;
        const y = ay! + (by! - ay!) * t - this.#centreY;
        const direction = Math.floor(directionOf(x, y)) % DIRECTIONS;
        this.#distance[direction] = Math.hypot(x, y);
        this.#depth[direction] = az! + (bz! - az!) * t;
      }
    });
  }

  look(px: number, py: number): Readonly<Place> {
    const x = px - this.#centreX;
    const y = py - this.#centreY;
    const direction = directionOf(x, y);
    const before = Math.floor(direction);
    const share = direction - before;
    const a = before % DIRECTIONS;
    const b = (a + 1) % DIRECTIONS;
    const length = Math.hypot(x, y);
    const up = length === 0 ? 0 : -y / length;
    const { side } = REACH;
    const other = up > 0 ? REACH.up : REACH.down;
    // Below the ears the neck and the shoulders come soon.
    const mix = up > 0 ? up * up : Math.sqrt(-up);
    const place = this.#place;
    place.up = up;
    place.away = length / Math.max(1, this.#distance[a]! + (this.#distance[b]! - this.#distance[a]!) * share);
    place.edgeDepth = this.#depth[a]! + (this.#depth[b]! - this.#depth[a]!) * share;
    place.round = side.round + (other.round - side.round) * mix;
    place.full = side.full + (other.full - side.full) * mix;
    place.still = side.still + (other.still - side.still) * mix;
    return place;
  }
}

/** 0..DIRECTIONS, not whole. */
function directionOf(x: number, y: number): number {
  return ((Math.atan2(y, x) / (2 * Math.PI) + 1) % 1) * DIRECTIONS;
}

import {
  FACE_OVAL,
  INNER_LIP_LOWER,
  INNER_LIP_UPPER,
  LEFT_MOUTH_CORNER,
  LOWER_LIP_RINGS,
  NOSE_BASE,
  RIGHT_MOUTH_CORNER,
  TRIANGLES,
  UPPER_LIP_RINGS,
} from '../media/face-topology.js';
import { LANDMARK_COUNT } from '../media/frame.js';
import type { FacePose } from './face-pose.js';
import type { HeadFrame } from './head-frame.js';
import type { LipRim } from './lip-rim.js';
import type { MouthBasis } from './mouth-basis.js';
import { LIP_RISE, sourceGapIod } from './mouth-fit.js';
import type { MouthFit } from './mouth-fit.js';
import { smoothstep } from './smooth.js';

const RING_SCALE = 1.35;
const RING_COUNT = FACE_OVAL.length;
export const VERTEX_COUNT = LANDMARK_COUNT + RING_COUNT;

/** Share of the largest gap at the nine columns between the mouth's corners. */
const GAP_PROFILE = [0.35, 0.62, 0.82, 0.95, 1, 0.95, 0.82, 0.62, 0.35];
/** A pursed mouth is open in the middle only. */
const ROUND_PROFILE = [0.04, 0.34, 0.72, 0.95, 1, 0.95, 0.72, 0.34, 0.04];
const INSET_DECAY = [1, 0.6, 0.25];
const RING_DECAY = [1, 0.85, 0.6, 0.35];
/** The skin below the lower lip takes up the rest of its correction, so that the mesh never folds there. */
const BELOW_LIP: readonly (readonly number[])[] = [
  [43, 106, 182, 83, 18, 313, 406, 335, 273],
  [202, 204, 194, 201, 200, 421, 418, 424, 422],
];
const BELOW_DECAY = [0.22, 0.1];
/** From this gap on teeth may show, so that the lips must be told from them. */
export const RIM_GAP_IOD = 0.012;
/** Below the first a picture's mouth counts as shut, above the second as open (iod). */
export const SHUT_GAP_IOD = 0.03;
const OPEN_GAP_IOD = 0.05;

/**
 * The triangles to draw: the mesh, then a band from the face oval to a ring around it that never moves. The band
 * lets the skin and background beside a moving jaw give way, instead of showing the old jaw below the new one.
 */
export const WARP_TRIANGLES: Uint16Array = buildTriangles();

/** Moves the vertices of one face. Holds its buffers; one instance a stream. */
export class FaceWarp {
  /** Where the vertices are in the picture and where they shall be: x, y interleaved, 468 points then the ring. */
  readonly from = new Float32Array(VERTEX_COUNT * 2);
  readonly to = new Float32Array(VERTEX_COUNT * 2);
  /** Gap of the inner lips before and after, in iod. */
  gapBefore = 0;
  gapAfter = 0;
  /** How far `from` was moved into the lips at the mouth's middle, where lip mixes with tooth or shade. */
  insetPx = 0;
  #basis: MouthBasis;
  #fit: MouthFit;

  constructor(basis: MouthBasis, fit: MouthFit) {
    this.#basis = basis;
    this.#fit = fit;
  }

  update(
    points: Float32Array,
    head: HeadFrame,
    pose: FacePose,
    rim: LipRim,
    widthPx: number,
    heightPx: number,
  ): void {
    const { open, spread, round, tuck } = pose.mouth;
    const { from } = this;
    const iod = head.iodPx;
    for (let i = 0; i < LANDMARK_COUNT; i += 1) {
      from[i * 2] = points[i * 3]!;
      from[i * 2 + 1] = points[i * 3 + 1]!;
    }
    this.#placeRing(widthPx, heightPx);
    const gapBefore = sourceGapIod(points, head);
    const ownGap = gapBefore * (1 - smoothstep(SHUT_GAP_IOD, OPEN_GAP_IOD, gapBefore)) * (1 - pose.speaking);
    // "f": the lower lip stays a little below the teeth's edge, which the eye must see.
    const gapAfter = Math.max(this.#fit.openIod * open * (1 - 0.15 * round), 0.03 * tuck, ownGap);
    this.gapBefore = gapBefore;
    this.gapAfter = gapAfter;
    // Shut lips have a dark line between them that must not become the outline of the open mouth.
    const openedHere = smoothstep(0.01, 0.05, gapAfter - gapBefore);
    const shown = smoothstep(SHUT_GAP_IOD, OPEN_GAP_IOD, gapBefore);
    this.insetPx = shown * Math.max(1.2, 0.01 * iod) + (1 - shown) * openedHere * 0.009 * iod;
    this.#insetLips(head, rim, shown, round);

    const left = LEFT_MOUTH_CORNER * 3;
    const right = RIGHT_MOUTH_CORNER * 3;
    const widthBefore =
      Math.hypot(points[right]! - points[left]!, points[right + 1]! - points[left + 1]!) / iod;
    // A broad grin has little left to stretch, a small mouth little to purse.
    const wider = 0.1 * (spread - 0.2) * (spread > 0.2 ? 1 - smoothstep(0.6, 0.8, widthBefore) : 1);
    const purse = Math.max(0, round - 0.1) * (0.18 + 0.3 * Math.max(0, widthBefore - 0.58));
    const widthAfter = Math.max(widthBefore * 0.68, widthBefore + wider - purse);

    this.#moveByBasis(points, head, gapAfter - gapBefore, widthAfter - widthBefore);
    this.#shapeLips(head, round, tuck, gapAfter);
  }

  #placeRing(widthPx: number, heightPx: number): void {
    const { from, to } = this;
    let centreX = 0;
    let centreY = 0;
    for (const point of FACE_OVAL) {
      centreX += from[point * 2]! / RING_COUNT;
      centreY += from[point * 2 + 1]! / RING_COUNT;
    }
    for (let i = 0; i < RING_COUNT; i += 1) {
      const point = FACE_OVAL[i]! * 2;
      const at = (LANDMARK_COUNT + i) * 2;
      const x = centreX + (from[point]! - centreX) * RING_SCALE;
      const y = centreY + (from[point + 1]! - centreY) * RING_SCALE;
      from[at] = to[at] = Math.min(widthPx, Math.max(0, x));
      from[at + 1] = to[at + 1] = Math.min(heightPx, Math.max(0, y));
    }
  }

  /** Leaves out the blurred rim of the picture's lips: stretched or shut, it would be a bright or dark seam. */
  #insetLips(head: HeadFrame, rim: LipRim, shown: number, round: number): void {
    // A glimpse of teeth between lips that are as good as shut must go, too.
    const rimPx = smoothstep(RIM_GAP_IOD, 0.025, this.gapBefore) * head.iodPx;
    if (this.insetPx === 0 && rimPx === 0) return;
    for (let column = 0; column < 9; column += 1) {
      // Where the lips stay shut beside a pursed opening, they keep the dark line between them.
      const parted = smoothstep(0, 0.3, profileAt(column, round));
      const px = this.insetPx * (0.5 + 0.5 * GAP_PROFILE[column]!) * (shown + (1 - shown) * parted);
      this.#inset(UPPER_LIP_RINGS, column, -px - rim.upperIod[column]! * rimPx, head);
      this.#inset(LOWER_LIP_RINGS, column, px + rim.lowerIod[column]! * rimPx, head);
    }
  }

  /** The lip's other rings give way, so that the mesh never folds. */
  #inset(rings: readonly (readonly number[])[], column: number, byPx: number, head: HeadFrame): void {
    for (let ring = 0; ring < 3; ring += 1) {
      const px = byPx * INSET_DECAY[ring]!;
      shift(this.from, rings[ring]![column]!, px * head.downX, px * head.downY);
    }
  }

  #moveByBasis(points: Float32Array, head: HeadFrame, byOpen: number, byWidth: number): void {
    const { open, width } = this.#basis;
    const { axes, iodPx } = head;
    const { from, to } = this;
    const baseX = points[NOSE_BASE * 3]!;
    const baseY = points[NOSE_BASE * 3 + 1]!;
    const lipBelow =
      ((points[13 * 3]! - baseX) * head.downX + (points[13 * 3 + 1]! - baseY) * head.downY) / iodPx;
    const fullAt = Math.min(0.3, Math.max(0.1, lipBelow));
    for (let i = 0; i < LANDMARK_COUNT; i += 1) {
      const x = from[i * 2]!;
      const y = from[i * 2 + 1]!;
      const below = ((x - baseX) * head.downX + (y - baseY) * head.downY) / iodPx;
      const weight = smoothstep(0, fullAt, below) * iodPx;
      if (weight === 0) {
        to[i * 2] = x;
        to[i * 2 + 1] = y;
        continue;
      }
      const dx = open[i * 3]! * byOpen + width[i * 3]! * byWidth;
      const dy = open[i * 3 + 1]! * byOpen + width[i * 3 + 1]! * byWidth;
      const dz = open[i * 3 + 2]! * byOpen + width[i * 3 + 2]! * byWidth;
      to[i * 2] = x + weight * (dx * axes[0]! + dy * axes[3]! + dz * axes[6]!);
      to[i * 2 + 1] = y + weight * (dx * axes[1]! + dy * axes[4]! + dz * axes[7]!);
    }
  }

  /** Puckers and tucks the lips, then sets the gap of each column to the exact wanted one. */
  #shapeLips(head: HeadFrame, round: number, tuck: number, gapAfter: number): void {
    const { from, to } = this;
    const { downX, downY, iodPx } = head;
    const middle = gapAlong(from, 13, 14, downX, downY) / iodPx;
    const keep = this.gapBefore > 0.004 ? gapAfter / this.gapBefore : 1;
    for (let column = 0; column < 9; column += 1) {
      const bell = GAP_PROFILE[column]!;
      // Outer rings move away from the mouth when it purses; the lower lip rolls in when it is tucked.
      for (let ring = 1; ring < 4; ring += 1) {
        const swell = (0.02 * round * bell * ring * iodPx) / 3;
        shift(to, UPPER_LIP_RINGS[ring]![column]!, -swell * downX, -swell * downY);
        const roll = swell * 1.2 - 0.03 * tuck * bell * iodPx * (ring / 3);
        shift(to, LOWER_LIP_RINGS[ring]![column]!, roll * downX, roll * downY);
      }
      const upper = UPPER_LIP_RINGS[0]![column]!;
      const lower = LOWER_LIP_RINGS[0]![column]!;
      const standard = profileAt(column, round);
      // While little is asked of the mouth its own gap profile is kept: no column moves for nothing.
      const own = (gapAlong(from, upper, lower, downX, downY) / iodPx) * keep;
      const closeness =
        smoothstep(0.018, 0.007, Math.abs(gapAfter - this.gapBefore)) *
        smoothstep(0, 0.005, middle) *
        smoothstep(OPEN_GAP_IOD, SHUT_GAP_IOD, this.gapBefore);
      const wanted = gapAfter * standard * (1 - closeness) + own * closeness;
      let missing = wanted * iodPx - gapAlong(to, upper, lower, downX, downY);
      // Lips that the picture shows as shut are not pressed by the landmarks' error.
      const error = smoothstep(0.012, 0, gapAfter) * smoothstep(OPEN_GAP_IOD, SHUT_GAP_IOD, this.gapBefore);
      missing *= 1 - error * smoothstep(0.012 * iodPx, 0, Math.abs(missing));
      const upShare = LIP_RISE + 0.4 * tuck;
      for (let ring = 0; ring < 4; ring += 1) {
        const up = -missing * upShare * RING_DECAY[ring]!;
        const down = missing * (1 - upShare) * RING_DECAY[ring]!;
        shift(to, UPPER_LIP_RINGS[ring]![column]!, up * downX, up * downY);
        shift(to, LOWER_LIP_RINGS[ring]![column]!, down * downX, down * downY);
      }
      for (let ring = 0; ring < 2; ring += 1) {
        const down = missing * (1 - upShare) * BELOW_DECAY[ring]!;
        shift(to, BELOW_LIP[ring]![column]!, down * downX, down * downY);
      }
    }
  }
}

function profileAt(column: number, round: number): number {
  return GAP_PROFILE[column]! + (ROUND_PROFILE[column]! - GAP_PROFILE[column]!) * round;
}

function shift(xy: Float32Array, point: number, dx: number, dy: number): void {
  xy[point * 2] = xy[point * 2]! + dx;
  xy[point * 2 + 1] = xy[point * 2 + 1]! + dy;
}

function gapAlong(xy: Float32Array, upper: number, lower: number, downX: number, downY: number): number {
  return (xy[lower * 2]! - xy[upper * 2]!) * downX + (xy[lower * 2 + 1]! - xy[upper * 2 + 1]!) * downY;
}

function buildTriangles(): Uint16Array {
  const lips = new Set([...INNER_LIP_UPPER, ...INNER_LIP_LOWER]);
  const skin: number[] = [];
  const last: number[] = [];
  for (let i = 0; i < TRIANGLES.length; i += 3) {
    const corners = [TRIANGLES[i]!, TRIANGLES[i + 1]!, TRIANGLES[i + 2]!];
    // The innermost lip goes last, so that it lies on top where a hard closure folds the mesh.
    (corners.some((corner) => lips.has(corner)) ? last : skin).push(...corners);
  }
  const band: number[] = [];
  for (let i = 0; i < RING_COUNT; i += 1) {
    const next = (i + 1) % RING_COUNT;
    band.push(FACE_OVAL[i]!, FACE_OVAL[next]!, LANDMARK_COUNT + i);
    band.push(FACE_OVAL[next]!, LANDMARK_COUNT + next, LANDMARK_COUNT + i);
  }
  return Uint16Array.from([...band, ...skin, ...last]);
}

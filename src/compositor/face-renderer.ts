import type { Rect } from '../media/yuv.js';
import { i420RoiToRgb, rgbToI420Roi } from '../media/yuv.js';
import {
  INNER_LIP_LOWER,
  INNER_LIP_UPPER,
  LOWER_LIP_RINGS,
  UPPER_LIP_RINGS,
} from '../media/face-topology.js';
import type { FacePose } from './face-pose.js';
import { FaceWarp, RIM_GAP_IOD, SHUT_GAP_IOD, WARP_TRIANGLES } from './face-warp.js';
import { HeadFrame } from './head-frame.js';
import { drawLipLine } from './lip-line.js';
import { LipRim } from './lip-rim.js';
import type { MouthBasis } from './mouth-basis.js';
import { sourceGapIod } from './mouth-fit.js';
import type { MouthFit } from './mouth-fit.js';
import { MouthInterior } from './mouth-interior.js';
import { MouthLook } from './mouth-look.js';
import { drawTriangle } from './raster.js';
import type { RgbPatch } from './raster.js';
import { smoothstep } from './smooth.js';

/** Moves smaller than this are invisible; triangles with no larger one are left as they are. */
const STILL_PX = 0.04;

/**
 * Draws a face pose into a picture of an avatar, in place. Only the rectangle that changes is converted to RGB and
 * back; no memory is allocated after the first large mouth. One instance a stream (it follows the light over time).
 */
export class FaceRenderer {
  #widthPx: number;
  #heightPx: number;
  #head = new HeadFrame();
  #warp: FaceWarp;
  #interior: MouthInterior;
  #look = new MouthLook();
  #rim = new LipRim();
  #source: RgbPatch = { widthPx: 0, heightPx: 0, data: new Uint8Array(0) };
  #target: RgbPatch = { widthPx: 0, heightPx: 0, data: new Uint8Array(0) };
  #roi: Rect = { x: 0, y: 0, widthPx: 0, heightPx: 0 };
  #moved = new Uint8Array(WARP_TRIANGLES.length / 3);

  constructor(options: { basis: MouthBasis; fit: MouthFit; widthPx: number; heightPx: number }) {
    this.#warp = new FaceWarp(options.basis, options.fit);
    this.#interior = new MouthInterior(options.fit);
    this.#widthPx = options.widthPx;
    this.#heightPx = options.heightPx;
  }

  /**
   * Draws `pose` into `picture` (I420 of the size given at creation). `landmarks` (1404 values) belong to that
   * picture. Returns the rectangle that was redrawn (valid until the next call), undefined if nothing had to change.
   */
  render(picture: Uint8Array, landmarks: Float32Array, pose: FacePose): Readonly<Rect> | undefined {
    if (!this.#head.update(landmarks)) return undefined;
    const warp = this.#warp;
    this.#look.lookAtSkin(picture, this.#widthPx, this.#heightPx, landmarks);
    if (sourceGapIod(landmarks, this.#head) > RIM_GAP_IOD)
      this.#rim.look(picture, this.#widthPx, this.#heightPx, landmarks, this.#head, this.#look.tooth);
    warp.update(landmarks, this.#head, pose, this.#rim, this.#widthPx, this.#heightPx);
    if (!this.#findRoi()) return undefined;
    const roi = this.#roi;
    const bytes = roi.widthPx * roi.heightPx * 3;
    if (this.#source.data.length < bytes) {
      this.#source.data = new Uint8Array(Math.ceil(bytes * 1.3));
      this.#target.data = new Uint8Array(this.#source.data.length);
    }
    this.#source.widthPx = this.#target.widthPx = roi.widthPx;
    this.#source.heightPx = this.#target.heightPx = roi.heightPx;
    i420RoiToRgb(picture, this.#widthPx, this.#heightPx, roi, this.#source.data);
    this.#target.data.set(this.#source.data);
    const opened = smoothstep(0.002, 0.012, warp.gapAfter);
    // A mouth that keeps the picture's own small gap keeps the picture's own inside too, and fades out of it.
    const changed = smoothstep(0, 0.012, Math.max(warp.gapAfter - warp.gapBefore, pose.speaking * 0.012));
    const own = (1 - changed) * smoothstep(0.05, 0.03, warp.gapBefore);
    if (own < 1) this.#drawFringe();
    this.#drawMesh();
    const shown = smoothstep(SHUT_GAP_IOD, 0.06, warp.gapBefore);
    if (shown > 0) drawLipLine(this.#target, warp.to, roi.x, roi.y, shown, this.#head);
    if (opened * (1 - own) > 0) {
      this.#interior.paint(
        this.#target,
        this.#source,
        roi.x,
        roi.y,
        warp,
        this.#head,
        this.#look,
        opened * (1 - own),
        pose.mouth,
      );
    }
    rgbToI420Roi(this.#target.data, roi, picture, this.#widthPx, this.#heightPx);
    return roi;
  }

  /** Marks the triangles that move and finds their rectangle, even and inside the picture; false if none moves. */
  #findRoi(): boolean {
    const { from, to } = this.#warp;
    let left = Infinity;
    let top = Infinity;
    let right = -Infinity;
    let bottom = -Infinity;
    for (let i = 0; i < this.#moved.length; i += 1) {
      let moves = 0;
      for (let corner = 0; corner < 3; corner += 1) {
        const at = WARP_TRIANGLES[i * 3 + corner]! * 2;
        if (Math.abs(to[at]! - from[at]!) > STILL_PX || Math.abs(to[at + 1]! - from[at + 1]!) > STILL_PX)
          moves = 1;
      }
      this.#moved[i] = moves;
      if (moves === 0) continue;
      for (let corner = 0; corner < 3; corner += 1) {
        const at = WARP_TRIANGLES[i * 3 + corner]! * 2;
        left = Math.min(left, from[at]!, to[at]!);
        right = Math.max(right, from[at]!, to[at]!);
        top = Math.min(top, from[at + 1]!, to[at + 1]!);
        bottom = Math.max(bottom, from[at + 1]!, to[at + 1]!);
      }
    }
    if (left > right) return false;
    const roi = this.#roi;
    roi.x = Math.max(0, Math.floor(left) - 2) & ~1;
    roi.y = Math.max(0, Math.floor(top) - 2) & ~1;
    roi.widthPx = (Math.min(this.#widthPx, Math.ceil(right) + 3) - roi.x) & ~1;
    roi.heightPx = (Math.min(this.#heightPx, Math.ceil(bottom) + 3) - roi.y) & ~1;
    return roi.widthPx > 2 && roi.heightPx > 2;
  }

  #drawMesh(): void {
    for (let i = 0; i < this.#moved.length; i += 1) {
      if (this.#moved[i] === 0) continue;
      this.#triangle(
        WARP_TRIANGLES[i * 3]! * 2,
        WARP_TRIANGLES[i * 3 + 1]! * 2,
        WARP_TRIANGLES[i * 3 + 2]! * 2,
      );
    }
  }

  #triangle(a: number, b: number, c: number): void {
    const { from, to } = this.#warp;
    const { x, y } = this.#roi;
    drawTriangle(
      this.#target,
      this.#source,
      to[a]! - x,
      to[a + 1]! - y,
      to[b]! - x,
      to[b + 1]! - y,
      to[c]! - x,
      to[c + 1]! - y,
      from[a]! - x,
      from[a + 1]! - y,
      from[b]! - x,
      from[b + 1]! - y,
      from[c]! - x,
      from[c + 1]! - y,
    );
  }

  /**
   * Continues the lips a little into the hole, mirrored, under the place where the inside's smooth edge will lie:
   * between two mesh points that edge bulges past the mesh's straight one. Drawn before the mesh, so that it also
   * closes the pixels between lips that meet.
   */
  #drawFringe(): void {
    const reach = Math.max(2.5, 0.02 * this.#head.iodPx);
    for (let column = 0; column < 10; column += 1) {
      const reachA = Math.min(reach, 1 + 0.5 * this.#gapAt(column));
      const reachB = Math.min(reach, 1 + 0.5 * this.#gapAt(column + 1));
      this.#fringe(INNER_LIP_UPPER, UPPER_LIP_RINGS, column, reachA, reachB);
      this.#fringe(INNER_LIP_LOWER, LOWER_LIP_RINGS, column, -reachA, -reachB);
    }
  }

  #gapAt(column: number): number {
    const upper = INNER_LIP_UPPER[column]! * 2;
    const lower = INNER_LIP_LOWER[column]! * 2;
    const { to } = this.#warp;
    const { downX, downY } = this.#head;
    return Math.max(0, (to[lower]! - to[upper]!) * downX + (to[lower + 1]! - to[upper + 1]!) * downY);
  }

  #fringe(
    lip: readonly number[],
    rings: readonly (readonly number[])[],
    column: number,
    reachA: number,
    reachB: number,
  ): void {
    const { from, to } = this.#warp;
    const { downX, downY } = this.#head;
    const { x, y } = this.#roi;
    const a = lip[column]! * 2;
    const b = lip[column + 1]! * 2;
    // Sampled from the lip beside the edge, towards its next ring.
    const outA = rings[1]![Math.min(8, Math.max(0, column - 1))]! * 2;
    const outB = rings[1]![Math.min(8, Math.max(0, column))]! * 2;
    const ax = from[a]! - x;
    const ay = from[a + 1]! - y;
    const bx = from[b]! - x;
    const by = from[b + 1]! - y;
    const share = 0.5;
    const aox = ax + (from[outA]! - from[a]!) * share;
    const aoy = ay + (from[outA + 1]! - from[a + 1]!) * share;
    const box = bx + (from[outB]! - from[b]!) * share;
    const boy = by + (from[outB + 1]! - from[b + 1]!) * share;
    const tax = to[a]! - x;
    const tay = to[a + 1]! - y;
    const tbx = to[b]! - x;
    const tby = to[b + 1]! - y;
    const farAx = tax + reachA * downX;
    const farAy = tay + reachA * downY;
    const farBx = tbx + reachB * downX;
    const farBy = tby + reachB * downY;
    drawTriangle(this.#target, this.#source, tax, tay, tbx, tby, farAx, farAy, ax, ay, bx, by, aox, aoy);
    drawTriangle(
      this.#target,
      this.#source,
      tbx,
      tby,
      farBx,
      farBy,
      farAx,
      farAy,
      bx,
      by,
      box,
      boy,
      aox,
      aoy,
    );
  }
}

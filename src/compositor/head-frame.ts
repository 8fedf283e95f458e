import { CHIN, FOREHEAD, LEFT_EYE_OUTER, RIGHT_EYE_OUTER } from '../media/face-topology.js';

/**
 * The head's own axes in picture space, from one set of landmarks. `axes` holds X, Y, Z as rows (unit vectors, 9
 * values); `iodPx` is the 3-D distance of the outer eye corners. `acrossX/Y` and `downX/Y` are the orthonormal
 * picture directions along and across the mouth (roll only).
 */
export class HeadFrame {
  readonly axes = new Float32Array(9);
  iodPx = 0;
  acrossX = 1;
  acrossY = 0;
  downX = 0;
  downY = 1;

  /** False, with nothing usable inside, when the points are not a face (not finite, or too small to draw on). */
  update(points: Float32Array): boolean {
    const left = LEFT_EYE_OUTER * 3;
    const right = RIGHT_EYE_OUTER * 3;
    let xx = points[right]! - points[left]!;
    let xy = points[right + 1]! - points[left + 1]!;
    let xz = points[right + 2]! - points[left + 2]!;
    this.iodPx = Math.hypot(xx, xy, xz);
    const flat = Math.hypot(xx, xy);
    if (!(this.iodPx >= 12) || !(flat > 4)) return false;
    this.acrossX = xx / flat;
    this.acrossY = xy / flat;
    this.downX = -this.acrossY;
    this.downY = this.acrossX;
    xx /= this.iodPx;
    xy /= this.iodPx;
    xz /= this.iodPx;
    const top = FOREHEAD * 3;
    const chin = CHIN * 3;
    let yx = points[chin]! - points[top]!;
    let yy = points[chin + 1]! - points[top + 1]!;
    let yz = points[chin + 2]! - points[top + 2]!;
    const along = xx * yx + xy * yy + xz * yz;
    yx -= along * xx;
    yy -= along * xy;
    yz -= along * xz;
    const length = Math.hypot(yx, yy, yz);
    if (!(length > 4)) return false;
    yx /= length;
    yy /= length;
    yz /= length;
    this.axes.set([xx, xy, xz, yx, yy, yz, xy * yz - xz * yy, xz * yx - xx * yz, xx * yy - xy * yx]);
    return true;
  }
}

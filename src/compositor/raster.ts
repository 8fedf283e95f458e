/** Pixel kernels on packed RGB rectangles. Coordinates are continuous: pixel (x, y) has its centre at x + 0.5. */

/** A packed RGB working picture; `data` may be longer than needed. */
export interface RgbPatch {
  widthPx: number;
  heightPx: number;
  data: Uint8Array;
}

const EDGE_SLACK_PX = 0.02;

/**
 * Draws the triangle (d*) of `target` with what `source` shows in the triangle (s*): inverse affine map, bilinear,
 * coordinates clamped to the patch. Edges are inclusive, so neighbours overlap by a hair instead of leaving cracks.
 */
export function drawTriangle(
  target: RgbPatch,
  source: RgbPatch,
  d0x: number,
  d0y: number,
  d1x: number,
  d1y: number,
  d2x: number,
  d2y: number,
  s0x: number,
  s0y: number,
  s1x: number,
  s1y: number,
  s2x: number,
  s2y: number,
): void {
  const ax = d1x - d0x;
  const ay = d1y - d0y;
  const bx = d2x - d0x;
  const by = d2y - d0y;
  const area = ax * by - ay * bx;
  if (Math.abs(area) < 1e-3) return;
  const inverse = 1 / area;
  // Source position as a linear function of the target position.
  const sxByX = ((s1x - s0x) * by - (s2x - s0x) * ay) * inverse;
  const sxByY = ((s2x - s0x) * ax - (s1x - s0x) * bx) * inverse;
  const syByX = ((s1y - s0y) * by - (s2y - s0y) * ay) * inverse;
  const syByY = ((s2y - s0y) * ax - (s1y - s0y) * bx) * inverse;

  const width = target.widthPx;
  const height = target.heightPx;
  const to = target.data;
  const from = source.data;
  const maxX = source.widthPx - 1.001;
  const maxY = source.heightPx - 1.001;
  const rowBytes = width * 3;
  const firstRow = Math.max(0, Math.ceil(Math.min(d0y, d1y, d2y) - 0.5 - EDGE_SLACK_PX));
  const lastRow = Math.min(height - 1, Math.floor(Math.max(d0y, d1y, d2y) - 0.5 + EDGE_SLACK_PX));
  const slope01 = d1y === d0y ? 0 : ax / ay;
  const slope02 = d2y === d0y ? 0 : bx / by;
  const slope12 = d2y === d1y ? 0 : (d2x - d1x) / (d2y - d1y);

  for (let y = firstRow; y <= lastRow; y += 1) {
    const yc = y + 0.5;
    let left = Infinity;
    let right = -Infinity;
    if (
      d0y <= d1y
        ? yc >= d0y - EDGE_SLACK_PX && yc <= d1y + EDGE_SLACK_PX
        : yc >= d1y - EDGE_SLACK_PX && yc <= d0y + EDGE_SLACK_PX
    ) {
      const x = d0x + between(yc, d0y, d1y) * slope01;
      if (x < left) left = x;
      if (x > right) right = x;
    }
    if (
      d0y <= d2y
        ? yc >= d0y - EDGE_SLACK_PX && yc <= d2y + EDGE_SLACK_PX
        : yc >= d2y - EDGE_SLACK_PX && yc <= d0y + EDGE_SLACK_PX
    ) {
      const x = d0x + between(yc, d0y, d2y) * slope02;
      if (x < left) left = x;
      if (x > right) right = x;
    }
    if (
      d1y <= d2y
        ? yc >= d1y - EDGE_SLACK_PX && yc <= d2y + EDGE_SLACK_PX
        : yc >= d2y - EDGE_SLACK_PX && yc <= d1y + EDGE_SLACK_PX
    ) {
      const x = d1x + between(yc, d1y, d2y) * slope12;
      if (x < left) left = x;
      if (x > right) right = x;
    }
    const first = Math.max(0, Math.ceil(left - 0.5 - EDGE_SLACK_PX));
    const last = Math.min(width - 1, Math.floor(right - 0.5 + EDGE_SLACK_PX));
    let sx = s0x - 0.5 + (first + 0.5 - d0x) * sxByX + (yc - d0y) * sxByY;
    let sy = s0y - 0.5 + (first + 0.5 - d0x) * syByX + (yc - d0y) * syByY;
    let out = y * rowBytes + first * 3;
    for (let x = first; x <= last; x += 1) {
      const px = sx < 0 ? 0 : sx > maxX ? maxX : sx;
      const py = sy < 0 ? 0 : sy > maxY ? maxY : sy;
      const ix = px | 0;
      const iy = py | 0;
      const fx = ((px - ix) * 256) | 0;
      const fy = ((py - iy) * 256) | 0;
      const w11 = fx * fy;
      const w10 = (fx << 8) - w11;
      const w01 = (fy << 8) - w11;
      const w00 = 65536 - w10 - w01 - w11;
      const at = iy * source.widthPx * 3 + ix * 3;
      const below = at + source.widthPx * 3;
      to[out] =
        (from[at]! * w00 + from[at + 3]! * w10 + from[below]! * w01 + from[below + 3]! * w11 + 32768) >> 16;
      to[out + 1] =
        (from[at + 1]! * w00 +
          from[at + 4]! * w10 +
          from[below + 1]! * w01 +
          from[below + 4]! * w11 +
          32768) >>
        16;
      to[out + 2] =
        (from[at + 2]! * w00 +
          from[at + 5]! * w10 +
          from[below + 2]! * w01 +
          from[below + 5]! * w11 +
          32768) >>
        16;
      out += 3;
      sx += sxByX;
      sy += syByX;
    }
  }
}

/** How far `y` is along the edge from `a`, kept between `a` and `b` so that the slack never runs past an end. */
function between(y: number, a: number, b: number): number {
  const low = a < b ? a : b;
  const high = a < b ? b : a;
  return (y < low ? low : y > high ? high : y) - a;
}

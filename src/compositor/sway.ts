import { FACE_OVAL } from '../media/face-topology.js';
import { smoothstep } from './smooth.js';

/** A small rigid motion of the head in the picture plane: a shift in pixels and a turn about the face's middle. */
export interface HeadSway {
  dxPx: number;
  dyPx: number;
  angleRad: number;
}

/** Luma cell of the displacement grid; half of it in the chroma planes. */
const CELL_PX = 16;

/** One pixel in 16.16 fixed point. */
const ONE = 65_536;

/**
 * Moves the head of a photo by a few pixels. The head goes rigidly, everything around gives way smoothly, and the
 * picture's border stays where it is. Works on I420 directly; the grid of weights is built once, for one face.
 */
export class SwayWarp {
  #widthPx: number;
  #heightPx: number;
  #columns: number;
  #rows: number;
  #centreX = 0;
  #centreY = 0;
  /** Share of the motion at each grid point, 0..1. */
  #weight: Float32Array;
  #dx: Float32Array;
  #dy: Float32Array;

  constructor(options: { widthPx: number; heightPx: number; landmarks: Float32Array }) {
    this.#widthPx = options.widthPx;
    this.#heightPx = options.heightPx;
    this.#columns = Math.ceil(options.widthPx / CELL_PX) + 1;
    this.#rows = Math.ceil(options.heightPx / CELL_PX) + 1;
    const count = this.#columns * this.#rows;
    this.#weight = new Float32Array(count);
    this.#dx = new Float32Array(count);
    this.#dy = new Float32Array(count);
    this.#fillWeights(options.landmarks);
  }

  /** Draws `source` moved by `sway` into `target`; both are I420 of the size given at creation, and distinct. */
  apply(source: Uint8Array, target: Uint8Array, sway: Readonly<HeadSway>): void {
    const width = this.#widthPx;
    const height = this.#heightPx;
    // The picture samples backwards: a head that moves right is read further left.
    for (let row = 0; row < this.#rows; row += 1) {
      for (let column = 0; column < this.#columns; column += 1) {
        const at = row * this.#columns + column;
        const weight = this.#weight[at]!;
        const x = column * CELL_PX - this.#centreX;
        const y = row * CELL_PX - this.#centreY;
        this.#dx[at] = -weight * (sway.dxPx - sway.angleRad * y);
        this.#dy[at] = -weight * (sway.dyPx + sway.angleRad * x);
      }
    }
    target.set(source);
    this.#warpPlane(source, target, 0, width, height, CELL_PX, 1);
    const plane = width * height;
    this.#warpPlane(source, target, plane, width >> 1, height >> 1, CELL_PX >> 1, 0.5);
    this.#warpPlane(source, target, plane + (plane >> 2), width >> 1, height >> 1, CELL_PX >> 1, 0.5);
  }

  #fillWeights(landmarks: Float32Array): void {
    let left = Infinity;
    let right = -Infinity;
    let top = Infinity;
    let bottom = -Infinity;
    for (const point of FACE_OVAL) {
      left = Math.min(left, landmarks[point * 3]!);
      right = Math.max(right, landmarks[point * 3]!);
      top = Math.min(top, landmarks[point * 3 + 1]!);
      bottom = Math.max(bottom, landmarks[point * 3 + 1]!);
    }
    this.#centreX = (left + right) / 2;
    this.#centreY = (top + bottom) / 2;
    const radiusX = Math.max(8, (right - left) / 2);
    const radiusY = Math.max(8, (bottom - top) / 2);
    for (let row = 0; row < this.#rows; row += 1) {
      for (let column = 0; column < this.#columns; column += 1) {
        const x = Math.min(this.#widthPx, column * CELL_PX);
        const y = Math.min(this.#heightPx, row * CELL_PX);
        const away = Math.hypot((x - this.#centreX) / radiusX, (y - this.#centreY) / radiusY);
        const border =
          smoothstep(0, 0.16 * this.#widthPx, Math.min(x, this.#widthPx - x)) *
          smoothstep(0, 0.12 * this.#heightPx, Math.min(y, this.#heightPx - y));
        this.#weight[row * this.#columns + column] = border * smoothstep(2.3, 1.1, away);
      }
    }
  }

  #warpPlane(
    source: Uint8Array,
    target: Uint8Array,
    offset: number,
    width: number,
    height: number,
    cell: number,
    scale: number,
  ): void {
    const columns = this.#columns;
    const maxX = (width - 1) * ONE - 1;
    const maxY = (height - 1) * ONE - 1;
    for (let row = 0; row < this.#rows - 1; row += 1) {
      const lastY = Math.min(height, (row + 1) * cell);
      for (let column = 0; column < columns - 1; column += 1) {
        const a = row * columns + column;
        const c = a + columns;
        const w = this.#weight;
        if (w[a]! + w[a + 1]! + w[c]! + w[c + 1]! === 0) continue;
        const firstX = column * cell;
        const lastX = Math.min(width, firstX + cell);
        for (let y = row * cell; y < lastY; y += 1) {
          const down = (y - row * cell) / cell;
          const dxLeft = (this.#dx[a]! + (this.#dx[c]! - this.#dx[a]!) * down) * scale;
          const dxRight = (this.#dx[a + 1]! + (this.#dx[c + 1]! - this.#dx[a + 1]!) * down) * scale;
          const dyLeft = (this.#dy[a]! + (this.#dy[c]! - this.#dy[a]!) * down) * scale;
          const dyRight = (this.#dy[a + 1]! + (this.#dy[c + 1]! - this.#dy[a + 1]!) * down) * scale;
          // 16.16 fixed point: integer arithmetic halves the time of this, the hottest loop of a photo avatar.
          const stepX = Math.round((1 + (dxRight - dxLeft) / cell) * ONE);
          const stepY = Math.round(((dyRight - dyLeft) / cell) * ONE);
          let sx = Math.round((firstX + dxLeft) * ONE);
          let sy = Math.round((y + dyLeft) * ONE);
          let out = offset + y * width + firstX;
          for (let x = firstX; x < lastX; x += 1) {
            const px = sx < 0 ? 0 : sx > maxX ? maxX : sx;
            const py = sy < 0 ? 0 : sy > maxY ? maxY : sy;
            const fx = (px >> 8) & 255;
            const fy = (py >> 8) & 255;
            const at = (offset + (py >> 16) * width + (px >> 16)) | 0;
            const upperLeft = source[at]!;
            const lowerLeft = source[at + width]!;
            const upper = (upperLeft << 8) + (source[at + 1]! - upperLeft) * fx;
            const lower = (lowerLeft << 8) + (source[at + width + 1]! - lowerLeft) * fx;
            target[out] = ((upper << 8) + (lower - upper) * fy + 32768) >> 16;
            out += 1;
            sx = (sx + stepX) | 0;
            sy = (sy + stepY) | 0;
          }
        }
      }
    }
  }
}

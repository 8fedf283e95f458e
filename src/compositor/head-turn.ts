import { findHead } from './head-matte.js';
import type { HeadMatte } from './head-matte.js';
import { HeadShape } from './head-shape.js';

/** Where a photo's head is. At rest everything is 0. */
export interface HeadTurn {
  /** Positive turns the nose to the picture's right. */
  yawRad: number;
  /** Positive nods: the nose goes down. */
  pitchRad: number;
  /** Positive tilts clockwise in the picture. */
  rollRad: number;
  dxPx: number;
  dyPx: number;
  /** 0..1: how far the brows are raised. */
  brows: number;
}

/** No part of a head moves farther than this, in inter-ocular distances, at the turns that a photo makes. */
const FARTHEST_IOD = 0.1;
/** How far fully raised brows go up, in inter-ocular distances. */
const BROWS_UP_IOD = 0.04;
/** One pixel in 16.16 fixed point. */
const ONE = 65_536;

/** What is done with a cell of the grid: nothing, move it, or move it before a background that stays. */
const STILL = 0;
const MOVED = 1;
const OUTLINE = 2;

/**
 * Turns the head of a photo by a few degrees. Every point goes by its depth: the nose far, the ears hardly; the neck
 * gives way, the shoulders and what is behind the head stay to the bit. Works on I420; built once, for one face.
 */
export class HeadTurnWarp {
  #widthPx: number;
  #heightPx: number;
  #shape: HeadShape;
  #matte: HeadMatte;
  /** One entry a cell, as many columns as grid points. */
  #cells: Uint8Array;
  /** From each grid point to where it is read from, in 1/65536 luma pixels. */
  #dx: Int32Array;
  #dy: Int32Array;

  constructor(options: {
    widthPx: number;
    heightPx: number;
    landmarks: Float32Array;
    /** The photo itself (I420). */
    photo: Uint8Array;
  }) {
    this.#widthPx = options.widthPx;
    this.#heightPx = options.heightPx;
    this.#shape = new HeadShape(options);
    this.#matte = findHead(options.photo, options.widthPx, options.heightPx, this.#shape);
    const count = this.#shape.weight.length;
    this.#dx = new Int32Array(count);
    this.#dy = new Int32Array(count);
    this.#cells = new Uint8Array(count);
    this.#sortCells();
  }

  /** True for a luma sample that some turn may change. */
  moves(x: number, y: number): boolean {
    const { cellPx, columns } = this.#shape;
    return this.#cells[Math.floor(y / cellPx) * columns + Math.floor(x / cellPx)] !== STILL;
  }

  /** Draws `source` turned by `turn` into `target`; both are I420 of the size given at creation, and distinct. */
  apply(source: Uint8Array, target: Uint8Array, turn: Readonly<HeadTurn>): void {
    const width = this.#widthPx;
    const height = this.#heightPx;
    const plane = width * height;
    const cell = this.#shape.cellPx;
    this.#place(turn);
    target.set(source);
    this.#warpPlane(source, target, 0, width, height, cell, 0);
    this.#warpPlane(source, target, plane, width >> 1, height >> 1, cell >> 1, 1);
    this.#warpPlane(source, target, plane + (plane >> 2), width >> 1, height >> 1, cell >> 1, 1);
  }

  #place(turn: Readonly<HeadTurn>): void {
    const { weight, depthPx, brows, cellPx, columns, rows, pivotX, pivotY, iodPx } = this.#shape;
    const [cosYaw, sinYaw] = [Math.cos(turn.yawRad), Math.sin(turn.yawRad)];
    const [cosPitch, sinPitch] = [Math.cos(turn.pitchRad), Math.sin(turn.pitchRad)];
    const [cosRoll, sinRoll] = [Math.cos(turn.rollRad), Math.sin(turn.rollRad)];
    const browsUp = turn.brows * BROWS_UP_IOD * iodPx;
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        const g = row * columns + column;
        const share = weight[g]!;
        if (share === 0) continue;
        const x = column * cellPx - pivotX;
        const y = row * cellPx - pivotY;
        const z = depthPx[g]!;
        const yawX = x * cosYaw - z * sinYaw;
        const yawZ = x * sinYaw + z * cosYaw;
        const pitchY = y * cosPitch - yawZ * sinPitch;
        const toX = yawX * cosRoll - pitchY * sinRoll + turn.dxPx;
        const toY = yawX * sinRoll + pitchY * cosRoll + turn.dyPx - browsUp * brows[g]!;
        // The picture samples backwards: a head that moves right is read further left.
        this.#dx[g] = (x - toX) * share * ONE;
        this.#dy[g] = (y - toY) * share * ONE;
      }
    }
  }

  #sortCells(): void {
    const { weight, columns, rows, cellPx, iodPx } = this.#shape;
    const { alpha } = this.#matte;
    const least = new Uint8Array(weight.length).fill(255);
    const most = new Uint8Array(weight.length);
    for (let at = 0; at < this.#widthPx * this.#heightPx; at += 1) {
      const x = at % this.#widthPx;
      const cell = Math.floor(Math.floor(at / this.#widthPx) / cellPx) * columns + Math.floor(x / cellPx);
      least[cell] = Math.min(least[cell]!, alpha[at]!);
      most[cell] = Math.max(most[cell]!, alpha[at]!);
    }
    // What counts is the cell and as far around it as the head can move.
    const reach = Math.ceil((FARTHEST_IOD * iodPx) / cellPx);
    for (let row = 0; row < rows - 1; row += 1) {
      for (let column = 0; column < columns - 1; column += 1) {
        const g = row * columns + column;
        if (weight[g]! + weight[g + 1]! + weight[g + columns]! + weight[g + columns + 1]! === 0) continue;
        let [low, high] = [255, 0];
        for (let j = Math.max(0, row - reach); j <= Math.min(rows - 2, row + reach); j += 1) {
          for (let i = Math.max(0, column - reach); i <= Math.min(columns - 2, column + reach); i += 1) {
            low = Math.min(low, least[j * columns + i]!);
            high = Math.max(high, most[j * columns + i]!);
          }
        }
        this.#cells[g] = high === 0 ? STILL : low === 255 ? MOVED : OUTLINE;
      }
    }
  }

  /** @param halvings how often the plane is half as wide and high as the luma plane: 0 or 1 */
  #warpPlane(
    source: Uint8Array,
    target: Uint8Array,
    offset: number,
    width: number,
    height: number,
    cell: number,
    halvings: number,
  ): void {
    const { columns, rows } = this.#shape;
    const cells = this.#cells;
    const dx = this.#dx;
    const dy = this.#dy;
    const shift = Math.log2(cell);
    for (let row = 0; row < rows - 1; row += 1) {
      const lastY = Math.min(height, (row + 1) * cell);
      for (let column = 0; column < columns - 1; column += 1) {
        const a = row * columns + column;
        const kind = cells[a]!;
        if (kind === STILL) continue;
        const b = a + columns;
        const firstX = column * cell;
        const lastX = Math.min(width, firstX + cell);
        for (let y = row * cell; y < lastY; y += 1) {
          const down = y - row * cell;
          const dxLeft = (dx[a]! + (((dx[b]! - dx[a]!) * down) >> shift)) >> halvings;
          const dxRight = (dx[a + 1]! + (((dx[b + 1]! - dx[a + 1]!) * down) >> shift)) >> halvings;
          const dyLeft = (dy[a]! + (((dy[b]! - dy[a]!) * down) >> shift)) >> halvings;
          const dyRight = (dy[a + 1]! + (((dy[b + 1]! - dy[a + 1]!) * down) >> shift)) >> halvings;
          const stepX = ONE + ((dxRight - dxLeft) >> shift);
          const stepY = (dyRight - dyLeft) >> shift;
          const sx = (firstX << 16) + dxLeft;
          const sy = (y << 16) + dyLeft;
          const out = offset + y * width + firstX;
          if (kind === MOVED)
            moveRow(source, target, out, lastX - firstX, offset, width, sx, sy, stepX, stepY);
          else this.#moveOutline(source, target, out, lastX - firstX, offset, width, sx, sy, stepX, stepY);
        }
      }
    }
  }

  /**
   * One row of a cell in which both head and background show: the moved picture, corrected by what the background
   * behind the head would have moved with it. At rest that is the picture itself, whatever the matte says.
   */
  #moveOutline(
    source: Uint8Array,
    target: Uint8Array,
    out: number,
    count: number,
    offset: number,
    width: number,
    sx: number,
    sy: number,
    stepX: number,
    stepY: number,
  ): void {
    const { alpha, plate } = this.#matte;
    for (let end = out + count; out < end; out += 1) {
      const at = offset + (sy >> 16) * width + (sx >> 16);
      const fx = (sx >> 8) & 255;
      const fy = (sy >> 8) & 255;
      const through = 65_280 - sample(alpha, at, width, fx, fy);
      const behind = plate[out]!;
      if (through === 65_280) target[out] = behind;
      else {
        const shown = sample(source, at, width, fx, fy);
        const correction = through === 0 ? 0 : ((behind << 8) - sample(plate, at, width, fx, fy)) * through;
        const value = (shown + correction / 65_280 + 128) >> 8;
        target[out] = value < 0 ? 0 : value > 255 ? 255 : value;
      }
      sx += stepX;
      sy += stepY;
    }
  }
}

/** 16.16 fixed point throughout: integer arithmetic halves the time of this, the hottest loop of a photo avatar. */
function moveRow(
  source: Uint8Array,
  target: Uint8Array,
  out: number,
  count: number,
  offset: number,
  width: number,
  sx: number,
  sy: number,
  stepX: number,
  stepY: number,
): void {
  for (let end = out + count; out < end; out += 1) {
    const at = (offset + (sy >> 16) * width + (sx >> 16)) | 0;
    const fx = (sx >> 8) & 255;
    const fy = (sy >> 8) & 255;
    const upperLeft = source[at]!;
    const lowerLeft = source[at + width]!;
    const upper = (upperLeft << 8) + (source[at + 1]! - upperLeft) * fx;
    const lower = (lowerLeft << 8) + (source[at + width + 1]! - lowerLeft) * fx;
    target[out] = ((upper << 8) + (lower - upper) * fy + 32768) >> 16;
    sx = (sx + stepX) | 0;
    sy = (sy + stepY) | 0;
  }
}

/** The bilinear value, times 256. */
function sample(plane: Uint8Array, at: number, width: number, fx: number, fy: number): number {
  const upperLeft = plane[at]!;
  const lowerLeft = plane[at + width]!;
  const upper = (upperLeft << 8) + (plane[at + 1]! - upperLeft) * fx;
  const lower = (lowerLeft << 8) + (plane[at + width + 1]! - lowerLeft) * fx;
  return ((upper << 8) + (lower - upper) * fy) >> 8;
}

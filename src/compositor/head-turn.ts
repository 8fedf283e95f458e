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

/** No outline of a head moves farther than this, in inter-ocular distances, at the turns that a photo makes. */
const FARTHEST_IOD = 0.075;
/** How far fully raised brows go up, in inter-ocular distances. */
const BROWS_UP_IOD = 0.04;
/** One pixel in 16.16 fixed point. */
const ONE = 65_536;

/** What is done with a cell of the grid: nothing, move it, or move it before a background that stays. */
const STILL = 0;
const MOVED = 1;
const OUTLINE = 2;

const HEAD = 0;
const BEHIND = 1;
const BOTH = 2;

/**
 * Turns the head of a photo by a few degrees. Every point goes by its depth: the nose far, the ears hardly; the neck
 * gives way, the shoulders and what is behind the head stay to the bit. Works on I420; built once, for one face.
 */
export class HeadTurnWarp {
  #widthPx: number;
  #heightPx: number;
  #shape: HeadShape;
  #matte: HeadMatte;
  /** For every sample what the matte says of it and of those to its right and below: HEAD, BEHIND or both. */
  #sides: Uint8Array;
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
    this.#sides = sidesOf(this.#matte.alpha, options.widthPx, options.heightPx);
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
    for (let y = 0; y < this.#heightPx; y += 1) {
      const first = Math.floor(y / cellPx) * columns;
      for (let x = 0; x < this.#widthPx; x += 1) {
        const cell = first + Math.floor(x / cellPx);
        const value = alpha[y * this.#widthPx + x]!;
        if (value < least[cell]!) least[cell] = value;
        if (value > most[cell]!) most[cell] = value;
      }
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
    const halved = shift + halvings;
    for (let row = 0; row < rows - 1; row += 1) {
      const count = Math.min(height - row * cell, cell);
      for (let column = 0; column < columns - 1; column += 1) {
        const a = row * columns + column;
        const kind = cells[a]!;
        if (kind === STILL) continue;
        const b = a + columns;
        const firstX = column * cell;
        const across = Math.min(width - firstX, cell);
        // Left and right edges of the cell's first row, then the same again for every row further down.
        let left = dx[a]! >> halvings;
        let right = dx[a + 1]! >> halvings;
        let leftY = dy[a]! >> halvings;
        let rightY = dy[a + 1]! >> halvings;
        const leftStep = (dx[b]! - dx[a]!) >> halved;
        const rightStep = (dx[b + 1]! - dx[a + 1]!) >> halved;
        const leftYStep = (dy[b]! - dy[a]!) >> halved;
        const rightYStep = (dy[b + 1]! - dy[a + 1]!) >> halved;
        let out = offset + row * cell * width + firstX;
        for (let y = row * cell; y < row * cell + count; y += 1) {
          const sx = (firstX << 16) + left;
          const sy = (y << 16) + leftY;
          const stepX = ONE + ((right - left) >> shift);
          const stepY = (rightY - leftY) >> shift;
          if (kind === MOVED) moveRow(source, target, out, across, offset, width, sx, sy, stepX, stepY);
          else this.#moveOutline(source, target, out, across, offset, width, sx, sy, stepX, stepY);
          out += width;
          left += leftStep;
          right += rightStep;
          leftY += leftYStep;
          rightY += rightYStep;
        }
      }
    }
  }

  /**
   * Moves a row in which background shows: the moved picture, corrected by what the background behind the head has
   * moved with it. At rest that is the picture itself, whatever the matte says.
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
    const sides = this.#sides;
    for (let end = out + count; out < end; out += 1) {
      const at = (offset + (sy >> 16) * width + (sx >> 16)) | 0;
      const side = sides[at]!;
      if (side === BEHIND) target[out] = plate[out]!;
      else {
        const fx = (sx >> 8) & 255;
        const fy = (sy >> 8) & 255;
        const shown = sample(source, at, width, fx, fy);
        if (side === HEAD) target[out] = (shown + 128) >> 8;
        else {
          const through = 1 - sample(alpha, at, width, fx, fy) / 65_280;
          const moved = (plate[out]! << 8) - sample(plate, at, width, fx, fy);
          const value = (shown + Math.round(moved * through) + 128) >> 8;
          target[out] = value < 0 ? 0 : value > 255 ? 255 : value;
        }
      }
      sx = (sx + stepX) | 0;
      sy = (sy + stepY) | 0;
    }
  }
}

function sidesOf(alpha: Uint8Array, widthPx: number, heightPx: number): Uint8Array {
  const sides = new Uint8Array(alpha.length);
  const luma = widthPx * heightPx;
  for (let at = 0; at < alpha.length; at += 1) {
    const row = at < luma ? widthPx : widthPx >> 1;
    const here = alpha[at]!;
    const level = here === alpha[at + 1] && here === alpha[at + row] && here === alpha[at + row + 1];
    sides[at] = level && here === 255 ? HEAD : level && here === 0 ? BEHIND : BOTH;
  }
  return sides;
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

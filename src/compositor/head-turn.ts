import { BEHIND, HEAD, MOVED, STILL } from './turnable-head.js';
import type { TurnableHead } from './turnable-head.js';

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

/** How far fully raised brows go up, in inter-ocular distances. */
const BROWS_UP_IOD = 0.04;
/** One pixel in 16.16 fixed point. */
const ONE = 65_536;

/**
 * Turns the head of a photo by a few degrees. Every point goes by its depth: the nose far, the ears hardly; the neck
 * gives way, the shoulders and what is behind the head stay to the bit. Works on I420. One instance a stream; the head,
 * which is only read, may serve several.
 */
export class HeadTurnWarp {
  #widthPx: number;
  #heightPx: number;
  #head: TurnableHead;
  /** From each grid point to where it is read from, in 1/65536 luma pixels. */
  #dx: Int32Array;
  #dy: Int32Array;

  /** @param options.head of a photo of this size */
  constructor(options: { widthPx: number; heightPx: number; head: TurnableHead }) {
    this.#widthPx = options.widthPx;
    this.#heightPx = options.heightPx;
    this.#head = options.head;
    const count = this.#head.grid.weight.length;
    this.#dx = new Int32Array(count);
    this.#dy = new Int32Array(count);
  }

  /** Draws `source` turned by `turn` into `target`; both are I420 of the size given at creation, and distinct. */
  apply(source: Uint8Array, target: Uint8Array, turn: Readonly<HeadTurn>): void {
    const width = this.#widthPx;
    const height = this.#heightPx;
    const plane = width * height;
    const cell = this.#head.grid.cellPx;
    this.#place(turn);
    target.set(source);
    this.#warpPlane(source, target, 0, width, height, cell, 0);
    this.#warpPlane(source, target, plane, width >> 1, height >> 1, cell >> 1, 1);
    this.#warpPlane(source, target, plane + (plane >> 2), width >> 1, height >> 1, cell >> 1, 1);
  }

  #place(turn: Readonly<HeadTurn>): void {
    const { weight, depthPx, brows, cellPx, columns, rows, pivotX, pivotY, iodPx } = this.#head.grid;
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
    const { cells } = this.#head;
    const { columns, rows } = this.#head.grid;
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
    const { sides } = this.#head;
    const { alpha, plate } = this.#head.matte;
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

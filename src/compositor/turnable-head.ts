import type { FacePhoto } from './face-photo.js';
import { findHead } from './head-matte.js';
import type { HeadMatte } from './head-matte.js';
import { HeadShape } from './head-shape.js';
import type { HeadGrid } from './head-shape.js';

/** No outline of a head moves farther than this, in inter-ocular distances, at the turns that a photo makes. */
const FARTHEST_IOD = 0.075;

/** What is done with a cell of the grid: nothing, move it, or move it before a background that stays. */
export const STILL = 0;
export const MOVED = 1;
export const OUTLINE = 2;

/** What the matte says of a sample and of those to its right and below. */
export const HEAD = 0;
export const BEHIND = 1;
export const BOTH = 2;

/** A photo's head, ready to be turned. Plain data, so that it can be kept: finding it takes a tenth of a second. */
export interface TurnableHead {
  readonly grid: HeadGrid;
  readonly matte: HeadMatte;
  /** HEAD, BEHIND or BOTH for every sample of the I420 planes. */
  readonly sides: Uint8Array;
  /** STILL, MOVED or OUTLINE, one entry a cell, as many columns as grid points. */
  readonly cells: Uint8Array;
}

/** The landmarks must be a face's (HeadFrame). */
export function findTurnableHead(options: FacePhoto): TurnableHead {
  const { photo, widthPx, heightPx } = options;
  const shape = new HeadShape(options);
  const matte = findHead(photo, widthPx, heightPx, shape);
  const { cellPx, columns, rows, pivotX, pivotY, iodPx, weight, depthPx, brows } = shape;
  const grid = { cellPx, columns, rows, pivotX, pivotY, iodPx, weight, depthPx, brows };
  return {
    grid,
    matte,
    sides: sidesOf(matte.alpha, widthPx, heightPx),
    cells: cellsOf(matte.alpha, grid, widthPx, heightPx),
  };
}

function cellsOf(alpha: Uint8Array, grid: HeadGrid, widthPx: number, heightPx: number): Uint8Array {
  const { weight, columns, rows, cellPx, iodPx } = grid;
  const cells = new Uint8Array(weight.length);
  const least = new Uint8Array(weight.length).fill(255);
  const most = new Uint8Array(weight.length);
  for (let y = 0; y < heightPx; y += 1) {
    const first = Math.floor(y / cellPx) * columns;
    for (let x = 0; x < widthPx; x += 1) {
      const cell = first + Math.floor(x / cellPx);
      const value = alpha[y * widthPx + x]!;
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
      cells[g] = high === 0 ? STILL : low === 255 ? MOVED : OUTLINE;
    }
  }
  return cells;
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

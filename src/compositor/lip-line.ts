import { INNER_LIP_LOWER, INNER_LIP_UPPER } from '../media/face-topology.js';
import type { HeadFrame } from './head-frame.js';
import type { RgbPatch } from './raster.js';
import { smoothstep } from './smooth.js';

/** Of red, green, blue: light in the fold is reddened. */
const DARKNESS = [0.27, 0.38, 0.36];

/**
 * Draws the dark line between lips where they touch, by `amount` (0..1): where the picture's own mouth is open, its lips have no
 * such line to bring along. It also hides the seam of the two lips' colours. `to` holds x, y of each landmark.
 */
export function drawLipLine(
  patch: RgbPatch,
  to: Float32Array,
  offsetX: number,
  offsetY: number,
  amount: number,
  head: HeadFrame,
): void {
  const { iodPx, downX, downY } = head;
  const radius = Math.max(1.2, 0.012 * iodPx);
  const row = patch.widthPx * 3;
  for (let column = 0; column < 10; column += 1) {
    const upperA = INNER_LIP_UPPER[column]! * 2;
    const lowerA = INNER_LIP_LOWER[column]! * 2;
    const upperB = INNER_LIP_UPPER[column + 1]! * 2;
    const lowerB = INNER_LIP_LOWER[column + 1]! * 2;
    const ax = (to[upperA]! + to[lowerA]!) / 2 - offsetX;
    const ay = (to[upperA + 1]! + to[lowerA + 1]!) / 2 - offsetY;
    const bx = (to[upperB]! + to[lowerB]!) / 2 - offsetX;
    const by = (to[upperB + 1]! + to[lowerB + 1]!) / 2 - offsetY;
    const gapA = (to[lowerA]! - to[upperA]!) * downX + (to[lowerA + 1]! - to[upperA + 1]!) * downY;
    const gapB = (to[lowerB]! - to[upperB]!) * downX + (to[lowerB + 1]! - to[upperB + 1]!) * downY;
    if (gapA > 0.02 * iodPx && gapB > 0.02 * iodPx) continue;
    // Every pixel column belongs to one segment only, so that no spot is darkened twice.
    const firstX = Math.max(0, Math.ceil(Math.min(ax, bx) - 0.5));
    const endX = Math.min(patch.widthPx, Math.ceil(Math.max(ax, bx) - 0.5));
    for (let x = firstX; x < endX; x += 1) {
      const middle = ay + ((by - ay) * (x + 0.5 - ax)) / (bx - ax);
      const firstY = Math.max(1, Math.floor(middle - radius));
      const lastY = Math.min(patch.heightPx - 2, Math.ceil(middle + radius));
      // It fades towards the corners, where most pictures have a dark fold already.
      const part = (x + 0.5 - ax) / (bx - ax);
      const along = column + part;
      const touching = smoothstep(0.02 * iodPx, 0, gapA + (gapB - gapA) * part);
      const strength = amount * touching * Math.min(1, 0.25 + 0.5 * Math.min(along, 10 - along));
      for (let y = firstY; y <= lastY; y += 1) {
        const away = Math.abs(y + 0.5 - middle) / radius;
        if (away >= 1) continue;
        const near = (1 - away * away) * strength;
        const at = y * row + x * 3;
        for (let channel = 0; channel < 3; channel += 1) {
          const i = at + channel;
          const own = patch.data[i]!;
          const around = (patch.data[i - row]! + 2 * own + patch.data[i + row]!) / 4;
          patch.data[i] = (own + (around - own) * near) * (1 - DARKNESS[channel]! * near);
        }
      }
    }
  }
}

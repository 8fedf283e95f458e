import { INNER_LIP_LOWER, INNER_LIP_UPPER } from '../media/face-topology.js';
import type { FaceWarp } from './face-warp.js';
import type { HeadFrame } from './head-frame.js';
import { LipCurve } from './lip-curve.js';
import { luma } from './mouth-look.js';
import type { MouthLook } from './mouth-look.js';
import type { RgbPatch } from './raster.js';
import { smoothstep } from './smooth.js';

const CAVITY = [48, 18, 18];
const TONGUE = [158, 76, 78];
/** Half of the upper teeth's borders from the middle outwards, in iod: incisors, canine, and two behind. */
const TOOTH_BORDERS = [0, 0.086, 0.15, 0.205, 0.25, 0.285];
const LOWER_BORDERS = [0, 0.05, 0.105];
const MAX_COLUMNS = 2048;

/**
 * Paints what is seen between the lips: cavity, tongue, lower teeth, upper teeth fixed to the skull, the lips' shadow.
 * Real teeth that the picture shows there are kept. Buffers are reused; one instance a stream.
 */
export class MouthInterior {
  #upper = new LipCurve();
  #lower = new LipCurve();
  #up = new Float32Array(MAX_COLUMNS);
  #low = new Float32Array(MAX_COLUMNS);
  #sourceUp = new Float32Array(MAX_COLUMNS);
  #sourceLow = new Float32Array(MAX_COLUMNS);
  #toothEdge = new Float32Array(MAX_COLUMNS);
  #toothShade = new Float32Array(MAX_COLUMNS);
  #colour = new Float32Array(3);

  /** `offsetX/Y` is the patches' top left corner in the picture. `strength` 0..1 fades all of it. */
  paint(
    target: RgbPatch,
    source: RgbPatch,
    offsetX: number,
    offsetY: number,
    warp: FaceWarp,
    head: HeadFrame,
    look: MouthLook,
    strength: number,
    round: number,
  ): void {
    const { acrossX, acrossY, iodPx } = head;
    const { from, to } = warp;
    const originX = (to[78 * 2]! + to[308 * 2]!) / 2;
    const originY = (to[78 * 2 + 1]! + to[308 * 2 + 1]!) / 2;
    this.#upper.set(to, INNER_LIP_UPPER, originX, originY, acrossX, acrossY);
    this.#lower.set(to, INNER_LIP_LOWER, originX, originY, acrossX, acrossY);
    const firstU = Math.floor(Math.min(this.#upper.left, this.#lower.left)) - 1;
    const count = Math.min(
      MAX_COLUMNS,
      Math.ceil(Math.max(this.#upper.right, this.#lower.right)) + 2 - firstU,
    );
    const up = this.#up;
    const low = this.#low;
    this.#upper.sample(firstU, count, up);
    this.#lower.sample(firstU, count, low);
    let lowestV = -Infinity;
    let highestV = Infinity;
    let widestGap = 0;
    for (let k = 0; k < count; k += 1) {
      if (low[k]! > lowestV) lowestV = low[k]!;
      if (up[k]! < highestV) highestV = up[k]!;
      if (low[k]! - up[k]! > widestGap) widestGap = low[k]! - up[k]!;
    }
    this.#upper.set(from, INNER_LIP_UPPER, originX, originY, acrossX, acrossY);
    this.#lower.set(from, INNER_LIP_LOWER, originX, originY, acrossX, acrossY);
    const sourceUp = this.#sourceUp;
    const sourceLow = this.#sourceLow;
    this.#upper.sample(firstU, count, sourceUp);
    this.#lower.sample(firstU, count, sourceLow);
    const sourceLeft = Math.max(this.#upper.left, this.#lower.left);
    const sourceRight = Math.min(this.#upper.right, this.#lower.right);
    const sourceOpen = smoothstep(0.02, 0.045, warp.gapBefore);

    if (sourceOpen > 0.5) {
      this.#measureTeeth(
        source,
        originX - offsetX,
        originY - offsetY,
        firstU,
        count,
        head,
        warp.insetPx,
        look,
      );
    }
    const realTeeth = sourceOpen * look.keepTeeth;

    // Where the skull's teeth are, from the picture's own upper lip as it would hang with the mouth shut.
    const middleX = from[13 * 2]! - originX;
    const middleY = from[13 * 2 + 1]! - originY;
    const middleU = middleX * acrossX + middleY * acrossY;
    const lipV = middleY * acrossX - middleX * acrossY;
    let edgeV = lipV + (0.2 * warp.gapBefore + 0.032) * iodPx;
    const middleK = Math.min(count - 1, Math.max(0, Math.round(middleU - firstU)));
    if (realTeeth > 0) {
      edgeV += realTeeth * (Math.max(edgeV, Math.min(sourceLow[middleK]!, edgeV + 0.02 * iodPx)) - edgeV);
    }
    const unpursed = 1 - 0.65 * smoothstep(0.2, 0.9, round);
    this.#fillTeeth(count, firstU, middleU, edgeV, iodPx, unpursed);

    const gapIod = widestGap / iodPx;
    const light = look.light * (0.64 + 0.36 * smoothstep(0.02, 0.15, gapIod));
    const threshold = look.toothThreshold;
    const tongueV = low[middleK]! + (0.035 - 0.02 * smoothstep(0.04, 0.14, gapIod)) * iodPx;
    const tongueRadiusU = 0.2 * iodPx;
    const tongueRadiusV = (0.03 + 0.42 * gapIod) * iodPx;
    const lowerTooth = 0.03 * smoothstep(0.07, 0.17, gapIod) * iodPx;
    const lowerTopV = low[middleK]! - lowerTooth;
    const cornerSpanX = Math.abs(acrossX) * count + Math.abs(acrossY) * (lowestV - highestV);
    const cornerSpanY = Math.abs(acrossY) * count + (lowestV - highestV) * Math.abs(acrossX);
    const firstX = Math.max(0, Math.floor(originX - offsetX - cornerSpanX / 2 - 2));
    const lastX = Math.min(target.widthPx - 1, Math.ceil(originX - offsetX + cornerSpanX / 2 + 2));
    const firstY = Math.max(0, Math.floor(originY - offsetY + Math.min(highestV, 0) - cornerSpanY / 2 - 2));
    const lastY = Math.min(
      target.heightPx - 1,
      Math.ceil(originY - offsetY + Math.max(lowestV, 0) + cornerSpanY / 2 + 2),
    );
    const colour = this.#colour;
    for (let y = firstY; y <= lastY; y += 1) {
      const dy = y + 0.5 + offsetY - originY;
      for (let x = firstX; x <= lastX; x += 1) {
        const dx = x + 0.5 + offsetX - originX;
        const u = dx * acrossX + dy * acrossY;
        const position = u - firstU;
        if (position < 0 || position >= count - 1) continue;
        const k = position | 0;
        const t = position - k;
        const v = dy * acrossX - dx * acrossY;
        const fromUpper = v - (up[k]! + (up[k + 1]! - up[k]!) * t);
        const fromLower = low[k]! + (low[k + 1]! - low[k]!) * t - v;
        const gap = fromUpper + fromLower;
        const inside = (fromUpper < fromLower ? fromUpper : fromLower) + 0.5;
        if (inside <= 0 || gap <= 0.25) continue;
        let alpha = (inside < 1 ? inside : 1) * strength;
        if (gap < 2) alpha *= (gap - 0.25) / 1.75;

        // Behind everything: the cavity, darker upwards where no light gets in.
        const depth = 0.65 + 0.5 * smoothstep(0, 0.16 * iodPx, fromUpper);
        let red = CAVITY[0]! * light * depth;
        let green = CAVITY[1]! * light * depth;
        let blue = CAVITY[2]! * light * depth;

        const tongueU = (u - middleU) / tongueRadiusU;
        const tongueAway = (v - tongueV) / tongueRadiusV;
        const tongue = 1 - tongueU * tongueU - tongueAway * tongueAway;
        if (tongue > 0) {
          const cover = smoothstep(0, 0.5, tongue) * 0.92;
          const shade = light * (0.42 + 0.42 * tongue);
          red += (TONGUE[0]! * shade - red) * cover;
          green += (TONGUE[1]! * shade - green) * cover;
          blue += (TONGUE[2]! * shade - blue) * cover;
        }

        const across = Math.abs(u - middleU) / iodPx;
        // The lower row is nearly straight, so the lip that bends up hides all but its middle.
        const overLower = v - lowerTopV - 0.25 * across * across * iodPx;
        if (lowerTooth > 0.5 && overLower > -0.5 && across < 0.16) {
          const cover = Math.min(1, overLower + 0.5) * smoothstep(0.16, 0.1, across) * 0.9;
          const shade =
            (0.66 - across) *
            light *
            (1 - 0.12 * smoothstep(0.006, 0, borderDistance(across, LOWER_BORDERS)));
          red += (look.tooth[0]! * shade - red) * cover;
          green += (look.tooth[1]! * shade * 0.97 - green) * cover;
          blue += (look.tooth[2]! * shade * 0.94 - blue) * cover;
        }

        const toothCover = Math.min(1, this.#toothEdge[k]! + 0.5 - v);
        if (toothCover > 0 && this.#toothShade[k]! > 0) {
          // Thin and see-through at the edge, in the dark towards the gum.
          const shade =
            this.#toothShade[k]! * light * (1 - 0.12 * smoothstep(0.012 * iodPx, 0, this.#toothEdge[k]! - v));
          const cover = toothCover * smoothstep(0, 0.35, this.#toothShade[k]!);
          red += (look.tooth[0]! * shade - red) * cover;
          green += (look.tooth[1]! * shade - green) * cover;
          blue += (look.tooth[2]! * shade - blue) * cover;
        }

        // The upper lip throws a shadow on all that; the corners and the lower lip's rim lie in the dark as well.
        const shadow =
          (0.5 + 0.5 * smoothstep(-0.004 * iodPx, 0.032 * iodPx, fromUpper)) *
          (0.72 + 0.28 * smoothstep(0, 0.014 * iodPx, fromLower)) *
          (0.6 + 0.4 * smoothstep(0, 0.05 * iodPx, gap));
        colour[0] = red * shadow;
        colour[1] = green * shadow;
        colour[2] = blue * shadow;

        const at = (y * target.widthPx + x) * 3;
        if (realTeeth > 0 && u > sourceLeft && u < sourceRight) {
          const insideSource = Math.min(v - sourceUp[k]!, sourceLow[k]! - v) - warp.insetPx;
          if (insideSource > 0.5) {
            const r = source.data[at]!;
            const g = source.data[at + 1]!;
            const b = source.data[at + 2]!;
            const toothLike = toothLikeness(r, g, b, threshold);
            const keep =
              realTeeth *
              unpursed *
              toothLike *
              smoothstep(0.5, 3, insideSource) *
              smoothstep(edgeV + 0.05 * iodPx, edgeV + 0.02 * iodPx, v);
            const lit = 0.62 + 0.38 * smoothstep(0, 0.025 * iodPx, fromUpper);
            colour[0] = colour[0]! + (r * lit - colour[0]!) * keep;
            colour[1] = colour[1]! + (g * lit - colour[1]!) * keep;
            colour[2] = colour[2]! + (b * lit - colour[2]!) * keep;
          }
        }

        const pixel = target.data;
        pixel[at] = pixel[at]! + (colour[0]! - pixel[at]!) * alpha + 0.5;
        pixel[at + 1] = pixel[at + 1]! + (colour[1]! - pixel[at + 1]!) * alpha + 0.5;
        pixel[at + 2] = pixel[at + 2]! + (colour[2]! - pixel[at + 2]!) * alpha + 0.5;
      }
    }
  }

  /** Looks for teeth in the picture's own open mouth, at every second pixel. */
  #measureTeeth(
    source: RgbPatch,
    originX: number,
    originY: number,
    firstU: number,
    count: number,
    head: HeadFrame,
    insetPx: number,
    look: MouthLook,
  ): void {
    const { acrossX, acrossY } = head;
    const threshold = look.toothThreshold;
    let red = 0;
    let green = 0;
    let blue = 0;
    let teeth = 0;
    let pixels = 0;
    for (let k = 0; k < count; k += 2) {
      for (let v = this.#sourceUp[k]! + insetPx + 1; v < this.#sourceLow[k]! - insetPx - 1; v += 2) {
        const u = firstU + k;
        const x = Math.floor(originX + u * acrossX - v * acrossY);
        const y = Math.floor(originY + u * acrossY + v * acrossX);
        if (x < 0 || y < 0 || x >= source.widthPx || y >= source.heightPx) continue;
        const at = (y * source.widthPx + x) * 3;
        pixels += 1;
        if (toothLikeness(source.data[at]!, source.data[at + 1]!, source.data[at + 2]!, threshold) < 0.7)
          continue;
        red += source.data[at]!;
        green += source.data[at + 1]!;
        blue += source.data[at + 2]!;
        teeth += 1;
      }
    }
    if (pixels < 8) return;
    const n = Math.max(1, teeth);
    look.lookAtTeeth(red / n, green / n, blue / n, teeth, pixels);
  }

  /** For each column: where the upper teeth end (v) and how brightly they are lit (0: no tooth there). */
  #fillTeeth(
    count: number,
    firstU: number,
    middleU: number,
    edgeV: number,
    iodPx: number,
    lit: number,
  ): void {
    for (let k = 0; k < count; k += 1) {
      const across = Math.abs(firstU + k - middleU) / iodPx;
      const nearest = borderDistance(across, TOOTH_BORDERS);
      // The row bends up towards the cheeks; second incisors are a little shorter; rounded at the borders, barely.
      const shorter = 0.006 * smoothstep(0.076, 0.094, across) * smoothstep(0.16, 0.142, across);
      const notch = 0.007 * smoothstep(0.02, 0, nearest) ** 2;
      this.#toothEdge[k] = edgeV - (0.5 * across * across + shorter + notch) * iodPx;
      // Each tooth is a little brighter in its middle; the line between two is soft.
      const line = 1 - 0.09 * smoothstep(0.03, 0, nearest) - 0.08 * smoothstep(0.008, 0, nearest);
      this.#toothShade[k] = lit * line * (1 - 6 * across * across) * smoothstep(0.3, 0.2, across);
    }
  }
}

/** 0..1: bright enough, and not as red as lips and tongue. */
function toothLikeness(red: number, green: number, blue: number, threshold: number): number {
  return (
    smoothstep(0.7 * threshold, threshold, luma(red, green, blue)) * smoothstep(0.62, 0.74, green / (red + 1))
  );
}

function borderDistance(across: number, borders: readonly number[]): number {
  let nearest = 1;
  for (const border of borders) nearest = Math.min(nearest, Math.abs(across - border));
  return nearest;
}

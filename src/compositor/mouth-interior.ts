import { INNER_LIP_LOWER, INNER_LIP_UPPER, NOSE_BASE } from '../media/face-topology.js';
import type { MouthShape } from '../media/frame.js';
import type { FaceWarp } from './face-warp.js';
import type { HeadFrame } from './head-frame.js';
import { LipCurve } from './lip-curve.js';
import type { MouthFit } from './mouth-fit.js';
import { luma } from './mouth-look.js';
import type { MouthLook } from './mouth-look.js';
import type { RgbPatch } from './raster.js';
import { smoothstep } from './smooth.js';
import { LOWER_TEETH, TeethRow, UPPER_TEETH } from './teeth-row.js';

const CAVITY = [72, 27, 26];
const TONGUE = [172, 84, 84];
const MAX_COLUMNS = 2048;
/** How far the teeth's front lies behind the lips' inner edge; a turned head shows it beside them. */
const TEETH_BEHIND_IOD = 0.05;
/** How far the upper teeth hang below the upper lip of a shut mouth. */
const TEETH_BELOW_LIP_IOD = 0.02;

/**
 * Paints what is seen between the lips: cavity, tongue, lower teeth with the jaw, upper teeth fixed to the skull, the
 * lips' shadow. Real teeth of a lasting smile are kept. Buffers are reused; one instance a stream.
 */
export class MouthInterior {
  #fit: MouthFit;
  #upper = new LipCurve();
  #lower = new LipCurve();
  #up = new Float32Array(MAX_COLUMNS);
  #low = new Float32Array(MAX_COLUMNS);
  #sourceUp = new Float32Array(MAX_COLUMNS);
  #sourceLow = new Float32Array(MAX_COLUMNS);
  #columnLight = new Float32Array(MAX_COLUMNS);
  #upperTeeth = new TeethRow(UPPER_TEETH, MAX_COLUMNS);
  #lowerTeeth = new TeethRow(LOWER_TEETH, MAX_COLUMNS);
  #colour = new Float32Array(3);
  #cavity = new Float32Array(3);
  #flesh = new Float32Array(3);

  constructor(fit: MouthFit) {
    this.#fit = fit;
  }

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
    mouth: Readonly<MouthShape>,
  ): void {
    const { acrossX, acrossY, iodPx, axes } = head;
    const { from, to } = warp;
    const { toothSize, talks, lipRest } = this.#fit;
    const originX = (to[78 * 2]! + to[308 * 2]!) / 2;
    const originY = (to[78 * 2 + 1]! + to[308 * 2 + 1]!) / 2;
    this.#upper.set(to, INNER_LIP_UPPER, originX, originY, acrossX, acrossY);
    this.#lower.set(to, INNER_LIP_LOWER, originX, originY, acrossX, acrossY);
    const left = Math.min(this.#upper.left, this.#lower.left);
    const right = Math.max(this.#upper.right, this.#lower.right);
    const firstU = Math.floor(left) - 1;
    const count = Math.min(MAX_COLUMNS, Math.ceil(right) + 2 - firstU);
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
    const patchX = originX - offsetX;
    const patchY = originY - offsetY;
    if (sourceOpen > 0.5) this.#measureTeeth(source, patchX, patchY, firstU, count, head, warp.insetPx, look);
    // In footage that talks, teeth seen in one picture are gone in the next.
    const realTeeth = sourceOpen * look.keepTeeth * (1 - talks);

    // Where the skull's teeth are: below the upper lip as it hangs with the mouth shut.
    const [restX, restY, restZ] = lipRest;
    const noseX = from[NOSE_BASE * 2]! - originX;
    const noseY = from[NOSE_BASE * 2 + 1]! - originY;
    const middleX = noseX + iodPx * (restX * axes[0]! + restY * axes[3]! + restZ * axes[6]!);
    const middleY = noseY + iodPx * (restX * axes[1]! + restY * axes[4]! + restZ * axes[7]!);
    const lipU = middleX * acrossX + middleY * acrossY;
    const lipV = middleY * acrossX - middleX * acrossY;
    const middleU = lipU + TEETH_BEHIND_IOD * iodPx * (axes[6]! * acrossX + axes[7]! * acrossY);
    const middleK = Math.min(count - 1, Math.max(0, Math.round(lipU - firstU)));
    let edgeV = lipV + TEETH_BELOW_LIP_IOD * iodPx;
    if (realTeeth > 0) {
      const shown = Math.max(edgeV, Math.min(sourceLow[middleK]!, edgeV + 0.035 * iodPx));
      edgeV += realTeeth * (shown - edgeV);
    }
    const gapIod = widestGap / iodPx;
    // Mouths sit askew to the eyes in many faces and lenses; the teeth lie between the two.
    const cornerX = from[308 * 2]! - from[78 * 2]!;
    const cornerY = from[308 * 2 + 1]! - from[78 * 2 + 1]!;
    const slope =
      (0.6 * (cornerY * acrossX - cornerX * acrossY)) / Math.max(1, cornerX * acrossX + cornerY * acrossY);
    this.#upperTeeth.fill(head, count, firstU, middleU, edgeV, slope, toothSize, 1);
    const lowerShow = 0.026 * smoothstep(0.09, 0.19, gapIod) * iodPx;
    // A row of a pixel or two would only be an outline.
    const lowerCover = smoothstep(0.8, 3.5, lowerShow);
    this.#lowerTeeth.fill(
      head,
      count,
      firstU,
      middleU,
      low[middleK]! - lowerShow,
      slope,
      0.95 * toothSize,
      -1,
    );
    const upperEdge = this.#upperTeeth.edge;
    const upperShade = this.#upperTeeth.shade;
    const lowerEdge = this.#lowerTeeth.edge;
    const lowerShade = this.#lowerTeeth.shade;
    this.#fillLight(count, firstU, left, right, iodPx, look, gapIod);
    const columnLight = this.#columnLight;

    const pursed = smoothstep(0.2, 0.9, mouth.round);
    const teethLight = 1 - 0.65 * pursed;
    const light = look.light;
    const cavity = tinted(this.#cavity, CAVITY, look);
    const flesh = tinted(this.#flesh, TONGUE, look);
    const threshold = look.toothThreshold;
    const tongueV = low[middleK]! + (0.04 - 0.025 * smoothstep(0.04, 0.14, gapIod)) * iodPx;
    const tongueRadiusU = 0.19 * iodPx;
    const tongueRadiusV = (0.03 + 0.45 * gapIod) * iodPx;
    const tipUp = smoothstep(0.1, 0.9, mouth.tongue);
    const tipBaseV = Math.max(low[middleK]!, edgeV) + 0.01 * iodPx;
    const tipTopV = tipBaseV + (edgeV - 0.012 * iodPx - tipBaseV) * tipUp;
    const tipRadiusU = 0.115 * iodPx;
    const softPx = Math.min(2.6, Math.max(1, 0.011 * iodPx));
    const shadowPx = 0.04 * iodPx;
    const spanX = Math.abs(acrossX) * count + Math.abs(acrossY) * (lowestV - highestV);
    const spanY = Math.abs(acrossY) * count + (lowestV - highestV) * Math.abs(acrossX);
    const firstX = Math.max(0, Math.floor(patchX - spanX / 2 - 2));
    const lastX = Math.min(target.widthPx - 1, Math.ceil(patchX + spanX / 2 + 2));
    const firstY = Math.max(0, Math.floor(patchY + Math.min(highestV, 0) - spanY / 2 - 2));
    const lastY = Math.min(target.heightPx - 1, Math.ceil(patchY + Math.max(lowestV, 0) + spanY / 2 + 2));
    const colour = this.#colour;
    const pixel = target.data;
    const tooth = look.tooth;
    for (let y = firstY; y <= lastY; y += 1) {
      const dy = y + 0.5 - patchY;
      for (let x = firstX; x <= lastX; x += 1) {
        const dx = x + 0.5 - patchX;
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
        let alpha = (inside < softPx ? inside / softPx : 1) * strength;
        if (gap < 2) alpha *= (gap - 0.25) / 1.75;

        // Behind everything: the cavity, darker upwards where no light gets in.
        const depth = light * (0.66 + 0.5 * smoothstep(0, 0.16 * iodPx, fromUpper));
        let red = cavity[0]! * depth;
        let green = cavity[1]! * depth;
        let blue = cavity[2]! * depth;

        const tongueU = (u - middleU) / tongueRadiusU;
        const tongueAway = (v - tongueV) / tongueRadiusV;
        const tongue = 1 - tongueU * tongueU - tongueAway * tongueAway;
        if (tongue > 0) {
          const cover = smoothstep(0, 0.6, tongue) * 0.9;
          // A groove along the middle, brighter towards the front.
          const groove = 1 - 0.14 * smoothstep(0.16, 0, Math.abs(tongueU));
          const shade = light * (0.4 + 0.42 * tongue) * groove;
          red += (flesh[0]! * shade - red) * cover;
          green += (flesh[1]! * shade - green) * cover;
          blue += (flesh[2]! * shade - blue) * cover;
        }

        const lowerFrom = v - lowerEdge[k]!;
        if (lowerCover > 0 && lowerFrom > -0.5 && lowerShade[k]! > 0) {
          const cover = lowerCover * Math.min(1, lowerFrom + 0.5) * smoothstep(0.3, 0.7, lowerShade[k]!);
          const shade = lowerShade[k]! * 0.74;
          red += (tooth[0]! * shade - red) * cover;
          green += (tooth[1]! * shade * 0.97 - green) * cover;
          blue += (tooth[2]! * shade * 0.94 - blue) * cover;
        }

        const upperFrom = upperEdge[k]! - v;
        if (upperFrom > -0.5 && upperShade[k]! > 0) {
          // Thin and see-through at the edge.
          const shade = upperShade[k]! * teethLight * (1 - 0.14 * smoothstep(0.016 * iodPx, 0, upperFrom));
          const cover = Math.min(1, upperFrom + 0.5) * smoothstep(0, 0.4, upperShade[k]!);
          red += (tooth[0]! * shade - red) * cover;
          green += (tooth[1]! * shade - green) * cover;
          blue += (tooth[2]! * shade - blue) * cover;
        }

        if (tipUp > 0 && v > tipTopV - 1) {
          const tipU = (u - middleU) / tipRadiusU;
          const tipV = Math.max(0, 1 - (v - tipTopV) / (0.06 * iodPx));
          const tip = 1 - tipU * tipU - tipV * tipV;
          if (tip > 0) {
            const cover = smoothstep(0, 0.25, tip) * tipUp;
            const shade = light * (0.62 + 0.3 * tip);
            red += (flesh[0]! * shade - red) * cover;
            green += (flesh[1]! * shade - green) * cover;
            blue += (flesh[2]! * shade - blue) * cover;
          }
        }

        // The upper lip throws a shadow on all that, the corners lie in the dark. Light that gets there is reddened.
        const shadow =
          columnLight[k]! *
          (0.66 + 0.34 * smoothstep(-0.2 * shadowPx, shadowPx, fromUpper)) *
          (0.84 + 0.16 * smoothstep(0, 0.014 * iodPx, fromLower));
        const warm = shadow < 1 ? 0.22 * shadow * (1 - shadow) : 0;
        colour[0] = red * (shadow + warm);
        colour[1] = green * (shadow - 0.3 * warm);
        colour[2] = blue * (shadow - 0.3 * warm);

        const at = (y * target.widthPx + x) * 3;
        if (realTeeth > 0 && u > sourceLeft && u < sourceRight) {
          const insideSource = Math.min(v - sourceUp[k]!, sourceLow[k]! - v) - warp.insetPx;
          if (insideSource > 0.5) {
            const r = source.data[at]!;
            const g = source.data[at + 1]!;
            const b = source.data[at + 2]!;
            const keep =
              realTeeth *
              teethLight *
              toothLikeness(r, g, b, threshold) *
              smoothstep(0.5, 3, insideSource) *
              smoothstep(edgeV + 0.05 * iodPx, edgeV + 0.02 * iodPx, v);
            const lit = 0.62 + 0.38 * smoothstep(0, 0.025 * iodPx, fromUpper);
            colour[0] = colour[0]! + (r * lit - colour[0]!) * keep;
            colour[1] = colour[1]! + (g * lit - colour[1]!) * keep;
            colour[2] = colour[2]! + (b * lit - colour[2]!) * keep;
          }
        }

        pixel[at] = pixel[at]! + (colour[0]! - pixel[at]!) * alpha + 0.5;
        pixel[at + 1] = pixel[at + 1]! + (colour[1]! - pixel[at + 1]!) * alpha + 0.5;
        pixel[at + 2] = pixel[at + 2]! + (colour[2]! - pixel[at + 2]!) * alpha + 0.5;
      }
    }
  }

  /** For each column: how much light gets there. Less towards the corners, more on the side the light comes from. */
  #fillLight(
    count: number,
    firstU: number,
    left: number,
    right: number,
    iodPx: number,
    look: MouthLook,
    gapIod: number,
  ): void {
    const middle = (left + right) / 2;
    const all = 0.68 + 0.32 * smoothstep(0.01, 0.09, gapIod);
    for (let k = 0; k < count; k += 1) {
      const u = firstU + k;
      const fromCorner = Math.min(u - left, right - u) / iodPx;
      const side = 1 + (look.slant * (u - middle)) / iodPx;
      this.#columnLight[k] = all * side * (0.58 + 0.42 * smoothstep(0, 0.1, fromCorner));
    }
  }

  /** Looks for teeth in the picture's own open mouth, at every second pixel. */
  #measureTeeth(
    source: RgbPatch,
    patchX: number,
    patchY: number,
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
        const x = Math.floor(patchX + u * acrossX - v * acrossY);
        const y = Math.floor(patchY + u * acrossY + v * acrossX);
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
}

function tinted(target: Float32Array, colour: readonly number[], look: MouthLook): Float32Array {
  for (let i = 0; i < 3; i += 1) target[i] = colour[i]! * look.cast[i]!;
  return target;
}

/** 0..1: bright enough, and not as red as lips and tongue. */
function toothLikeness(red: number, green: number, blue: number, threshold: number): number {
  return (
    smoothstep(0.7 * threshold, threshold, luma(red, green, blue)) * smoothstep(0.62, 0.74, green / (red + 1))
  );
}

/**
 * The geometry and the decoding of SimCC landmark models (RTMPose, DWPose): the whole picture as the person's box,
 * warped upright into the model's input, and one vector a point and axis as the answer. Numbers follow mmpose 1.1
 * (top-down affine without UDP, box padding 1.25, split ratio 2) and OpenCV's 8-bit warpAffine.
 */
import type { RgbImage } from '../media/frame.js';

/** Room around the person's box. */
const PADDING = 1.25;
/** SimCC bins a pixel of the input. */
export const SPLIT_RATIO = 2;
/** OpenCV looks bilinear weights up in steps of 1/32 pixel and walks along a row in steps of 1/1024. */
const SUBPIXELS = 32;
const STEPS = 1024;

const MEAN_RGB = [123.675, 116.28, 103.53] as const;
const STD_RGB = [58.395, 57.12, 57.375] as const;

interface Size {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Where the model's input lies in the picture: `scale` pixels of the picture around `centre`. */
export interface SimccGeometry {
  readonly centreX: number;
  readonly centreY: number;
  readonly scaleWidthPx: number;
  readonly scaleHeightPx: number;
  readonly input: Size;
  /** Input pixel = factor * picture pixel + offset. */
  readonly factor: number;
  readonly offsetX: number;
  readonly offsetY: number;
}

/** The whole picture is the person: padded, then widened or heightened to the input's proportions. */
export function wholePictureGeometry(picture: Size, input: Size): SimccGeometry {
  const proportion = input.widthPx / input.heightPx;
  let scaleWidthPx = picture.widthPx * PADDING;
  let scaleHeightPx = picture.heightPx * PADDING;
  if (scaleWidthPx > proportion * scaleHeightPx) scaleHeightPx = scaleWidthPx / proportion;
  else scaleWidthPx = scaleHeightPx * proportion;
  const centreX = picture.widthPx / 2;
  const centreY = picture.heightPx / 2;
  const factor = input.widthPx / scaleWidthPx;
  return {
    centreX,
    centreY,
    scaleWidthPx,
    scaleHeightPx,
    input,
    factor,
    offsetX: input.widthPx / 2 - factor * centreX,
    offsetY: input.heightPx / 2 - factor * centreY,
  };
}

/** The picture in the model's input, packed RGB: bilinear in whole bytes as OpenCV rounds them, black outside. */
export function warpToInput(image: RgbImage, geometry: SimccGeometry): RgbImage {
  const { widthPx, heightPx } = geometry.input;
  const warped = new Uint8Array(widthPx * heightPx * 3);
  const columns = tapsOf(widthPx, geometry.factor, geometry.offsetX);
  const rows = tapsOf(heightPx, geometry.factor, geometry.offsetY);
  for (let y = 0; y < heightPx; y++) {
    const top = rows.first[y]!;
    const low = rows.part[y]!;
    if (top < -1 || top >= image.heightPx) continue;
    const topWeight = top >= 0 ? SUBPIXELS - low : 0;
    const lowWeight = top + 1 < image.heightPx ? low : 0;
    const topRow = Math.max(top, 0) * image.widthPx * 3;
    const lowRow = Math.min(top + 1, image.heightPx - 1) * image.widthPx * 3;
    for (let x = 0; x < widthPx; x++) {
      const left = columns.first[x]!;
      const right = columns.part[x]!;
      if (left < -1 || left >= image.widthPx) continue;
      const leftWeight = left >= 0 ? SUBPIXELS - right : 0;
      const rightWeight = left + 1 < image.widthPx ? right : 0;
      const leftAt = Math.max(left, 0) * 3;
      const rightAt = Math.min(left + 1, image.widthPx - 1) * 3;
      const at = (y * widthPx + x) * 3;
      for (let channel = 0; channel < 3; channel++) {
        const sum =
          topWeight *
            (leftWeight * image.data[topRow + leftAt + channel]! +
              rightWeight * image.data[topRow + rightAt + channel]!) +
          lowWeight *
            (leftWeight * image.data[lowRow + leftAt + channel]! +
              rightWeight * image.data[lowRow + rightAt + channel]!);
        warped[at + channel] = (sum + 512) >> 10;
      }
    }
  }
  return { widthPx, heightPx, data: warped };
}

/** For each input pixel the picture pixel at or before its source, and the rest in 1/32 pixel. */
function tapsOf(length: number, factor: number, offset: number): { first: Int32Array; part: Uint8Array } {
  const first = new Int32Array(length);
  const part = new Uint8Array(length);
  const start = roundHalfEven((-offset / factor) * STEPS) + STEPS / SUBPIXELS / 2;
  for (let i = 0; i < length; i++) {
    const position = (start + roundHalfEven((i / factor) * STEPS)) >> 5;
    first[i] = position >> 5;
    part[i] = position & (SUBPIXELS - 1);
  }
  return { first, part };
}

function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Planes R, G, B of ImageNet-normalised floats, 3 x height x width; `mirrored` turns left and right about. */
export function normalisedInput(warped: RgbImage, mirrored = false): Float32Array {
  const { widthPx, heightPx, data } = warped;
  const plane = widthPx * heightPx;
  const input = new Float32Array(3 * plane);
  for (let channel = 0; channel < 3; channel++) {
    const levels = Float32Array.from({ length: 256 }, (_, v) => (v - MEAN_RGB[channel]!) / STD_RGB[channel]!);
    for (let y = 0; y < heightPx; y++) {
      for (let x = 0; x < widthPx; x++) {
        const from = y * widthPx + (mirrored ? widthPx - 1 - x : x);
        input[channel * plane + y * widthPx + x] = levels[data[from * 3 + channel]!]!;
      }
    }
  }
  return input;
}

/** SimCC vectors of `pointCount` points: xBins and yBins values each, one point behind the other. */
export interface SimccVectors {
  readonly pointCount: number;
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** The mean of two answers, the second one to the mirrored input; `pairs` names each point's mirror image. */
export function averageWithMirrored(
  straight: SimccVectors,
  mirrored: SimccVectors,
  mirrorOf: (point: number) => number,
): SimccVectors {
  const { pointCount } = straight;
  const xBins = straight.x.length / pointCount;
  const yBins = straight.y.length / pointCount;
  const x = new Float32Array(straight.x.length);
  const y = new Float32Array(straight.y.length);
  for (let point = 0; point < pointCount; point++) {
    const other = mirrorOf(point);
    for (let bin = 0; bin < xBins; bin++) {
      x[point * xBins + bin] =
        (straight.x[point * xBins + bin]! + mirrored.x[other * xBins + xBins - 1 - bin]!) * 0.5;
    }
    for (let bin = 0; bin < yBins; bin++) {
      y[point * yBins + bin] = (straight.y[point * yBins + bin]! + mirrored.y[other * yBins + bin]!) * 0.5;
    }
  }
  return { pointCount, x, y };
}

export interface SimccPoints {
  /** x, y interleaved in picture pixels, not rounded. */
  readonly points: Float64Array;
  /** The lesser of the two peaks; a point with a score of 0 or less was rejected, and its position means nothing. */
  readonly scores: Float32Array;
}

/**
 * The first highest bin of each axis, mapped back to the picture. A rejected point gets bin -1 on both axes, mapped
 * like any other, as the reference does.
 */
export function decodeSimcc(vectors: SimccVectors, geometry: SimccGeometry): SimccPoints {
  const { pointCount } = vectors;
  const xBins = vectors.x.length / pointCount;
  const yBins = vectors.y.length / pointCount;
  const points = new Float64Array(pointCount * 2);
  const scores = new Float32Array(pointCount);
  for (let point = 0; point < pointCount; point++) {
    let x = firstMaximum(vectors.x, point * xBins, xBins);
    let y = firstMaximum(vectors.y, point * yBins, yBins);
    const score = Math.min(vectors.x[point * xBins + x]!, vectors.y[point * yBins + y]!);
    if (!(score > 0)) x = y = -1;
    scores[point] = score;
    points[point * 2] =
      (x / SPLIT_RATIO / geometry.input.widthPx) * geometry.scaleWidthPx +
      geometry.centreX -
      geometry.scaleWidthPx / 2;
    points[point * 2 + 1] =
      (y / SPLIT_RATIO / geometry.input.heightPx) * geometry.scaleHeightPx +
      geometry.centreY -
      geometry.scaleHeightPx / 2;
  }
  return { points, scores };
}

function firstMaximum(values: Float32Array, from: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (values[from + i]! > values[from + best]!) best = i;
  return best;
}

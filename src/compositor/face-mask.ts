/**
 * Where a generated face shows in its picture: the soft masks of the MuseTalk reference (get_image_prepare_material),
 * to the bit, from the labels of its face parsing network.
 */
import { AppError } from '../errors.js';
import type { AlphaMask, Box, RgbImage } from '../media/frame.js';
import { gaussianBlur } from './gaussian-blur.js';
import { dilate, erode, FLAT_ELLIPSE, JAW_KERNEL } from './morphology.js';
import { pillowResize } from './resize-pillow.js';

/** Side of the square label map, and of the picture that the parsing network sees. */
export const LABEL_SIDE_PX = 512;
/** Classes that the parsing network tells apart. */
export const LABEL_COUNT = 19;
/** The classes that masks are made of. */
export const SKIN = 1;
export const NOSE = 10;
export const MOUTH_INTERIOR = 11;
export const UPPER_LIP = 12;
export const LOWER_LIP = 13;
export const NECK = 14;

/** Share of the square's side that the mask's edge is blurred over: the real-time script's, the offline script's. */
export const LIVE_BLUR_SHARE = 0.1;
export const OFFLINE_BLUR_SHARE = 0.05;

const JAW_EROSIONS = 2;
const SQUARE_PER_BOX = 1.5;
const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

export interface FaceMaskOptions {
  /** LABEL_SIDE_PX squared class numbers of `square`, row-packed; only read. */
  readonly labels: Uint8Array;
  /** The face box in picture pixels. */
  readonly box: Box;
  /** faceSquare(box). */
  readonly square: Box;
  readonly mode: 'raw' | 'neck' | 'jaw';
  /** Jaw mode: the middle stripe, this far left and right of the middle in label pixels, keeps the grown skin. */
  readonly leftCheekWidthPx: number;
  readonly rightCheekWidthPx: number;
  /** LIVE_BLUR_SHARE unless given. */
  readonly blurShare?: number;
}

/** The square about the box's middle, 1.5 times its longer side, that the mask covers. It may leave the picture. */
export function faceSquare(box: Box): Box {
  const half = Math.trunc(Math.floor(Math.max(box.x2 - box.x1, box.y2 - box.y1) / 2) * SQUARE_PER_BOX);
  const x = Math.floor((box.x1 + box.x2) / 2);
  const y = Math.floor((box.y1 + box.y2) / 2);
  return { x1: x - half, y1: y - half, x2: x + half, y2: y + half };
}

/** What the parsing network sees of a frame: [1, 3, 512, 512], R G B planes, ImageNet normalisation, black outside. */
export function parsingInput(frame: RgbImage, square: Box): Float32Array {
  const side = square.x2 - square.x1;
  const crop = cropWithBlack(frame, square);
  const seen = pillowResize(crop, 3, side, side, LABEL_SIDE_PX, LABEL_SIDE_PX, 'bilinear');
  const plane = LABEL_SIDE_PX * LABEL_SIDE_PX;
  const input = new Float32Array(3 * plane);
  for (let channel = 0; channel < 3; channel += 1) {
    const normalised = normalisation(channel);
    for (let i = 0; i < plane; i += 1) input[channel * plane + i] = normalised[seen[i * 3 + channel]!]!;
  }
  return input;
}

/**
 * The most likely class of every pixel, the first of equals. `logits`: [1, 19, 512, 512], only read.
 * @throws AppError model-invalid when it holds another count of numbers
 */
export function labelsFrom(logits: Float32Array): Uint8Array {
  const plane = LABEL_SIDE_PX * LABEL_SIDE_PX;
  if (logits.length !== LABEL_COUNT * plane) {
    throw new AppError(
      'model-invalid',
      `The face parsing network answered with ${logits.length} numbers instead of 19 x 512 x 512; use the ` +
        `network with 19 classes for pictures of 512 x 512.`,
    );
  }
  const labels = new Uint8Array(plane);
  const best = logits.slice(0, plane);
  for (let label = 1; label < LABEL_COUNT; label += 1) {
    const start = label * plane;
    for (let i = 0; i < plane; i += 1) {
      if (logits[start + i]! > best[i]!) {
        best[i] = logits[start + i]!;
        labels[i] = label;
      }
    }
  }
  return labels;
}

/**
 * The mask over the whole square: alpha 0..255, row-packed, side square.x2 - square.x1. It reaches a little past the
 * box and above the box's middle, since the blur comes last.
 */
export function faceMask(options: FaceMaskOptions): Uint8Array {
  const { box, square } = options;
  const side = square.x2 - square.x1;
  if (side === 0) return new Uint8Array(0);
  const shown = shownLabels(options);
  const mask = pillowResize(shown, 1, LABEL_SIDE_PX, LABEL_SIDE_PX, side, side, 'bicubic');
  keepOnly(mask, side, {
    x1: box.x1 - square.x1,
    y1: Math.max(box.y1 - square.y1, Math.trunc(side * 0.5)),
    x2: box.x2 - square.x1,
    y2: box.y2 - square.y1,
  });
  return gaussianBlur(mask, side, side, blurSize(side, options.blurShare ?? LIVE_BLUR_SHARE));
}

/** Side of the blur's kernel in pixels, always odd. */
export function blurSize(sidePx: number, blurShare: number): number {
  return Math.floor((blurShare * sidePx) / 2) * 2 + 1;
}

/** The part of a square's mask that lies in the picture, cut to where there is any alpha. */
export function toAlphaMask(
  mask: Uint8Array,
  square: Box,
  pictureSize: { readonly widthPx: number; readonly heightPx: number },
): AlphaMask {
  const side = square.x2 - square.x1;
  const left = Math.max(0, square.x1);
  const right = Math.min(pictureSize.widthPx, square.x2);
  const top = Math.max(0, square.y1);
  const bottom = Math.min(pictureSize.heightPx, square.y2);
  const area = { x1: Infinity, y1: Infinity, x2: 0, y2: 0 };
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) {
      if (mask[(y - square.y1) * side + x - square.x1] === 0) continue;
      area.x1 = Math.min(area.x1, x);
      area.x2 = Math.max(area.x2, x + 1);
      area.y1 = Math.min(area.y1, y);
      area.y2 = y + 1;
    }
  }
  if (area.x2 === 0) return { area: { x1: 0, y1: 0, x2: 0, y2: 0 }, alpha: new Uint8Array(0) };
  const width = area.x2 - area.x1;
  const alpha = new Uint8Array(width * (area.y2 - area.y1));
  for (let y = area.y1; y < area.y2; y += 1) {
    const start = (y - square.y1) * side + area.x1 - square.x1;
    alpha.set(mask.subarray(start, start + width), (y - area.y1) * width);
  }
  return { area, alpha };
}

/** The label map in black and white: 255 where the generated face shall show. */
export function shownLabels(options: Omit<FaceMaskOptions, 'box' | 'square' | 'blurShare'>): Uint8Array {
  const { labels, mode } = options;
  const shown = new Uint8Array(labels.length);
  const skin = mode === 'jaw' ? jawSkin(options) : undefined;
  for (let i = 0; i < labels.length; i += 1) {
    const label = labels[i]!;
    const mouth = label === MOUTH_INTERIOR || label === UPPER_LIP || label === LOWER_LIP;
    const face =
      skin === undefined
        ? label === SKIN || (mode === 'neck' && label === NECK)
        : skin[i] !== 0 && label !== NOSE;
    if (mouth || face) shown[i] = 255;
  }
  return shown;
}

/** The skin, grown upwards in the middle stripe and pulled in from the sides in the cheeks. */
function jawSkin(options: Omit<FaceMaskOptions, 'box' | 'square' | 'blurShare'>): Uint8Array {
  const { labels, leftCheekWidthPx, rightCheekWidthPx } = options;
  const skin = labels.map((label) => (label === SKIN ? 255 : 0));
  const grown = dilate(skin, LABEL_SIDE_PX, LABEL_SIDE_PX, JAW_KERNEL);
  let narrowed = grown;
  for (let i = 0; i < JAW_EROSIONS; i += 1)
    narrowed = erode(narrowed, LABEL_SIDE_PX, LABEL_SIDE_PX, FLAT_ELLIPSE);
  const middle = LABEL_SIDE_PX / 2;
  for (let i = 0; i < grown.length; i += 1) {
    const x = i % LABEL_SIDE_PX;
    if (x <= middle - leftCheekWidthPx || x >= middle + rightCheekWidthPx) grown[i] = narrowed[i]!;
  }
  return grown;
}

function keepOnly(mask: Uint8Array, side: number, kept: Box): void {
  for (let y = 0; y < side; y += 1) {
    const row = mask.subarray(y * side, (y + 1) * side);
    if (y < kept.y1 || y >= kept.y2) {
      row.fill(0);
      continue;
    }
    row.fill(0, 0, Math.max(0, kept.x1));
    row.fill(0, Math.max(0, kept.x2));
  }
}

function cropWithBlack(frame: RgbImage, square: Box): Uint8Array {
  const side = square.x2 - square.x1;
  const crop = new Uint8Array(side * side * 3);
  const left = Math.max(0, square.x1);
  const right = Math.min(frame.widthPx, square.x2);
  if (left >= right) return crop;
  for (let y = Math.max(0, square.y1); y < Math.min(frame.heightPx, square.y2); y += 1) {
    const row = frame.data.subarray((y * frame.widthPx + left) * 3, (y * frame.widthPx + right) * 3);
    crop.set(row, ((y - square.y1) * side + left - square.x1) * 3);
  }
  return crop;
}

/** What each level becomes, in single precision step by step as the reference computes it. */
function normalisation(channel: number): Float32Array {
  const mean = Math.fround(MEAN[channel]!);
  const deviation = Math.fround(DEVIATION[channel]!);
  return Float32Array.from({ length: 256 }, (_, level) =>
    Math.fround(Math.fround(Math.fround(level / 255) - mean) / deviation),
  );
}

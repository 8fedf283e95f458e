import { AppError } from '../errors.js';
import { i420SizeBytes } from '../media/frame.js';
import type { AlphaMask, Box, RgbImage } from '../media/frame.js';
import { LinearResizer } from './resize-opencv.js';

/**
 * Pastes `face`, resized to `box`, through `mask` into `frame`, in place: the MuseTalk reference's get_image_blending
 * (OpenCV linear resize, Pillow paste) to the bit. Where the box leaves the frame the face is cut off, not squeezed.
 */
export function blendFaceRgb(frame: RgbImage, face: RgbImage, box: Box, mask: AlphaMask): void {
  const area = intersection(box, mask.area, frame.widthPx, frame.heightPx);
  if (area === undefined) return;
  const boxWidth = box.x2 - box.x1;
  const fitted = new Uint8Array(boxWidth * (box.y2 - box.y1) * 3);
  new LinearResizer().resize(face, boxWidth, box.y2 - box.y1, fitted, relativeTo(area, box));
  const maskWidth = mask.area.x2 - mask.area.x1;
  for (let y = area.y1; y < area.y2; y += 1) {
    for (let x = area.x1; x < area.x2; x += 1) {
      const alpha = mask.alpha[(y - mask.area.y1) * maskWidth + x - mask.area.x1]!;
      const at = (y * frame.widthPx + x) * 3;
      const from = ((y - box.y1) * boxWidth + x - box.x1) * 3;
      for (let channel = 0; channel < 3; channel += 1) {
        const sum = frame.data[at + channel]! * (255 - alpha) + fitted[from + channel]! * alpha + 128;
        frame.data[at + channel] = (sum + (sum >> 8)) >> 8;
      }
    }
  }
}

/** Alpha 255 as a weight; chroma, summed over four pixels, takes a quarter of it. Nothing then leaves 32 bits. */
const WEIGHT_BITS = 14;
/** The conversion works in 1/256 of a level. */
const LEVEL_SHIFT = WEIGHT_BITS + 8;
const HALF_LEVEL = 1 << (LEVEL_SHIFT - 1);

/**
 * Pastes generated faces into I420 pictures of one size, picture after picture. One instance a stream: it keeps its
 * working memory, so nothing is allocated while the faces' size stays.
 *
 * The picture is never taken to RGB and back. The conversion (media/yuv.ts) is linear, so the face is converted
 * instead and blended in luma and chroma: the same within rounding, no loss at the soft edge or in colours that RGB
 * cannot hold, and a pixel that the mask does not touch keeps its luma, a 2x2 block its chroma, exactly.
 */
export class FaceBlender {
  readonly #widthPx: number;
  readonly #heightPx: number;
  readonly #resizer = new LinearResizer();
  #fitted = new Uint8Array(0);
  readonly #weights = new Int32Array(256);
  #weightsStrength = 0;
  /** Per 2x2 block of the rows in work: its weights, and its face's chroma in 1/256 times its weights. */
  readonly #weightSums: Int32Array;
  readonly #uSums: Int32Array;
  readonly #vSums: Int32Array;

  constructor(options: { widthPx: number; heightPx: number }) {
    this.#widthPx = options.widthPx;
    this.#heightPx = options.heightPx;
    this.#weightSums = new Int32Array(options.widthPx >> 1);
    this.#uSums = new Int32Array(options.widthPx >> 1);
    this.#vSums = new Int32Array(options.widthPx >> 1);
  }

  /**
   * Blends `face`, resized to `box`, into `picture` (I420 of the size given at creation), in place. `box` may leave
   * the picture: the face is cut off there. `strength` (0..1) scales the mask for cross-fades; 0 changes nothing.
   * @throws AppError invalid-argument when the picture has another size
   */
  blend(picture: Uint8Array, face: RgbImage, box: Box, mask: AlphaMask, strength = 1): void {
    const width = this.#widthPx;
    if (picture.length !== i420SizeBytes(width, this.#heightPx)) {
      throw new AppError(
        'invalid-argument',
        `The picture to blend a face into has ${picture.length} bytes; I420 of ${width} x ${this.#heightPx} has ` +
          `${i420SizeBytes(width, this.#heightPx)}.`,
      );
    }
    if (!(strength > 0)) return;
    const area = intersection(box, mask.area, width, this.#heightPx);
    if (area === undefined) return;
    this.#setStrength(Math.min(1, strength));
    const boxWidth = box.x2 - box.x1;
    const bytes = boxWidth * (box.y2 - box.y1) * 3;
    if (this.#fitted.length < bytes) this.#fitted = new Uint8Array(Math.ceil(bytes * 1.2));
    this.#resizer.resize(face, boxWidth, box.y2 - box.y1, this.#fitted, relativeTo(area, box));
    this.#blendArea(picture, area, box, mask);
  }

  #setStrength(strength: number): void {
    if (this.#weightsStrength === strength) return;
    this.#weightsStrength = strength;
    for (let alpha = 0; alpha < 256; alpha += 1)
      this.#weights[alpha] = Math.round((alpha / 255) * strength * (1 << WEIGHT_BITS));
  }

  /** Two rows of luma at a time, which gather what becomes of the row of chroma below them. */
  #blendArea(picture: Uint8Array, area: Box, box: Box, mask: AlphaMask): void {
    for (let y = area.y1 & ~1; y < area.y2; y += 2) {
      if (y >= area.y1) this.#blendLuma(picture, area, box, mask, y);
      if (y + 1 < area.y2) this.#blendLuma(picture, area, box, mask, y + 1);
      this.#blendChroma(picture, area, y >> 1);
    }
  }

  #blendLuma(picture: Uint8Array, area: Box, box: Box, mask: AlphaMask, y: number): void {
    const fitted = this.#fitted;
    const weights = this.#weights;
    const weightSums = this.#weightSums;
    const uSums = this.#uSums;
    const vSums = this.#vSums;
    const alpha = mask.alpha;
    const row = y * this.#widthPx;
    const alphaRow = (y - mask.area.y1) * (mask.area.x2 - mask.area.x1) - mask.area.x1;
    let from = ((y - box.y1) * (box.x2 - box.x1) + area.x1 - box.x1) * 3;
    for (let x = area.x1; x < area.x2; x += 1) {
      const weight = weights[alpha[alphaRow + x]!]!;
      if (weight !== 0) {
        const r = fitted[from]!;
        const g = fitted[from + 1]!;
        const b = fitted[from + 2]!;
        const luma = picture[row + x]!;
        const change = Math.imul(66 * r + 129 * g + 25 * b - ((luma - 16) << 8), weight);
        picture[row + x] = luma + ((change + HALF_LEVEL) >> LEVEL_SHIFT);
        const quarter = weight >> 2;
        const block = x >> 1;
        weightSums[block]! += quarter;
        uSums[block]! += Math.imul(-38 * r - 74 * g + 112 * b, quarter);
        vSums[block]! += Math.imul(112 * r - 94 * g - 18 * b, quarter);
      }
      from += 3;
    }
  }

  /** Moves a row of chroma by what its luma rows gathered, which is then forgotten. */
  #blendChroma(picture: Uint8Array, area: Box, row: number): void {
    const weightSums = this.#weightSums;
    const uSums = this.#uSums;
    const vSums = this.#vSums;
    const plane = this.#widthPx * this.#heightPx;
    const uRow = plane + row * (this.#widthPx >> 1);
    const vRow = uRow + (plane >> 2);
    const end = (area.x2 + 1) >> 1;
    for (let block = area.x1 >> 1; block < end; block += 1) {
      const weight = weightSums[block]!;
      if (weight === 0) continue;
      const u = picture[uRow + block]!;
      const v = picture[vRow + block]!;
      const uChange = uSums[block]! - Math.imul((u - 128) << 8, weight);
      const vChange = vSums[block]! - Math.imul((v - 128) << 8, weight);
      picture[uRow + block] = u + ((uChange + HALF_LEVEL) >> LEVEL_SHIFT);
      picture[vRow + block] = v + ((vChange + HALF_LEVEL) >> LEVEL_SHIFT);
      weightSums[block] = 0;
      uSums[block] = 0;
      vSums[block] = 0;
    }
  }
}

/** What of the box, the mask and the picture overlaps; undefined when nothing does. */
function intersection(box: Box, mask: Box, widthPx: number, heightPx: number): Box | undefined {
  const x1 = Math.max(0, box.x1, mask.x1);
  const y1 = Math.max(0, box.y1, mask.y1);
  const x2 = Math.min(widthPx, box.x2, mask.x2);
  const y2 = Math.min(heightPx, box.y2, mask.y2);
  return x1 < x2 && y1 < y2 ? { x1, y1, x2, y2 } : undefined;
}

function relativeTo(area: Box, origin: Box): Box {
  return {
    x1: area.x1 - origin.x1,
    y1: area.y1 - origin.y1,
    x2: area.x2 - origin.x1,
    y2: area.y2 - origin.y1,
  };
}

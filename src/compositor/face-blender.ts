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

/** Alpha 255 as a weight. Times a luma difference in 1/256 it stays within 32 bits. */
const WEIGHT_BITS = 14;
/** Luma comes in 1/256; chroma is the sum of four pixels in 1/256, with weights two bits shorter. */
const LUMA_SHIFT = WEIGHT_BITS + 8;
const CHROMA_SHIFT = WEIGHT_BITS + 8;
const HALF_LEVEL = 1 << (LUMA_SHIFT - 1);

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

  constructor(options: { widthPx: number; heightPx: number }) {
    this.#widthPx = options.widthPx;
    this.#heightPx = options.heightPx;
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

  #blendArea(picture: Uint8Array, area: Box, box: Box, mask: AlphaMask): void {
    const width = this.#widthPx;
    const chromaWidth = width >> 1;
    const uPlane = width * this.#heightPx;
    const vPlane = uPlane + (uPlane >> 2);
    const fitted = this.#fitted;
    const weights = this.#weights;
    const alpha = mask.alpha;
    const maskWidth = mask.area.x2 - mask.area.x1;
    const boxWidth = box.x2 - box.x1;
    for (let blockY = area.y1 & ~1; blockY < area.y2; blockY += 2) {
      const firstY = Math.max(blockY, area.y1);
      const endY = Math.min(blockY + 2, area.y2);
      for (let blockX = area.x1 & ~1; blockX < area.x2; blockX += 2) {
        const firstX = Math.max(blockX, area.x1);
        const endX = Math.min(blockX + 2, area.x2);
        const chroma = (blockY >> 1) * chromaWidth + (blockX >> 1);
        const u = (picture[uPlane + chroma]! - 128) << 8;
        const v = (picture[vPlane + chroma]! - 128) << 8;
        let uChange = 0;
        let vChange = 0;
        for (let y = firstY; y < endY; y += 1) {
          for (let x = firstX; x < endX; x += 1) {
            const weight = weights[alpha[(y - mask.area.y1) * maskWidth + x - mask.area.x1]!]!;
            if (weight === 0) continue;
            const from = ((y - box.y1) * boxWidth + x - box.x1) * 3;
            const r = fitted[from]!;
            const g = fitted[from + 1]!;
            const b = fitted[from + 2]!;
            const at = y * width + x;
            const luma = picture[at]!;
            const lumaChange = Math.imul(66 * r + 129 * g + 25 * b - ((luma - 16) << 8), weight);
            picture[at] = luma + ((lumaChange + HALF_LEVEL) >> LUMA_SHIFT);
            uChange += Math.imul(-38 * r - 74 * g + 112 * b - u, weight >> 2);
            vChange += Math.imul(112 * r - 94 * g - 18 * b - v, weight >> 2);
          }
        }
        if (uChange !== 0) picture[uPlane + chroma]! += (uChange + HALF_LEVEL) >> CHROMA_SHIFT;
        if (vChange !== 0) picture[vPlane + chroma]! += (vChange + HALF_LEVEL) >> CHROMA_SHIFT;
      }
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

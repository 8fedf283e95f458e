import type { RgbImage } from '../media/frame.js';

/** Contributions of each byte value, ITU-R BT.601 limited range times 2^16; half a step is added to luma for rounding. */
const LUMA = Int32Array.from({ length: 256 }, (_, value) => (value - 16) * 76_309 + 32_768);
const V_TO_RED = Int32Array.from({ length: 256 }, (_, value) => (value - 128) * 104_597);
const U_TO_GREEN = Int32Array.from({ length: 256 }, (_, value) => (value - 128) * -25_675);
const V_TO_GREEN = Int32Array.from({ length: 256 }, (_, value) => (value - 128) * -53_279);
const U_TO_BLUE = Int32Array.from({ length: 256 }, (_, value) => (value - 128) * 132_201);

/** I420 (BT.601 limited range) to packed RGB for the face tracker; nearest chroma. Reuses one picture. */
export class RgbConverter {
  #image: RgbImage = { widthPx: 0, heightPx: 0, data: new Uint8Array(0) };

  /** The returned picture belongs to the converter and is valid until the next call. */
  convert(i420: { widthPx: number; heightPx: number; data: Uint8Array }): RgbImage {
    const { widthPx, heightPx, data } = i420;
    if (this.#image.widthPx !== widthPx || this.#image.heightPx !== heightPx) {
      this.#image = { widthPx, heightPx, data: new Uint8Array(widthPx * heightPx * 3) };
    }
    const rgb = new Uint8ClampedArray(this.#image.data.buffer); // its stores do the limiting
    const halfWidth = widthPx >> 1;
    let uAt = widthPx * heightPx;
    let vAt = uAt + halfWidth * (heightPx >> 1);
    // Two rows and two columns at a time: four pixels share one colour.
    for (let y = 0; y < heightPx; y += 2) {
      let top = y * widthPx;
      let bottom = top + widthPx;
      for (let x = 0; x < halfWidth; x++, uAt++, vAt++, top += 2, bottom += 2) {
        const u = data[uAt] as number;
        const v = data[vAt] as number;
        const red = V_TO_RED[v] as number;
        const green = (U_TO_GREEN[u] as number) + (V_TO_GREEN[v] as number);
        const blue = U_TO_BLUE[u] as number;
        let luma = LUMA[data[top] as number] as number;
        let out = top * 3;
        rgb[out] = (luma + red) >> 16;
        rgb[out + 1] = (luma + green) >> 16;
        rgb[out + 2] = (luma + blue) >> 16;
        luma = LUMA[data[top + 1] as number] as number;
        rgb[out + 3] = (luma + red) >> 16;
        rgb[out + 4] = (luma + green) >> 16;
        rgb[out + 5] = (luma + blue) >> 16;
        luma = LUMA[data[bottom] as number] as number;
        out = bottom * 3;
        rgb[out] = (luma + red) >> 16;
        rgb[out + 1] = (luma + green) >> 16;
        rgb[out + 2] = (luma + blue) >> 16;
        luma = LUMA[data[bottom + 1] as number] as number;
        rgb[out + 3] = (luma + red) >> 16;
        rgb[out + 4] = (luma + green) >> 16;
        rgb[out + 5] = (luma + blue) >> 16;
      }
    }
    return this.#image;
  }
}

import type { RgbImage } from '../media/frame.js';

/** I420 (BT.601 limited range) to packed RGB for the face tracker; nearest chroma. Reuses one picture. */
export class RgbConverter {
  #image: RgbImage = { widthPx: 0, heightPx: 0, data: new Uint8Array(0) };

  /** The returned picture belongs to the converter and is valid until the next call. */
  convert(i420: { widthPx: number; heightPx: number; data: Uint8Array }): RgbImage {
    const { widthPx, heightPx, data } = i420;
    if (this.#image.widthPx !== widthPx || this.#image.heightPx !== heightPx) {
      this.#image = { widthPx, heightPx, data: new Uint8Array(widthPx * heightPx * 3) };
    }
    // Clamped stores do the limiting; coefficients of ITU-R BT.601 times 2^16.
    const rgb = new Uint8ClampedArray(this.#image.data.buffer);
    const halfWidth = widthPx >> 1;
    const uAt = widthPx * heightPx;
    const vAt = uAt + halfWidth * (heightPx >> 1);
    let out = 0;
    for (let y = 0; y < heightPx; y++) {
      const chromaRow = (y >> 1) * halfWidth;
      const row = y * widthPx;
      for (let x = 0; x < widthPx; x += 2) {
        const u = (data[uAt + chromaRow + (x >> 1)] as number) - 128;
        const v = (data[vAt + chromaRow + (x >> 1)] as number) - 128;
        const red = 104_597 * v + 32_768;
        const green = -25_675 * u - 53_279 * v + 32_768;
        const blue = 132_201 * u + 32_768;
        for (let side = 0; side < 2; side++, out += 3) {
          const luma = ((data[row + x + side] as number) - 16) * 76_309;
          rgb[out] = (luma + red) >> 16;
          rgb[out + 1] = (luma + green) >> 16;
          rgb[out + 2] = (luma + blue) >> 16;
        }
      }
    }
    return this.#image;
  }
}

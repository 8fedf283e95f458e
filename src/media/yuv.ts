/** RGB <-> I420, BT.601 limited range, in integer arithmetic; whole pictures or a rectangle of one. */

/** A rectangle in picture pixels. For the functions below all four numbers are even and inside the picture. */
export interface Rect {
  x: number;
  y: number;
  widthPx: number;
  heightPx: number;
}

const CLAMP_OFFSET = 512;
/** clamp(value, 0, 255) by look-up for values -512..1023. */
const CLAMPED = Uint8Array.from({ length: 1536 }, (_, i) => Math.min(255, Math.max(0, i - CLAMP_OFFSET)));

/** Reads rectangle `roi` of I420 `data` (picture `widthPx` x `heightPx`) into packed `rgb`, rows of roi.widthPx * 3. */
export function i420RoiToRgb(
  data: Uint8Array,
  widthPx: number,
  heightPx: number,
  roi: Readonly<Rect>,
  rgb: Uint8Array,
): void {
  const chromaWidth = widthPx >> 1;
  const uPlane = widthPx * heightPx;
  const vPlane = uPlane + (uPlane >> 2);
  const rowBytes = roi.widthPx * 3;
  for (let y = 0; y < roi.heightPx; y += 2) {
    let chroma = ((roi.y + y) >> 1) * chromaWidth + (roi.x >> 1);
    let luma = (roi.y + y) * widthPx + roi.x;
    let out = y * rowBytes;
    for (let x = 0; x < roi.widthPx; x += 2) {
      const u = data[uPlane + chroma]! - 128;
      const v = data[vPlane + chroma]! - 128;
      chroma += 1;
      const red = 409 * v + 128;
      const green = -100 * u - 208 * v + 128;
      const blue = 516 * u + 128;
      for (let corner = 0; corner < 4; corner += 1) {
        const right = corner & 1;
        const below = corner >> 1;
        const light = 298 * (data[luma + right + below * widthPx]! - 16);
        const at = out + right * 3 + below * rowBytes;
        rgb[at] = CLAMPED[((light + red) >> 8) + CLAMP_OFFSET]!;
        rgb[at + 1] = CLAMPED[((light + green) >> 8) + CLAMP_OFFSET]!;
        rgb[at + 2] = CLAMPED[((light + blue) >> 8) + CLAMP_OFFSET]!;
      }
      luma += 2;
      out += 6;
    }
  }
}

/** Writes packed `rgb` (rows of roi.widthPx * 3) into rectangle `roi` of I420 `data`; chroma is the mean of 2x2. */
export function rgbToI420Roi(
  rgb: Uint8Array,
  roi: Readonly<Rect>,
  data: Uint8Array,
  widthPx: number,
  heightPx: number,
): void {
  const chromaWidth = widthPx >> 1;
  const uPlane = widthPx * heightPx;
  const vPlane = uPlane + (uPlane >> 2);
  const rowBytes = roi.widthPx * 3;
  for (let y = 0; y < roi.heightPx; y += 2) {
    let chroma = ((roi.y + y) >> 1) * chromaWidth + (roi.x >> 1);
    let luma = (roi.y + y) * widthPx + roi.x;
    let from = y * rowBytes;
    for (let x = 0; x < roi.widthPx; x += 2) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let corner = 0; corner < 4; corner += 1) {
        const right = corner & 1;
        const below = corner >> 1;
        const at = from + right * 3 + below * rowBytes;
        const r = rgb[at]!;
        const g = rgb[at + 1]!;
        const b = rgb[at + 2]!;
        data[luma + right + below * widthPx] = ((66 * r + 129 * g + 25 * b + 128) >> 8) + 16;
        red += r;
        green += g;
        blue += b;
      }
      data[uPlane + chroma] = ((-38 * red - 74 * green + 112 * blue + 512) >> 10) + 128;
      data[vPlane + chroma] = ((112 * red - 94 * green - 18 * blue + 512) >> 10) + 128;
      chroma += 1;
      luma += 2;
      from += 6;
    }
  }
}

/** A whole I420 picture (even sides) to packed RGB. */
export function i420ToRgb(data: Uint8Array, widthPx: number, heightPx: number, rgb: Uint8Array): void {
  i420RoiToRgb(data, widthPx, heightPx, { x: 0, y: 0, widthPx, heightPx }, rgb);
}

/** A whole packed RGB picture (even sides) to I420. */
export function rgbToI420(rgb: Uint8Array, widthPx: number, heightPx: number, data: Uint8Array): void {
  rgbToI420Roi(rgb, { x: 0, y: 0, widthPx, heightPx }, data, widthPx, heightPx);
}

import type { Rect } from '../media/yuv.js';

/**
 * Fills the samples of a plane's rectangle that `mask` covers (not 0) from those it does not, smoothly: near a hole's
 * edge with what is beside it, further in with a wider mean. In place; a rectangle that is covered everywhere stays.
 * @param offset where the plane begins in `data` and in `mask`
 */
export function fillHoles(
  data: Uint8Array,
  mask: Uint8Array,
  offset: number,
  planeWidth: number,
  rect: Readonly<Rect>,
): void {
  const { widthPx: width, heightPx: height } = rect;
  const value = new Float32Array(width * height);
  const weight = new Float32Array(width * height);
  const first = offset + rect.y * planeWidth + rect.x;
  let known = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = first + y * planeWidth + x;
      if (mask[from] !== 0) continue;
      value[y * width + x] = data[from]!;
      weight[y * width + x] = 1;
      known += 1;
    }
  }
  if (known === 0 || known === value.length) return;
  fillLevel(value, weight, width, height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const to = first + y * planeWidth + x;
      if (mask[to] !== 0) data[to] = Math.round(value[y * width + x]!);
    }
  }
}

/** `value` holds means, `weight` (0..1) how much of them is known. Afterwards every value is known. */
function fillLevel(value: Float32Array, weight: Float32Array, width: number, height: number): void {
  if (width === 1 && height === 1) return;
  const halfWidth = (width + 1) >> 1;
  const halfHeight = (height + 1) >> 1;
  const halfValue = new Float32Array(halfWidth * halfHeight);
  const halfWeight = new Float32Array(halfWidth * halfHeight);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      const half = (y >> 1) * halfWidth + (x >> 1);
      halfValue[half] = halfValue[half]! + weight[at]! * value[at]!;
      halfWeight[half] = halfWeight[half]! + weight[at]!;
    }
  }
  for (let half = 0; half < halfValue.length; half += 1) {
    const total = halfWeight[half]!;
    if (total === 0) continue;
    halfValue[half] = halfValue[half]! / total;
    halfWeight[half] = Math.min(1, total);
  }
  fillLevel(halfValue, halfWeight, halfWidth, halfHeight);
  for (let y = 0; y < height; y += 1) {
    // Bilinear between the centres of the half-size values.
    const sy = Math.min(halfHeight - 1, Math.max(0, y / 2 - 0.25));
    const y0 = Math.floor(sy);
    const y1 = Math.min(halfHeight - 1, y0 + 1);
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      const known = weight[at]!;
      if (known === 1) continue;
      const sx = Math.min(halfWidth - 1, Math.max(0, x / 2 - 0.25));
      const x0 = Math.floor(sx);
      const x1 = Math.min(halfWidth - 1, x0 + 1);
      const upper =
        halfValue[y0 * halfWidth + x0]! * (1 - sx + x0) + halfValue[y0 * halfWidth + x1]! * (sx - x0);
      const lower =
        halfValue[y1 * halfWidth + x0]! * (1 - sx + x0) + halfValue[y1 * halfWidth + x1]! * (sx - x0);
      const wider = upper * (1 - sy + y0) + lower * (sy - y0);
      value[at] = known * value[at]! + (1 - known) * wider;
    }
  }
}

import type { RgbImage } from '../media/frame.js';

/** A square in a picture: middle and side in picture pixels, turned by `angleRad` (clockwise as seen, y is down). */
export interface SquareRoi {
  readonly centreX: number;
  readonly centreY: number;
  readonly sidePx: number;
  readonly angleRad: number;
}

export interface CropRange {
  /** What the bytes 0 and 255 become. */
  readonly low: number;
  readonly high: number;
  /** Outside the picture: `zero` gives black, `edge` repeats the border. */
  readonly outside: 'zero' | 'edge';
}

/**
 * Samples the square bilinearly into `target`: 3 x size x size floats, planes R, G, B. Pixel middles lie at +0.5.
 */
export function cropSquare(
  image: RgbImage,
  roi: SquareRoi,
  sizePx: number,
  range: CropRange,
  target: Float32Array,
): void {
  const { data, widthPx, heightPx } = image;
  const step = roi.sidePx / sizePx;
  const alongX = Math.cos(roi.angleRad) * step;
  const alongY = Math.sin(roi.angleRad) * step;
  const firstOffset = 0.5 - sizePx / 2;
  const plane = sizePx * sizePx;
  const gain = (range.high - range.low) / 255;
  const low = range.low;
  const lastX = widthPx - 1;
  const lastY = heightPx - 1;
  const blackOutside = range.outside === 'zero';
  let at = 0;
  for (let row = 0; row < sizePx; row++) {
    const rowOffset = firstOffset + row;
    let x = roi.centreX + firstOffset * alongX - rowOffset * alongY - 0.5;
    let y = roi.centreY + firstOffset * alongY + rowOffset * alongX - 0.5;
    for (let column = 0; column < sizePx; column++, at++, x += alongX, y += alongY) {
      if (blackOutside && (x < -0.5 || y < -0.5 || x > lastX + 0.5 || y > lastY + 0.5)) {
        target[at] = low;
        target[at + plane] = low;
        target[at + 2 * plane] = low;
        continue;
      }
      const insideX = x < 0 ? 0 : x > lastX ? lastX : x;
      const insideY = y < 0 ? 0 : y > lastY ? lastY : y;
      const left = insideX | 0;
      const top = insideY | 0;
      const partX = insideX - left;
      const partY = insideY - top;
      const topLeft = (top * widthPx + left) * 3;
      const topRight = left < lastX ? topLeft + 3 : topLeft;
      const down = top < lastY ? widthPx * 3 : 0;
      const weightTopLeft = (1 - partX) * (1 - partY) * gain;
      const weightTopRight = partX * (1 - partY) * gain;
      const weightLowLeft = (1 - partX) * partY * gain;
      const weightLowRight = partX * partY * gain;
      for (let channel = 0; channel < 3; channel++) {
        target[at + channel * plane] =
          low +
          data[topLeft + channel]! * weightTopLeft +
          data[topRight + channel]! * weightTopRight +
          data[topLeft + down + channel]! * weightLowLeft +
          data[topRight + down + channel]! * weightLowRight;
      }
    }
  }
}

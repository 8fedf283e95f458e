/**
 * Growing and shrinking of black-and-white pictures (0 and anything else in, 0 and 255 out) with the kernels of
 * MuseTalk's jaw mode. Outside the picture nothing counts, as in OpenCV's dilate and erode.
 */

/**
 * A kernel whose every row is one run of ones around its middle column: halfWidths[i] belongs to the row
 * `firstRow + i` below the middle, and is the number of ones on each side of the middle column.
 */
export interface RunKernel {
  readonly firstRow: number;
  readonly halfWidths: readonly number[];
}

/**
 * The 33 x 33 kernel of the reference: a wedge from 6 rows above the middle, widening by a pixel a row and side, that
 * goes on 21 wide to 16 rows below. Since dilation looks where the ones are, a point grows 16 px up, 6 px down.
 */
export const JAW_KERNEL: RunKernel = {
  firstRow: -6,
  halfWidths: Array.from({ length: 23 }, (_, i) => Math.min(i, 10)),
};

/** The ellipse 35 wide and 3 high as OpenCV draws it. */
export const FLAT_ELLIPSE: RunKernel = { firstRow: -1, halfWidths: [0, 17, 0] };

/** White where the kernel, laid on the pixel, meets white. */
export function dilate(data: Uint8Array, widthPx: number, heightPx: number, kernel: RunKernel): Uint8Array {
  return spread(data, widthPx, heightPx, kernel, true);
}

/** White where the kernel, laid on the pixel, meets no black. */
export function erode(data: Uint8Array, widthPx: number, heightPx: number, kernel: RunKernel): Uint8Array {
  return spread(data, widthPx, heightPx, kernel, false);
}

/** Spreads white (`white`) or black: first how far it is along each row, then the kernel's rows compared with that. */
function spread(
  data: Uint8Array,
  widthPx: number,
  heightPx: number,
  kernel: RunKernel,
  white: boolean,
): Uint8Array {
  const away = distanceAlongRows(data, widthPx, heightPx, white);
  const target = new Uint8Array(data.length).fill(white ? 0 : 255);
  const painted = white ? 255 : 0;
  for (let y = 0; y < heightPx; y += 1) {
    for (let i = 0; i < kernel.halfWidths.length; i += 1) {
      const row = y + kernel.firstRow + i;
      if (row < 0 || row >= heightPx) continue;
      const reach = kernel.halfWidths[i]!;
      for (let x = 0; x < widthPx; x += 1)
        if (away[row * widthPx + x]! <= reach) target[y * widthPx + x] = painted;
    }
  }
  return target;
}

/** Distance of every pixel to the nearest white (or black) one of its row, 255 for 255 and more or none. */
function distanceAlongRows(data: Uint8Array, widthPx: number, heightPx: number, white: boolean): Uint8Array {
  const away = new Uint8Array(widthPx * heightPx);
  for (let y = 0; y < heightPx; y += 1) {
    const start = y * widthPx;
    let distance = 255;
    for (let x = start; x < start + widthPx; x += 1) {
      distance = (data[x] !== 0) === white ? 0 : Math.min(255, distance + 1);
      away[x] = distance;
    }
    distance = 255;
    for (let x = start + widthPx - 1; x >= start; x -= 1) {
      distance = Math.min(away[x]!, distance + 1);
      away[x] = distance;
    }
  }
  return away;
}

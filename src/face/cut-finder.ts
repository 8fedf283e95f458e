import type { RgbImage } from '../media/frame.js';

const GRID = 16;
/** Mean change of a grid cell's brightness (0..255) that a cut exceeds and motion of a head does not. */
const CUT_CHANGE = 24;

/** Finds hard cuts by the brightness of 16 x 16 points of the picture, each averaged over a few pixels. */
export class CutFinder {
  #previous = new Float32Array(GRID * GRID);
  #current = new Float32Array(GRID * GRID);
  #filled = false;

  /** True if this picture follows a cut; the first picture does not. */
  push(image: RgbImage): boolean {
    measure(image, this.#current);
    let change = 0;
    for (let i = 0; i < GRID * GRID; i++) change += Math.abs(this.#current[i]! - this.#previous[i]!);
    const cut = this.#filled && change / (GRID * GRID) > CUT_CHANGE;
    [this.#previous, this.#current] = [this.#current, this.#previous];
    this.#filled = true;
    return cut;
  }

  reset(): void {
    this.#filled = false;
  }
}

function measure(image: RgbImage, cells: Float32Array): void {
  const { data, widthPx, heightPx } = image;
  for (let row = 0; row < GRID; row++) {
    for (let column = 0; column < GRID; column++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) {
        const x = Math.floor(((column + 0.25 + 0.5 * (k & 1)) * widthPx) / GRID);
        const y = Math.floor(((row + 0.25 + 0.5 * (k >> 1)) * heightPx) / GRID);
        const at = (y * widthPx + x) * 3;
        sum += 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
      }
      cells[row * GRID + column] = sum / 4;
    }
  }
}

import { LOWER_LIP_RINGS, UPPER_LIP_RINGS } from '../media/face-topology.js';
import type { HeadFrame } from './head-frame.js';

/** How far into the lips teeth are looked for, in iod. */
const REACH_IOD = 0.06;
/** From this share of the way from the lip's colour to the teeth's a pixel is no lip. */
const NO_LIP = 0.3;
/** Neighbouring pictures share what they found, so that noise in one does not make the lips tremble. */
const FOLLOW = 0.3;

/**
 * Where the lips of an open mouth really begin. Landmarks often lie on the teeth, and a stretched or shut lip would
 * carry a white seam along. Holds, for nine columns, how far the landmarks must move into the lip, in iod.
 */
export class LipRim {
  readonly upperIod = new Float32Array(9);
  readonly lowerIod = new Float32Array(9);
  #found = new Float32Array(9);
  #fresh = true;

  /** Looks at an I420 picture in which the mouth is open; `points` are its landmarks, `tooth` the teeth's colour in RGB. */
  look(
    picture: Uint8Array,
    widthPx: number,
    heightPx: number,
    points: Float32Array,
    head: HeadFrame,
    tooth: Float32Array,
  ): void {
    const sample = (x: number, y: number, channel: 0 | 1 | 2): number => {
      const column = Math.min(widthPx - 1, Math.max(0, Math.round(x)));
      const row = Math.min(heightPx - 1, Math.max(0, Math.round(y)));
      if (channel === 0) return picture[row * widthPx + column]!;
      const chroma = (row >> 1) * (widthPx >> 1) + (column >> 1);
      return picture[widthPx * heightPx * (channel === 1 ? 1 : 1.25) + chroma]!;
    };
    const toothY = 16 + 0.257 * tooth[0]! + 0.504 * tooth[1]! + 0.098 * tooth[2]!;
    const toothV = 128 + 0.439 * tooth[0]! - 0.368 * tooth[1]! - 0.071 * tooth[2]!;
    for (const [rings, sign, target] of [
      [UPPER_LIP_RINGS, -1, this.upperIod],
      [LOWER_LIP_RINGS, 1, this.lowerIod],
    ] as const) {
      let lipY = 0;
      let lipV = 0;
      for (let column = 2; column < 7; column += 1) {
        const body = rings[2]![column]! * 3;
        lipY += sample(points[body]!, points[body + 1]!, 0) / 5;
        lipV += sample(points[body]!, points[body + 1]!, 2) / 5;
      }
      // Lips differ from teeth in redness as much as in brightness.
      const spanY = toothY - lipY;
      const spanV = 2 * (toothV - lipV);
      const span = spanY * spanY + spanV * spanV;
      for (let column = 1; column < 8; column += 1) {
        const edge = rings[0]![column]! * 3;
        const outer = rings[3]![column]! * 3;
        const thicknessPx = Math.hypot(
          points[outer]! - points[edge]!,
          points[outer + 1]! - points[edge + 1]!,
        );
        let reach = 0;
        if (span > 400) {
          const steps = Math.floor(Math.min(REACH_IOD * head.iodPx, 0.5 * thicknessPx));
          for (let step = 0; step <= steps; step += 1) {
            const x = points[edge]! + sign * step * head.downX;
            const y = points[edge + 1]! + sign * step * head.downY;
            const towards = ((sample(x, y, 0) - lipY) * spanY + 2 * (sample(x, y, 2) - lipV) * spanV) / span;
            if (towards > NO_LIP) reach = step + 1;
            else if (step > reach + 1) break;
          }
        }
        this.#found[column] = reach / head.iodPx;
      }
      // Beside the corners a lip is too thin to be told from the skin.
      this.#found[0] = 0.5 * this.#found[1]!;
      this.#found[8] = 0.5 * this.#found[7]!;
      for (let column = 0; column < 9; column += 1) {
        const around =
          (this.#found[Math.max(0, column - 1)]! +
            2 * this.#found[column]! +
            this.#found[Math.min(8, column + 1)]!) /
          4;
        target[column] = target[column]! + (around - target[column]!) * (this.#fresh ? 1 : FOLLOW);
      }
    }
    this.#fresh = false;
  }
}

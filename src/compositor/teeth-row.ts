import type { HeadFrame } from './head-frame.js';
import { smoothstep } from './smooth.js';

/** Shape of one jaw's row of teeth; lengths in inter-ocular distances (iod). */
export interface TeethForm {
  /** Where one tooth ends and the next begins, from the middle outwards. */
  readonly borders: readonly number[];
  /** How much each tooth falls short of the first, and how strongly it is rounded (1: a canine's point). */
  readonly shorter: readonly number[];
  readonly pointed: readonly number[];
  /** The row lies on z = bend * x * x behind its front. */
  readonly bend: number;
}

export const UPPER_TEETH: TeethForm = {
  borders: [0, 0.086, 0.15, 0.208, 0.262, 0.31],
  shorter: [0, 0.009, 0.002, 0.008, 0.012],
  pointed: [0.1, 0.3, 1, 0.7, 0.5],
  bend: 2.6,
};
export const LOWER_TEETH: TeethForm = {
  borders: [0, 0.053, 0.11, 0.172, 0.23, 0.285],
  shorter: [0, 0.001, -0.003, 0.004, 0.008],
  pointed: [0.05, 0.1, 0.9, 0.6, 0.5],
  bend: 3,
};
const POINT_IOD = 0.012;

/**
 * One row of teeth as seen in the picture, a value a pixel column: where it ends and how bright it is. The row is an
 * arch that turns and nods with the head, so its far side is narrower and a raised chin bends it down.
 */
export class TeethRow {
  /** Where the teeth end, in pixels along the face's down direction. */
  readonly edge: Float32Array;
  /** 0: no tooth there; about 1: facing the light. */
  readonly shade: Float32Array;
  #form: TeethForm;

  constructor(form: TeethForm, maxColumns: number) {
    this.#form = form;
    this.edge = new Float32Array(maxColumns);
    this.shade = new Float32Array(maxColumns);
  }

  /**
   * Fills columns 0..count-1; column k lies at `firstU + k` on the across axis. The row's middle is at (middleU, edgeV)
   * and leans by `slope`; `growDown` is 1 where the teeth end below (upper jaw), -1 for the lower jaw. `size` scales.
   */
  fill(
    head: HeadFrame,
    count: number,
    firstU: number,
    middleU: number,
    edgeV: number,
    slope: number,
    size: number,
    growDown: 1 | -1,
  ): void {
    const { axes, acrossX, acrossY, downX, downY, iodPx } = head;
    const { borders, shorter, pointed, bend } = this.#form;
    const scale = iodPx * size;
    const across = Math.max(0.5, axes[0]! * acrossX + axes[1]! * acrossY);
    const depthAcross = axes[6]! * acrossX + axes[7]! * acrossY;
    const depthDown = axes[6]! * downX + axes[7]! * downY;
    const rise = Math.min(0.5, Math.max(-1, bend * depthDown - 0.25));
    // Where a tooth is a few pixels wide, its outline would be nothing but steps.
    const detail = smoothstep(35, 140, iodPx);
    let tooth = 0;
    for (let k = 0; k < count; k += 1) {
      const u = firstU + k - middleU;
      // u = across * x + depthAcross * bend * x^2, solved for the place x on the arch.
      const root = across * across + (4 * bend * depthAcross * u) / scale;
      const x = root <= 0 ? 1 : (2 * u) / scale / (across + Math.sqrt(root));
      const out = Math.abs(x);
      if (out >= borders[5]!) {
        this.shade[k] = 0;
        this.edge[k] = edgeV + slope * u;
        continue;
      }
      while (out < borders[tooth]!) tooth -= 1;
      while (out >= borders[tooth + 1]!) tooth += 1;
      const half = (borders[tooth + 1]! - borders[tooth]!) / 2;
      const fromBorder = Math.min(out - borders[tooth]!, borders[tooth + 1]! - out);
      const centred = fromBorder / half;
      const round = POINT_IOD * pointed[tooth]! * (1 - centred) ** 2;
      const notch = 0.006 * smoothstep(0.014, 0, fromBorder);
      const short = detail * (shorter[tooth]! + round + notch);
      this.edge[k] = edgeV + slope * u + rise * x * x * scale - growDown * short * scale;
      const line =
        1 - 0.1 * smoothstep(0.024, 0, fromBorder) - 0.1 * detail * smoothstep(0.007, 0, fromBorder);
      const facing = 1 - 3.2 * x * x - Math.max(0, -Math.sign(x) * depthAcross) * out;
      this.shade[k] = line * facing * smoothstep(borders[5]!, borders[4]!, out);
    }
  }
}

import { AppError } from '../../../errors.js';
import { ROWS_PER_SECOND, ROW_VALUES } from './whisper-states.js';
import { SAMPLE_RATE_HZ } from './whisper-mel.js';

/** Which rows of the encoder a picture looks at; the names of the paddings are the reference's. */
export interface WindowOptions {
  /** How far a window reaches into the past and the future, in pictures of 25 a second: 2 and 2. */
  readonly audioPaddingLengthLeft?: number;
  readonly audioPaddingLengthRight?: number;
}

export interface UtteranceWindowOptions extends WindowOptions {
  /**
   * Does what the MuseTalk reference does: cuts the frame rate to an integer and, below 25 and above 49 pictures a
   * second, moves every window away from its picture. Off by default: MuseTalk was trained with windows in place.
   */
  readonly reference?: boolean;
}

/** A window, in rows around the one in which its picture begins. */
export interface WindowShape {
  readonly rowsBefore: number;
  readonly rows: number;
}

/** Rows [-4, +6) by default. @throws AppError invalid-argument */
export function windowShape(options: WindowOptions = {}): WindowShape {
  const { audioPaddingLengthLeft: left = 2, audioPaddingLengthRight: right = 2 } = options;
  for (const length of [left, right]) {
    if (!Number.isInteger(length) || length < 0 || length > 100) {
      throw new AppError('invalid-argument', `an audio padding is 0 to 100 whole pictures, got ${length}`);
    }
  }
  return { rowsBefore: 2 * left, rows: 2 * (left + right + 1) };
}

/** The windows of a whole utterance. */
export class UtteranceWindows {
  readonly windowRows: number;
  /** Rows that hold sound; the encoder's rows behind them are padding. */
  readonly soundRows: number;
  readonly pictureCount: number;
  readonly #fps: number;
  readonly #rowsBefore: number;
  readonly #reference: boolean;

  /** `samples` of 16 kHz sound. Any sound has at least one picture, in the reference less than one has none. */
  constructor(samples: number, fps: number, options: UtteranceWindowOptions = {}) {
    const { reference = false } = options;
    const rate = reference ? Math.trunc(fps) : fps;
    if (!(rate > 0 && rate <= 100)) {
      throw new AppError('invalid-argument', `fps must be above 0 and at most 100, got ${fps}`);
    }
    const shape = windowShape(options);
    const perPicture = ROWS_PER_SECOND / rate;
    this.windowRows = shape.rows;
    this.soundRows = Math.floor((samples / SAMPLE_RATE_HZ) * ROWS_PER_SECOND);
    const whole = Math.floor((samples / SAMPLE_RATE_HZ) * rate);
    this.pictureCount = reference || samples === 0 ? whole : Math.max(1, whole);
    this.#fps = rate;
    this.#rowsBefore = reference ? (Math.ceil(perPicture) * shape.rowsBefore) / 2 : shape.rowsBefore;
    this.#reference = reference;
  }

  /** The first row of picture `index`; rows below 0 and from soundRows on are zeros. */
  firstRow(index: number): number {
    // Multiplied first, whole quotients come out whole; the reference divides first.
    const row = this.#reference
      ? Math.floor(index * (ROWS_PER_SECOND / this.#fps))
      : Math.floor((index * ROWS_PER_SECOND) / this.#fps);
    return row - this.#rowsBefore;
  }
}

/**
 * Rows [first, first + rows) as one window, [rows * 5, 384], row by row and in each the layers in order. `rowAt` gives
 * where a row stands in `states` (an index of values), or -1 for a row of zeros.
 */
export function cutWindow(
  states: Float32Array,
  rowAt: (row: number) => number,
  first: number,
  rows: number,
): Float32Array {
  const window = new Float32Array(rows * ROW_VALUES);
  for (let i = 0; i < rows; i++) {
    const at = rowAt(first + i);
    if (at >= 0) window.set(states.subarray(at, at + ROW_VALUES), i * ROW_VALUES);
  }
  return window;
}

import { AppError } from '../../../errors.js';

/** What the Whisper encoder says about sound: 50 rows a second, each the 5 hidden states of 384 numbers, oldest layer first. */

export const ROWS_PER_SECOND = 50;
export const ROW_SAMPLES = 320;
export const ROW_MS = 20;
export const LAYERS = 5;
export const STATE_WIDTH = 384;
export const ROW_VALUES = LAYERS * STATE_WIDTH;
/** Rows of one run of the encoder, 30 s. */
export const SEGMENT_ROWS = 1500;

/**
 * The encoder. `mel` is [80, 3000] and only read until the promise settles; the answer holds the first `rows` (1..1500)
 * of the 1500 rows, [rows, 5, 384], and belongs to the caller.
 */
export type WhisperEncode = (mel: Float32Array, rows: number) => Promise<Float32Array>;

/** @throws AppError model-invalid when the encoder answers with another number of values than it was asked for */
export async function encodeRows(
  encode: WhisperEncode,
  mel: Float32Array,
  rows: number,
): Promise<Float32Array> {
  const states = await encode(mel, rows);
  if (states.length !== rows * ROW_VALUES) {
    throw new AppError(
      'model-invalid',
      `the Whisper encoder gave ${states.length} values for ${rows} rows instead of ${rows * ROW_VALUES}; export it with 5 hidden states of ${STATE_WIDTH} (whisper-tiny)`,
    );
  }
  return states;
}

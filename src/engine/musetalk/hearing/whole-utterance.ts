import { UtteranceWindows, cutWindow, type UtteranceWindowOptions } from './feature-windows.js';
import { addPositions } from './positional-encoding.js';
import { MelFrames, SEGMENT_SAMPLES, logMel } from './whisper-mel.js';
import { ROW_VALUES, SEGMENT_ROWS, encodeRows, type WhisperEncode } from './whisper-states.js';

/**
 * The features of an utterance that is known from end to end, picture by picture: 50 x 384 numbers each with the
 * default windows, positional encoding included, in arrays that belong to the caller. As the MuseTalk reference: every
 * 30 s are heard alone, padded with zeros, and their rows joined. Holds the rows of two segments at most, however long
 * the sound (16 kHz mono, -1..1) is.
 * @throws AppError invalid-argument, or what the encoder throws
 */
export async function* hearPictures(
  pcm: Float32Array,
  fps: number,
  encode: WhisperEncode,
  options: UtteranceWindowOptions = {},
): AsyncGenerator<Float32Array, void, undefined> {
  const windows = new UtteranceWindows(pcm.length, fps, options);
  const frames = new MelFrames();
  // Two segments side by side: even ones in the first half, odd ones in the second.
  const states = new Float32Array(Math.min(2 * SEGMENT_ROWS, windows.soundRows) * ROW_VALUES);
  let heard = 0;
  for (let index = 0; index < windows.pictureCount; index++) {
    const first = windows.firstRow(index);
    while (heard < windows.soundRows && heard < first + windows.windowRows) {
      const segment = heard / SEGMENT_ROWS;
      const sound = pcm.subarray(segment * SEGMENT_SAMPLES, (segment + 1) * SEGMENT_SAMPLES);
      const rows = Math.min(SEGMENT_ROWS, windows.soundRows - heard);
      const answer = await encodeRows(encode, logMel(sound, frames), rows);
      states.set(answer, (segment % 2) * SEGMENT_ROWS * ROW_VALUES);
      heard += SEGMENT_ROWS;
    }
    const rowAt = (row: number): number =>
      row < 0 || row >= windows.soundRows ? -1 : (row % (2 * SEGMENT_ROWS)) * ROW_VALUES;
    const features = cutWindow(states, rowAt, first, windows.windowRows);
    addPositions(features);
    yield features;
  }
}

/** All pictures of hearPictures at once, 77 kB each. */
export async function hearWhole(
  pcm: Float32Array,
  fps: number,
  encode: WhisperEncode,
  options: UtteranceWindowOptions = {},
): Promise<Float32Array[]> {
  const pictures: Float32Array[] = [];
  for await (const features of hearPictures(pcm, fps, encode, options)) pictures.push(features);
  return pictures;
}

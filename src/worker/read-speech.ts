import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { decodeAudio } from '../audio/decode.js';
import { AppError } from '../errors.js';
import { Downsampler48To16 } from '../media/resample.js';
import { ENGINE_RATE } from '../media/timeline.js';

/** Ten minutes: 38 MB of samples and 3 GB of faces on disk. */
const MAX_SPEECH_S = 600;

/**
 * A whole sound file as 16 kHz mono (-1..1), its beginning at sample 0: the filter's delay is taken off.
 * @throws media-undecodable, media-too-large (more than ten minutes), the signal's reason
 */
export async function readSpeech(
  ffmpeg: Ffmpeg,
  audioPath: string,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const downsampler = new Downsampler48To16();
  const delaySamples = Math.round((Downsampler48To16.delayMs * ENGINE_RATE) / 1000);
  const pieces: Float32Array[] = [];
  let total = 0;
  for await (const pcm of decodeAudio(ffmpeg, audioPath, signal === undefined ? {} : { signal })) {
    const piece = downsampler.push(pcm);
    pieces.push(piece);
    total += piece.length;
    if (total > MAX_SPEECH_S * ENGINE_RATE)
      throw new AppError(
        'media-too-large',
        `a sound to be rendered ahead may last ${MAX_SPEECH_S} s; this one is longer`,
      );
  }
  signal?.throwIfAborted();
  pieces.push(downsampler.push(new Int16Array(2 * 3 * delaySamples)));
  const all = new Float32Array(total + delaySamples);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all.subarray(delaySamples);
}

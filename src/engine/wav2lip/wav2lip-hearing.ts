import { AppError } from '../../errors.js';
import type { FaceEar, HeardUtterance } from '../faces/face-family.js';
import {
  framesOf,
  FRAMES_PER_S,
  HALF_FRAME_SAMPLES,
  HOP_SAMPLES,
  MEL_BANDS,
  MEL_SILENCE,
  SAMPLE_RATE_HZ,
  Wav2LipMel,
  WINDOW_FRAMES,
} from './wav2lip-mel.js';

/** Numbers heard per picture: 80 bands of 16 frames each, band by band. */
export const FEATURE_VALUES = MEL_BANDS * WINDOW_FRAMES;
/** How long pushed sound can be asked for. */
const RING_SECONDS = 30;
/** The last frame of a window ends this long after the window's first middle. */
const WINDOW_SAMPLES = (WINDOW_FRAMES - 1) * HOP_SAMPLES + HALF_FRAME_SAMPLES;

/** Frames computed before others get a turn: a second of sound takes 3 ms, ten minutes would hold everything up. */
const FRAMES_A_TURN = 80;

/**
 * The features of a whole utterance (16 kHz mono, -1..1), one array a picture. Picture i sees the 16 frames from frame
 * int(i * 80 / fps) on, as Wav2Lip's inference.py cuts them; windows that would reach past the end are the last 16. The
 * reference stops at the first of those; here as many follow as the sound has pictures. Sound shorter than a window is
 * followed by silence.
 * @throws AppError invalid-argument
 */
export function hearWhole(pcm: Float32Array, fps: number): HeardUtterance {
  if (!(fps > 0 && Number.isFinite(fps)))
    throw new AppError('invalid-argument', `${fps} is not a number of pictures a second`);
  const pictureCount = Math.floor((pcm.length / SAMPLE_RATE_HZ) * fps);
  return { pictureCount, pictures: windowsOf(pcm, fps, pictureCount) };
}

async function* windowsOf(
  pcm: Float32Array,
  fps: number,
  pictureCount: number,
): AsyncGenerator<Float32Array, void, undefined> {
  if (pictureCount === 0) return;
  const mel = new Wav2LipMel();
  const frames = framesOf(pcm.length);
  const values = new Float32Array(Math.max(frames, WINDOW_FRAMES) * MEL_BANDS).fill(MEL_SILENCE);
  for (let k = 0; k < frames; k++) {
    if (k % FRAMES_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    mel.compute((i) => pcm[i]!, pcm.length, k, values, k * MEL_BANDS);
  }
  const last = values.length / MEL_BANDS - WINDOW_FRAMES;
  for (let index = 0; index < pictureCount; index++) {
    const start = Math.min(Math.floor((index * FRAMES_PER_S) / fps), last);
    yield bandByBand((k) => values.subarray((start + k) * MEL_BANDS, (start + k + 1) * MEL_BANDS));
  }
}

function bandByBand(frame: (k: number) => Float32Array): Float32Array {
  const features = new Float32Array(FEATURE_VALUES);
  for (let k = 0; k < WINDOW_FRAMES; k++) {
    const values = frame(k);
    for (let band = 0; band < MEL_BANDS; band++) features[band * WINDOW_FRAMES + k] = values[band]!;
  }
  return features;
}

interface Waiter {
  readonly start: number;
  /** Samples that have to be there. */
  readonly needs: number;
  readonly resolve: (features: Float32Array) => void;
  readonly reject: (error: AppError) => void;
}

/**
 * Hears a live stream as Wav2Lip wants it: the same numbers as of the whole utterance, except where that one ends.
 * Nothing is computed while nobody asks.
 */
export class Wav2LipEar implements FaceEar {
  readonly lookaheadMs = (WINDOW_SAMPLES * 1000) / SAMPLE_RATE_HZ;
  readonly #mel = new Wav2LipMel();
  readonly #ring = new Float32Array(RING_SECONDS * SAMPLE_RATE_HZ);
  #pushed = 0;
  /** The frames of the last window, frame k at place k % 16; windows overlap. */
  readonly #frames = new Float32Array(FEATURE_VALUES);
  readonly #frameAt = new Float64Array(WINDOW_FRAMES).fill(-1);
  readonly #waiters: Waiter[] = [];
  #closed = false;

  push(pcm: Float32Array): void {
    if (this.#closed) return;
    const skipped = Math.max(0, pcm.length - this.#ring.length);
    this.#pushed += skipped;
    for (let read = skipped; read < pcm.length;) {
      const at = this.#pushed % this.#ring.length;
      const count = Math.min(pcm.length - read, this.#ring.length - at);
      this.#ring.set(pcm.subarray(read, read + count), at);
      this.#pushed += count;
      read += count;
    }
    this.#answer();
  }

  features(timeMs: number): Promise<Float32Array> {
    if (this.#closed) return Promise.reject(closedError());
    if (!(timeMs >= 0 && Number.isFinite(timeMs)))
      return Promise.reject(new AppError('invalid-argument', `no picture is at ${timeMs} ms`));
    return new Promise((resolve, reject) => {
      // A picture's time is a quotient: what misses a frame by rounding alone is in it.
      const start = Math.floor((timeMs * FRAMES_PER_S) / 1000 + 1e-6);
      // The first frame mirrors samples 1 to 400; all later ones of the window need more anyway.
      this.#waiters.push({ start, needs: start * HOP_SAMPLES + WINDOW_SAMPLES, resolve, reject });
      this.#answer();
    });
  }

  close(): void {
    this.#closed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closedError());
  }

  #answer(): void {
    while (this.#waiters[0] !== undefined && this.#waiters[0].needs <= this.#pushed) {
      const { start, resolve, reject } = this.#waiters.shift()!;
      // The sample before the first one is needed for the difference.
      const oldest = Math.max(0, start * HOP_SAMPLES - HALF_FRAME_SAMPLES - 1);
      if (oldest < this.#pushed - this.#ring.length)
        reject(
          new AppError(
            'invalid-argument',
            `the sound at ${(start * 1000) / FRAMES_PER_S} ms is forgotten; ask for a picture before ${RING_SECONDS} s more are pushed`,
          ),
        );
      else resolve(bandByBand((k) => this.#frame(start + k)));
    }
  }

  #frame(index: number): Float32Array {
    const place = index % WINDOW_FRAMES;
    const at = place * MEL_BANDS;
    if (this.#frameAt[place] !== index) {
      this.#mel.compute((i) => this.#ring[i % this.#ring.length]!, this.#pushed, index, this.#frames, at);
      this.#frameAt[place] = index;
    }
    return this.#frames.subarray(at, at + MEL_BANDS);
  }
}

function closedError(): AppError {
  return new AppError('internal', 'features were asked for from an ear that is closed');
}

/**
 * The mel spectrogram that Wav2Lip was trained with (Prajwal et al. 2020; its audio.py and hparams.py): 16 kHz, first
 * difference with 0.97, 800-sample periodic Hann windows every 200 samples around their middle, magnitudes, 80 Slaney
 * bands from 55 to 7600 Hz, decibels from -100 to 0 below 20 mapped to -4..4.
 */
import { RealDft } from '../../media/real-dft.js';
import { slaneyFilters } from '../../media/slaney-filters.js';

export const SAMPLE_RATE_HZ = 16_000;
export const MEL_BANDS = 80;
/** Mel frames that the network sees for a picture: 200 ms. */
export const WINDOW_FRAMES = 16;
export const FRAMES_PER_S = 80;
export const HOP_SAMPLES = SAMPLE_RATE_HZ / FRAMES_PER_S;
/** What every band of digital silence holds. */
export const MEL_SILENCE = -4;

const FRAME_SAMPLES = 800;
export const HALF_FRAME_SAMPLES = FRAME_SAMPLES / 2;
const BINS = FRAME_SAMPLES / 2 + 1;
const LOW_HZ = 55;
const HIGH_HZ = 7600;
const PREEMPHASIS = 0.97;
const FLOOR = 1e-5;

/** 80 triangles from 55 to 7600 Hz. */
export const MEL_FILTERS = slaneyFilters({
  bands: MEL_BANDS,
  lowHz: LOW_HZ,
  highHz: HIGH_HZ,
  binHz: SAMPLE_RATE_HZ / FRAME_SAMPLES,
});

/** Computes single frames. Holds scratch memory: one for each place that computes. */
export class Wav2LipMel {
  readonly #dft = new RealDft(FRAME_SAMPLES);
  readonly #window = Float64Array.from(
    { length: FRAME_SAMPLES },
    (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FRAME_SAMPLES),
  );
  readonly #values = new Float64Array(FRAME_SAMPLES);
  readonly #power = new Float64Array(BINS);

  /**
   * Writes the 80 values (-4..4) of frame `index`, whose middle is sample 200 * index, to `target` from `at` on.
   * `sample(i)` is the sound's sample i (-1..1), 0 <= i < `length`. The sound is mirrored at both ends, the end sample
   * itself not repeated.
   */
  compute(
    sample: (i: number) => number,
    length: number,
    index: number,
    target: Float32Array,
    at: number,
  ): void {
    const first = index * HOP_SAMPLES - HALF_FRAME_SAMPLES;
    for (let i = 0; i < FRAME_SAMPLES; i++) {
      const position = mirrored(first + i, length);
      const before = position === 0 ? 0 : sample(position - 1);
      this.#values[i] = (sample(position) - PREEMPHASIS * before) * this.#window[i]!;
    }
    this.#dft.power(this.#values, this.#power);
    for (let band = 0; band < MEL_BANDS; band++) {
      const { firstBin, weights } = MEL_FILTERS[band]!;
      let magnitude = 0;
      for (let i = 0; i < weights.length; i++)
        magnitude += weights[i]! * Math.sqrt(this.#power[firstBin + i]!);
      const levelDb = 20 * Math.log10(Math.max(FLOOR, magnitude)) - 20;
      target[at + band] = Math.min(4, Math.max(-4, (8 * (levelDb + 100)) / 100 - 4));
    }
  }
}

/** Frames of a sound of so many samples. */
export function framesOf(samples: number): number {
  return 1 + Math.floor(samples / HOP_SAMPLES);
}

function mirrored(index: number, length: number): number {
  if (length === 1) return 0;
  let position = index;
  // Once is enough for all but sounds shorter than half a frame.
  while (position < 0 || position >= length)
    position = position < 0 ? -position : 2 * (length - 1) - position;
  return position;
}

import { Fft } from '../../media/fft.js';

export const MEL_BANDS = 40;
export const MEL_HOP_SAMPLES = 160;
export const MEL_WINDOW_SAMPLES = 400;
/** What every band of digital silence holds. */
export const MEL_SILENCE = (Math.log(1e-8) + 10) / 4;

const SAMPLE_RATE_HZ = 16_000;
const FFT_SIZE = 512;
const LOW_HZ = 60;
const HIGH_HZ = 7600;
const HALF_WINDOW = MEL_WINDOW_SAMPLES / 2;

export interface MelFrame {
  /** 40 values, (ln(power + 1e-8) + 10) / 4: about -2.1 in silence, up to 1.8. Valid during the callback only. */
  readonly bands: Float32Array;
  /** Power between 60 and 7600 Hz in dB; a full-scale sine is about -6. */
  readonly levelDb: number;
}

/**
 * Streaming log-mel picture of 16 kHz mono sound: 25 ms Hann windows, 10 ms hop, HTK mel scale, triangles of height 1.
 * Frame k looks at samples [160 k - 200, 160 k + 200), so its middle is media time k * 10 ms; sound before the start is
 * zero. Frames do not depend on how the sound is cut into pushes. Twin of models/training/mel.py.
 */
export class LogMel {
  readonly #fft = new Fft(FFT_SIZE);
  readonly #window = Float64Array.from(
    { length: MEL_WINDOW_SAMPLES },
    (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / MEL_WINDOW_SAMPLES),
  );
  readonly #filters = melFilters();
  readonly #samples = new Float32Array(MEL_WINDOW_SAMPLES);
  // The first window starts 200 samples before the sound.
  #filled = HALF_WINDOW;
  readonly #real = new Float64Array(FFT_SIZE);
  readonly #imaginary = new Float64Array(FFT_SIZE);
  readonly #bands = new Float32Array(MEL_BANDS);

  /** Reads `pcm` (-1..1) and calls back for each frame that it completes, in order. */
  push(pcm: Float32Array, onFrame: (frame: MelFrame) => void): void {
    let read = 0;
    while (read < pcm.length) {
      const count = Math.min(pcm.length - read, MEL_WINDOW_SAMPLES - this.#filled);
      this.#samples.set(pcm.subarray(read, read + count), this.#filled);
      this.#filled += count;
      read += count;
      if (this.#filled < MEL_WINDOW_SAMPLES) return;
      onFrame(this.#frame());
      this.#samples.copyWithin(0, MEL_HOP_SAMPLES);
      this.#filled -= MEL_HOP_SAMPLES;
    }
  }

  /** From now on as if it had been given what `other` was given. */
  hearAs(other: LogMel): void {
    this.#samples.set(other.#samples);
    this.#filled = other.#filled;
  }

  #frame(): MelFrame {
    const real = this.#real;
    const imaginary = this.#imaginary;
    for (let i = 0; i < MEL_WINDOW_SAMPLES; i++) real[i] = this.#samples[i]! * this.#window[i]!;
    real.fill(0, MEL_WINDOW_SAMPLES);
    imaginary.fill(0);
    this.#fft.transform(real, imaginary);
    const scale = 1 / HALF_WINDOW ** 2; // the Hann window sums to half its length
    let total = 0;
    for (let band = 0; band < MEL_BANDS; band++) {
      const { firstBin, weights } = this.#filters[band]!;
      let power = 0;
      for (let i = 0; i < weights.length; i++) {
        const bin = firstBin + i;
        power += weights[i]! * (real[bin]! ** 2 + imaginary[bin]! ** 2);
      }
      power *= scale;
      total += power;
      this.#bands[band] = (Math.log(power + 1e-8) + 10) / 4;
    }
    return { bands: this.#bands, levelDb: 10 * Math.log10(total + 1e-10) };
  }
}

interface MelFilter {
  readonly firstBin: number;
  readonly weights: Float64Array;
}

function melFilters(): MelFilter[] {
  const toMel = (hz: number): number => 2595 * Math.log10(1 + hz / 700);
  const toHz = (mel: number): number => 700 * (10 ** (mel / 2595) - 1);
  const low = toMel(LOW_HZ);
  const step = (toMel(HIGH_HZ) - low) / (MEL_BANDS + 1);
  return Array.from({ length: MEL_BANDS }, (_, band) => {
    const from = toHz(low + band * step);
    const peak = toHz(low + (band + 1) * step);
    const to = toHz(low + (band + 2) * step);
    const binHz = SAMPLE_RATE_HZ / FFT_SIZE;
    const firstBin = Math.ceil(from / binHz);
    const lastBin = Math.floor(to / binHz);
    const weights = Float64Array.from({ length: Math.max(0, lastBin - firstBin + 1) }, (_, i) => {
      const hz = (firstBin + i) * binHz;
      return Math.max(0, Math.min((hz - from) / (peak - from), (to - hz) / (to - peak)));
    });
    return { firstBin, weights };
  });
}

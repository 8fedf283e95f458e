import { bessel0 } from './bessel0.js';

/** Half the length of the low-pass, in 48 kHz samples: exactly 1 ms, which is the constant delay. */
const HALF = 48;
const TAPS = 2 * HALF + 1;
const FACTOR = 3;
/** The middle of the transition band: flat up to about 6.3 kHz, 60 dB down from 8.1 kHz on. */
const CUTOFF_HZ = 7200;
const INPUT_RATE = 48_000;
const KAISER_BETA = 5.9;

/** Kaiser-windowed sinc (Oppenheim and Schafer, section 7.5), sum 1. */
function designLowPass(): Float32Array {
  const taps = new Float64Array(TAPS);
  let sum = 0;
  for (let index = 0; index < TAPS; index++) {
    const offset = index - HALF;
    const phase = (2 * Math.PI * CUTOFF_HZ * offset) / INPUT_RATE;
    const sinc = offset === 0 ? (2 * CUTOFF_HZ) / INPUT_RATE : Math.sin(phase) / (Math.PI * offset);
    taps[index] = sinc * bessel0(KAISER_BETA * Math.sqrt(1 - (offset / HALF) ** 2));
    sum += taps[index] as number;
  }
  return Float32Array.from(taps, (tap) => tap / sum);
}

const LOW_PASS = designLowPass();

/**
 * 48 kHz interleaved stereo to 16 kHz mono for the engines, as a stream. Every third input sample gives one output
 * sample, so 960 in (20 ms) are 320 out; the output lags by {@link Downsampler48To16.delayMs}. Linear phase.
 */
export class Downsampler48To16 {
  /** How far the output lags behind the input. */
  static readonly delayMs = (HALF * 1000) / INPUT_RATE;

  /** Mono samples of which output is still to be made, after TAPS - 1 older ones. */
  #line = new Float32Array(TAPS - 1 + 4096);
  #filled = TAPS - 1;

  /** Takes interleaved stereo (even length, full scale 32768), gives mono -1..1 in an array of its own. */
  push(stereo48k: Int16Array): Float32Array {
    const count = stereo48k.length >> 1;
    this.#reserve(this.#filled + count);
    const line = this.#line;
    for (let index = 0; index < count; index++) {
      line[this.#filled + index] =
        ((stereo48k[2 * index] as number) + (stereo48k[2 * index + 1] as number)) / 65_536;
    }
    this.#filled += count;

    const outputs = Math.floor((this.#filled - (TAPS - 1)) / FACTOR);
    const out = new Float32Array(outputs);
    for (let index = 0; index < outputs; index++) {
      const from = index * FACTOR;
      let sum = 0;
      for (let tap = 0; tap < TAPS; tap++) sum += (LOW_PASS[tap] as number) * (line[from + tap] as number);
      out[index] = sum;
    }
    line.copyWithin(0, outputs * FACTOR, this.#filled);
    this.#filled -= outputs * FACTOR;
    return out;
  }

  /** Forgets what was heard, for a new stretch of sound. */
  reset(): void {
    this.#line.fill(0);
    this.#filled = TAPS - 1;
  }

  #reserve(size: number): void {
    if (size <= this.#line.length) return;
    const larger = new Float32Array(size * 2);
    larger.set(this.#line.subarray(0, this.#filled));
    this.#line = larger;
  }
}

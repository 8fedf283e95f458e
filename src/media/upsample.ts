import { bessel0 } from './bessel0.js';
import { MEDIA_RATE } from './timeline.js';

/** Sample rates that live sound may have, Hz: whole fractions of the media rate. */
export const LIVE_RATES = [8000, 16_000, 24_000, 48_000] as const;
export type LiveRate = (typeof LIVE_RATES)[number];

/** Input samples on each side that a sample of the output is made of. */
const REACH = 16;
/** The pass band ends at this share of the input's half rate; the mirror image is 70 dB down from its other side on. */
const CUTOFF = 0.92;
const KAISER_BETA = 7;

/**
 * Mono at 8, 16, 24 or 48 kHz to interleaved stereo at 48 kHz, as a stream: a Kaiser-windowed sinc in polyphase form
 * (Oppenheim and Schafer, sections 4.6 and 7.5). No sample is gained, lost or shifted: n samples in are n * 48000 / rate
 * out once `flush` was called, and they keep their places; until then the output lags by 16 input samples.
 */
export class Upsampler {
  readonly #factor: number;
  /** For each of `factor` phases, the 2 * REACH + 1 weights of the input around it, oldest first. */
  readonly #phases: readonly Float32Array[];
  /** The newest input that later output is still made of, after REACH zeros at first. */
  #line = new Float32Array(REACH);

  constructor(rate: LiveRate) {
    this.#factor = MEDIA_RATE / rate;
    this.#phases = this.#factor === 1 ? [] : phasesOf(this.#factor);
  }

  /** Takes mono, full scale 32768, only read; gives interleaved stereo in an array of its own. */
  push(mono: Int16Array): Int16Array {
    if (this.#factor === 1) {
      const stereo = new Int16Array(mono.length * 2);
      for (let at = 0; at < mono.length; at++) stereo[2 * at] = stereo[2 * at + 1] = mono[at]!;
      return stereo;
    }
    return this.#run(Float32Array.from(mono));
  }

  /** The end of the stretch of sound. A new one may follow. */
  flush(): Int16Array {
    if (this.#factor === 1) return new Int16Array(0);
    const rest = this.#run(new Float32Array(REACH));
    this.#line = new Float32Array(REACH);
    return rest;
  }

  #run(input: Float32Array): Int16Array {
    const line = new Float32Array(this.#line.length + input.length);
    line.set(this.#line);
    line.set(input, this.#line.length);
    const whole = Math.max(0, line.length - 2 * REACH);
    const out = new Int16Array(whole * this.#factor * 2);
    for (let at = 0; at < whole; at++) {
      for (let phase = 0; phase < this.#factor; phase++) {
        const weights = this.#phases[phase]!;
        let sum = 0;
        for (let tap = 0; tap <= 2 * REACH; tap++) sum += weights[tap]! * (line[at + tap] ?? 0);
        const value = Math.max(-32_768, Math.min(32_767, Math.round(sum)));
        const to = 2 * (at * this.#factor + phase);
        out[to] = value;
        out[to + 1] = value;
      }
    }
    this.#line = line.slice(whole);
    return out;
  }
}

function phasesOf(factor: number): Float32Array[] {
  return Array.from({ length: factor }, (_, phase) => {
    const weights = Float64Array.from({ length: 2 * REACH + 1 }, (_, tap) => {
      const offset = tap - REACH - phase / factor;
      const window = Math.max(0, 1 - (offset / (REACH + 1)) ** 2);
      return sinc(CUTOFF * offset) * bessel0(KAISER_BETA * Math.sqrt(window));
    });
    // Each phase sums to one, so that a constant stays one.
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return Float32Array.from(weights, (weight) => weight / sum);
  });
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

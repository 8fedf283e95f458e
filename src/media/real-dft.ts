const RADICES = [5, 4, 3, 2];

interface Stage {
  readonly radix: number;
  /** Butterflies of one sub-transform: its length divided by the radix. */
  readonly count: number;
  /** How many sub-transforms lie interleaved. */
  readonly stride: number;
  /** Twiddle and butterfly in one: e^(-2 pi i k (p + j count) / length) at [(p * radix + k) * radix + j]. */
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

/**
 * Discrete Fourier transform of real values for sizes that are no power of two (400 for Whisper): half the size as
 * complex values through Stockham stages of radix 5, 4, 3 and 2, then split. Nothing is allocated after construction.
 */
export class RealDft {
  readonly size: number;
  readonly #stages: readonly Stage[];
  readonly #splitCos: Float64Array;
  readonly #splitSin: Float64Array;
  #real: Float64Array;
  #imaginary: Float64Array;
  #nextReal: Float64Array;
  #nextImaginary: Float64Array;

  /** @throws RangeError when half the size is not a product of 2, 3 and 5 */
  constructor(size: number) {
    const half = size / 2;
    this.size = size;
    this.#stages = stagesOf(half);
    this.#splitCos = Float64Array.from({ length: half + 1 }, (_, k) => Math.cos((2 * Math.PI * k) / size));
    this.#splitSin = Float64Array.from({ length: half + 1 }, (_, k) => Math.sin((2 * Math.PI * k) / size));
    this.#real = new Float64Array(half);
    this.#imaginary = new Float64Array(half);
    this.#nextReal = new Float64Array(half);
    this.#nextImaginary = new Float64Array(half);
  }

  /** Writes |X[k]|^2, unscaled, for the size / 2 + 1 bins of `size` real values. */
  power(values: Float64Array, target: Float64Array): void {
    const half = this.size / 2;
    for (let i = 0; i < half; i++) {
      this.#real[i] = values[2 * i]!;
      this.#imaginary[i] = values[2 * i + 1]!;
    }
    for (const stage of this.#stages) this.#run(stage);
    const real = this.#real;
    const imaginary = this.#imaginary;
    for (let k = 0; k <= half; k++) {
      const a = k === half ? 0 : k;
      const b = k === 0 ? 0 : half - k;
      const evenReal = (real[a]! + real[b]!) / 2;
      const evenImaginary = (imaginary[a]! - imaginary[b]!) / 2;
      const oddReal = (imaginary[a]! + imaginary[b]!) / 2;
      const oddImaginary = (real[b]! - real[a]!) / 2;
      const c = this.#splitCos[k]!;
      const s = this.#splitSin[k]!;
      const r = evenReal + c * oddReal + s * oddImaginary;
      const m = evenImaginary + c * oddImaginary - s * oddReal;
      target[k] = r * r + m * m;
    }
  }

  #run({ radix, count, stride, cos, sin }: Stage): void {
    const real = this.#real;
    const imaginary = this.#imaginary;
    const nextReal = this.#nextReal;
    const nextImaginary = this.#nextImaginary;
    const step = stride * count;
    for (let p = 0; p < count; p++) {
      for (let k = 0; k < radix; k++) {
        const table = (p * radix + k) * radix;
        const from = stride * p;
        const to = stride * (radix * p + k);
        for (let q = 0; q < stride; q++) {
          let r = 0;
          let m = 0;
          for (let j = 0; j < radix; j++) {
            const c = cos[table + j]!;
            const s = sin[table + j]!;
            const x = real[from + q + j * step]!;
            const y = imaginary[from + q + j * step]!;
            r += x * c + y * s;
            m += y * c - x * s;
          }
          nextReal[to + q] = r;
          nextImaginary[to + q] = m;
        }
      }
    }
    this.#real = nextReal;
    this.#imaginary = nextImaginary;
    this.#nextReal = real;
    this.#nextImaginary = imaginary;
  }
}

function stagesOf(size: number): Stage[] {
  const stages: Stage[] = [];
  let length = size;
  while (length > 1) {
    const radix = RADICES.find((candidate) => length % candidate === 0);
    if (radix === undefined) throw new RangeError(`a transform of ${2 * size} values is not supported`);
    const count = length / radix;
    const angle = (i: number): number => {
      const p = Math.floor(i / (radix * radix));
      const k = Math.floor(i / radix) % radix;
      const j = i % radix;
      return (2 * Math.PI * ((k * (p + j * count)) % length)) / length;
    };
    stages.push({
      radix,
      count,
      stride: size / length,
      cos: Float64Array.from({ length: count * radix * radix }, (_, i) => Math.cos(angle(i))),
      sin: Float64Array.from({ length: count * radix * radix }, (_, i) => Math.sin(angle(i))),
    });
    length = count;
  }
  return stages;
}

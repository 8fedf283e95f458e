/**
 * IEEE 754 half floats. Node has no Float16Array yet, so their 16-bit patterns travel in a Uint16Array, which is also
 * what ONNX Runtime takes and gives.
 */

/** Every pattern's value: 256 KB, built at first use, and by far the fastest way to read half floats. */
let valueOfBits: Float32Array | undefined;
const scratchFloat = new Float32Array(1);
const scratchBits = new Uint32Array(scratchFloat.buffer);

/** The half-float pattern nearest to `value`, ties to even; beyond 65 519.99 infinity; NaN stays NaN. */
export function toFloat16Bits(value: number): number {
  scratchFloat[0] = value;
  return halfOf(scratchBits[0]!);
}

/** The value of one half-float pattern. */
export function fromFloat16Bits(bits: number): number {
  return (valueOfBits ??= buildTable())[bits & 0xffff]!;
}

/**
 * Writes the patterns of `source` to `target` (as long or longer). Rounds float32 values to nearest, ties to even, as
 * NumPy and PyTorch do.
 */
export function floatsToHalves(source: Float32Array, target: Uint16Array): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < bits.length; i++) target[i] = halfOf(bits[i]!);
}

/** Writes the values of the patterns in `source` to `target` (as long or longer). Exact. */
export function halvesToFloats(source: Uint16Array, target: Float32Array): void {
  const table = (valueOfBits ??= buildTable());
  for (let i = 0; i < source.length; i++) target[i] = table[source[i]!]!;
}

/** From the bits of a float32. */
function halfOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x38800000) {
    // 2^-14 and more: a normal half, or too large for one.
    if (magnitude < 0x477ff000) {
      return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
    }
    if (magnitude <= 0x7f800000) return sign | 0x7c00;
    return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  }
  // A multiple of 2^-24; 2^-25 itself is halfway to zero, which is even.
  if (magnitude <= 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const kept = mantissa >>> shift;
  const lost = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (lost > half || (lost === half && (kept & 1) === 1) ? 1 : 0));
}

function buildTable(): Float32Array {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >>> 10) & 0x1f;
    const mantissa = bits & 0x3ff;
    if (exponent === 0) table[bits] = sign * mantissa * 2 ** -24;
    else if (exponent < 31) table[bits] = sign * (1024 + mantissa) * 2 ** (exponent - 25);
    else table[bits] = mantissa === 0 ? sign * Infinity : NaN;
  }
  return table;
}

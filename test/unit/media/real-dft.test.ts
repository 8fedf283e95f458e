import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RealDft } from '../../../src/media/real-dft.js';

/** |sum x e^(-2 pi i k n / N)|^2, as the definition says. */
function slowPower(values: Float64Array): Float64Array {
  const size = values.length;
  return Float64Array.from({ length: size / 2 + 1 }, (_, k) => {
    let real = 0;
    let imaginary = 0;
    values.forEach((value, n) => {
      const angle = (2 * Math.PI * ((k * n) % size)) / size;
      real += value * Math.cos(angle);
      imaginary -= value * Math.sin(angle);
    });
    return real * real + imaginary * imaginary;
  });
}

for (const size of [2, 6, 10, 16, 24, 90, 400]) {
  test(`the power of ${size} values is that of the definition`, () => {
    const values = Float64Array.from({ length: size }, (_, i) => Math.sin(i * i * 0.37) + 0.3);
    const power = new Float64Array(size / 2 + 1);
    const dft = new RealDft(size);
    for (let turn = 0; turn < 2; turn++) dft.power(values, power);
    slowPower(values).forEach((expected, k) => {
      assert.ok(
        Math.abs(power[k]! - expected) < 1e-10 * size * size,
        `bin ${k}: ${power[k]}, not ${expected}`,
      );
    });
  });
}

test('a size with another prime in it is refused', () => {
  assert.throws(() => new RealDft(14), RangeError);
  assert.throws(() => new RealDft(7), RangeError);
});

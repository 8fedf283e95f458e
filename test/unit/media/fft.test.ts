import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fft } from '../../../src/media/fft.js';

test('the FFT equals the sum that defines it', () => {
  const size = 16;
  const input = Array.from({ length: size }, (_, i) => [Math.sin(i * 1.7) + i / 9, Math.cos(i * i)] as const);
  const real = Float64Array.from(input, ([r]) => r);
  const imaginary = Float64Array.from(input, ([, m]) => m);
  new Fft(size).transform(real, imaginary);
  for (let k = 0; k < size; k++) {
    let r = 0;
    let m = 0;
    input.forEach(([a, b], i) => {
      const angle = (-2 * Math.PI * k * i) / size;
      r += a * Math.cos(angle) - b * Math.sin(angle);
      m += a * Math.sin(angle) + b * Math.cos(angle);
    });
    assert.ok(Math.abs(real[k]! - r) < 1e-9 && Math.abs(imaginary[k]! - m) < 1e-9, `bin ${k}`);
  }
});

test('a size that is no power of two is refused', () => {
  assert.throws(() => new Fft(12), RangeError);
});

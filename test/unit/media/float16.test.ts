import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  floatsToHalves,
  fromFloat16Bits,
  halvesToFloats,
  toFloat16Bits,
} from '../../../src/media/float16.js';

test('float16: known patterns', () => {
  const known: readonly (readonly [number, number])[] = [
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [0.333251953125, 0x3555],
    [65504, 0x7bff],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [1023 * 2 ** -24, 0x03ff],
    [Infinity, 0x7c00],
    [-Infinity, 0xfc00],
  ];
  for (const [value, bits] of known) {
    assert.equal(toFloat16Bits(value), bits, String(value));
    assert.ok(Object.is(fromFloat16Bits(bits), value), String(value));
  }
});

test('float16: rounds to nearest, ties to even, overflows to infinity', () => {
  assert.equal(toFloat16Bits(1 + 2 ** -11), 0x3c00); // halfway, the lower is even
  assert.equal(toFloat16Bits(1 + 3 * 2 ** -11), 0x3c02); // halfway, the upper is even
  assert.equal(toFloat16Bits(1 + 2 ** -11 + 2 ** -20), 0x3c01);
  assert.equal(toFloat16Bits(65519.99), 0x7bff);
  assert.equal(toFloat16Bits(65520), 0x7c00);
  assert.equal(toFloat16Bits(1e30), 0x7c00);
  assert.equal(toFloat16Bits(2 ** -25), 0); // halfway to the smallest subnormal
  assert.equal(toFloat16Bits(2 ** -25 * 1.0001), 1);
  assert.equal(toFloat16Bits(1.5 * 2 ** -24), 2); // halfway between subnormals 1 and 2
  assert.equal(toFloat16Bits(2.5 * 2 ** -24), 2);
  assert.equal(toFloat16Bits(1023.75 * 2 ** -24), 0x0400); // up into the normal numbers
  assert.equal(toFloat16Bits(-1e-30), 0x8000);
});

test('float16: NaN stays NaN both ways, whatever its payload', () => {
  assert.ok(Number.isNaN(fromFloat16Bits(toFloat16Bits(NaN))));
  assert.ok(Number.isNaN(fromFloat16Bits(0x7c01)));
  assert.ok(Number.isNaN(fromFloat16Bits(0xffff)));
  const smallPayload = new Float32Array(Uint32Array.of(0x7f800001).buffer);
  const halves = new Uint16Array(1);
  floatsToHalves(smallPayload, halves);
  assert.ok(Number.isNaN(fromFloat16Bits(halves[0]!)));
});

test('float16: every pattern survives the way out and back, through views with an offset', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
  const floats = new Float32Array(65537).subarray(1);
  halvesToFloats(all, floats);
  const back = new Uint16Array(65537).subarray(1);
  floatsToHalves(floats, back);
  for (let bits = 0; bits < 65536; bits++) {
    const isNan = (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;
    if (isNan) assert.ok(Number.isNaN(floats[bits]!));
    else assert.equal(back[bits], bits);
  }
});

test('float16: between two neighbours the nearer one wins', () => {
  for (let bits = 0; bits < 0x7bff; bits += 7) {
    const low = fromFloat16Bits(bits);
    const high = fromFloat16Bits(bits + 1);
    assert.equal(toFloat16Bits(low + (high - low) * 0.49), bits);
    assert.equal(toFloat16Bits(low + (high - low) * 0.51), bits + 1);
  }
});

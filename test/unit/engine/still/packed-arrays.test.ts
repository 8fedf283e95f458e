import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packArrays, unpackArrays } from '../../../../src/engine/still/packed-arrays.js';

const VALUE = {
  name: 'ä "quoted" name\nof two lines',
  third: 1 / 3,
  bytes: Uint8Array.from({ length: 13 }, (_, i) => 255 - i),
  empty: new Uint8Array(0),
  floats: Float32Array.of(1 / 3, -0, NaN, Infinity, 1e-40),
  list: [{ inner: Float32Array.of(Math.PI) }, 5, null],
};

function packed(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(packArrays(VALUE));
}

test('numbers, arrays and what they hang on come back to the bit', () => {
  assert.deepEqual(unpackArrays(packed()), VALUE);
});

test('it does not matter where in memory the bytes lie', () => {
  for (const before of [1, 2, 8]) {
    const bytes = packed();
    const moved = new Uint8Array(bytes.length + before + 3);
    moved.set(bytes, before);
    assert.deepEqual(unpackArrays(moved.subarray(before, before + bytes.length)), VALUE);
  }
});

test('of a large array no copy is made', () => {
  const bytes = new Uint8Array(packArrays({ large: new Uint8Array(1000) }));
  const { large } = unpackArrays(bytes) as { large: Uint8Array };
  assert.equal(large.buffer, bytes.buffer);
});

test('what is cut off, or something else, is refused', () => {
  const bytes = packed();
  for (const length of [0, 1, 40, bytes.length - 8])
    assert.throws(() => unpackArrays(bytes.slice(0, length)), `${length} bytes`);
  assert.throws(() => unpackArrays(new Uint8Array(4000)));
  assert.throws(() => unpackArrays(new TextEncoder().encode('{"a":{"array":"Array","at":0,"length":1}}\n')));
  assert.throws(() => packArrays({ doubles: new Float64Array(1) }), /Float64Array cannot be packed/);
});

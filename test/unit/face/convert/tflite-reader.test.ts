import assert from 'node:assert/strict';
import { test } from 'node:test';
import { halfToFloat, readTflite } from '../../../../src/face/convert/tflite-reader.js';
import { isAppError } from '../../../../src/errors.js';

test('16-bit floats widen exactly', () => {
  const cases: [number, number][] = [
    [0x0000, 0],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x0001, 2 ** -24],
    [0x3555, 0.333251953125],
    [0x7c00, Infinity],
  ];
  for (const [half, number] of cases) assert.equal(halfToFloat(half), number);
  assert.ok(Number.isNaN(halfToFloat(0x7e00)));
});

test('bytes that are not a TensorFlow Lite model are refused', () => {
  for (const bytes of [new Uint8Array(0), new Uint8Array(64)]) {
    assert.throws(
      () => readTflite(bytes),
      (error) => isAppError(error, 'model-invalid'),
    );
  }
});

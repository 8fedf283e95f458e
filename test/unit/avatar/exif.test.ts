import assert from 'node:assert/strict';
import { it } from 'node:test';
import { jpegOrientation, uprightFilters } from '../../../src/avatar/exif.js';
import { jpegWithOrientation } from '../../helpers/exif.js';

const plain = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xda, 0, 2]);

it('reads both byte orders', () => {
  for (const little of [true, false]) {
    for (let value = 1; value <= 8; value++)
      assert.equal(jpegOrientation(jpegWithOrientation(plain, value, little)), value);
  }
});

it('takes a picture without the tag, or with nonsense, for upright', () => {
  assert.equal(jpegOrientation(plain), 1);
  assert.equal(jpegOrientation(jpegWithOrientation(plain, 9, true)), 1);
  assert.equal(jpegOrientation(jpegWithOrientation(plain, 6, true).subarray(0, 20)), 1);
  assert.equal(jpegOrientation(Buffer.from('no JPEG')), 1);
  assert.deepEqual(uprightFilters(1), []);
});

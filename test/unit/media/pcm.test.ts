import assert from 'node:assert/strict';
import { it } from 'node:test';
import { PcmAssembler } from '../../../src/media/pcm.js';

it('keeps left and right together however the bytes are cut', () => {
  const samples = Int16Array.from({ length: 40 }, (_, index) => index * 300 - 5000);
  const bytes = new Uint8Array(samples.buffer);
  for (let size = 1; size < 20; size++) {
    const assembler = new PcmAssembler(2);
    const got: number[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      const part = assembler.push(bytes.subarray(at, at + size));
      assert.equal(part.length % 2, 0);
      got.push(...part);
    }
    assert.deepEqual(got, [...samples], `pieces of ${size}`);
  }
});

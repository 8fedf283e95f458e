import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { vp8Start } from '../../../src/rtp/vp8-start.js';

describe('vp8Start', () => {
  for (const [what, bytes, expected] of [
    ['a key picture without extensions', [0x10, 0x00], 'key'],
    ['a delta picture without extensions', [0x10, 0x01], 'delta'],
    ['a picture id of 7 bits', [0x90, 0x80, 0x7f, 0x00], 'key'],
    ['a picture id of 15 bits', [0x90, 0x80, 0x81, 0x01, 0x00], 'key'],
    ['all extensions', [0x90, 0xf0, 0x81, 0x01, 0x05, 0x20, 0x01], 'delta'],
    ['the middle of a picture', [0x00, 0x00], undefined],
    ['a later partition', [0x11, 0x00], undefined],
    ['a packet that is cut off', [0x90, 0x80, 0x81], undefined],
    ['nothing', [], undefined],
  ] as const)
    it(`reads ${what}`, () => assert.equal(vp8Start(Buffer.from(bytes)), expected));
});

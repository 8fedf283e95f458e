import assert from 'node:assert/strict';
import { it } from 'node:test';
import { selfTestFault, selfTestInput } from '../../../src/adapters/ffmpeg-self-test.js';

/** An IVF of frames whose first byte is given. */
function ivf(...firstBytes: number[]): Uint8Array {
  const head = Buffer.alloc(32);
  head.write('DKIF', 'latin1');
  head.writeUInt16LE(32, 6);
  const frames = firstBytes.map((byte) => {
    const frame = Buffer.alloc(12 + 5);
    frame.writeUInt32LE(5, 0);
    frame[12] = byte;
    return frame;
  });
  return Buffer.concat([head, ...frames]);
}

it('is content with key, key, delta only', () => {
  assert.equal(selfTestFault(ivf(0x10, 0x30, 0x31)), undefined);
  assert.match(selfTestFault(ivf(0x10, 0x31, 0x31)) ?? '', /Kdd/);
  assert.match(selfTestFault(ivf(0x10, 0x30, 0x30)) ?? '', /KKK/);
  assert.match(selfTestFault(ivf(0x10, 0x30)) ?? '', /KK/);
  assert.match(selfTestFault(new Uint8Array(0)) ?? '', /no IVF/);
});

it('writes one cluster a picture', () => {
  const input = Buffer.from(selfTestInput());
  let clusters = 0;
  for (let at = input.indexOf('1f43b675', 'hex'); at >= 0; at = input.indexOf('1f43b675', at + 1, 'hex'))
    clusters++;
  assert.equal(clusters, 3);
});

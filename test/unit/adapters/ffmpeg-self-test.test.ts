import assert from 'node:assert/strict';
import { it } from 'node:test';
import { h264TestFault, selfTestFault, selfTestInput } from '../../../src/adapters/ffmpeg-self-test.js';

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

/** An FLV with metadata, a configuration and a picture for each frame type (1: key, 2: delta). */
function flv(...frameTypes: number[]): Uint8Array {
  const tag = (type: number, ...body: number[]): Uint8Array =>
    Uint8Array.of(type, 0, 0, body.length, 0, 0, 0, 0, 0, 0, 0, ...body, 0, 0, 0, 11 + body.length);
  return Buffer.concat([
    Buffer.from('464c5601010000000900000000', 'hex'),
    ...[tag(18, 2, 0, 10), tag(9, 0x17, 0, 0, 0, 0, 1, 66)],
    ...frameTypes.map((type) => tag(9, (type << 4) | 7, 1, 0, 0, 0, 0x65)),
    tag(9, 0x17, 2, 0, 0, 0),
  ]);
}

it('asks the same of H.264', () => {
  assert.equal(h264TestFault(flv(1, 1, 2)), undefined);
  assert.match(h264TestFault(flv(1, 2, 2)) ?? '', /Kdd/);
  assert.match(h264TestFault(flv()) ?? '', /none/);
  assert.match(h264TestFault(flv(1, 1, 2).subarray(0, 60)) ?? '', /instead of KKd/);
  assert.match(h264TestFault(new Uint8Array(0)) ?? '', /no FLV/);
});

it('writes one cluster a picture', () => {
  const input = Buffer.from(selfTestInput());
  let clusters = 0;
  for (let at = input.indexOf('1f43b675', 'hex'); at >= 0; at = input.indexOf('1f43b675', at + 1, 'hex'))
    clusters++;
  assert.equal(clusters, 3);
});

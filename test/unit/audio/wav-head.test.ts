import assert from 'node:assert/strict';
import { it } from 'node:test';
import { WavHead } from '../../../src/audio/wav-head.js';

function wav(channels: number, extraChunk: number, samples: number[]): Buffer {
  const format = Buffer.alloc(24);
  format.write('fmt ', 'latin1');
  format.writeUInt32LE(16, 4);
  format.writeUInt16LE(1, 8);
  format.writeUInt16LE(channels, 10);
  const list = Buffer.alloc(8 + extraChunk + (extraChunk % 2));
  list.write('LIST', 'latin1');
  list.writeUInt32LE(extraChunk, 4);
  const riff = Buffer.from('RIFF\xff\xff\xff\xffWAVE', 'latin1');
  return Buffer.concat([
    riff,
    format,
    list,
    Buffer.from('data\xff\xff\xff\xff', 'latin1'),
    Buffer.from(samples),
  ]);
}

it('gives the same samples however the bytes are cut', () => {
  for (const extra of [0, 26, 27]) {
    const whole = wav(2, extra, [1, 2, 3, 4, 5, 6]);
    for (let size = 1; size <= whole.length; size++) {
      const head = new WavHead();
      const got: number[] = [];
      for (let at = 0; at < whole.length; at += size) got.push(...head.push(whole.subarray(at, at + size)));
      assert.deepEqual(got, [1, 2, 3, 4, 5, 6], `chunk of ${extra}, pieces of ${size}`);
      assert.equal(head.channels, 2);
    }
  }
});

it('refuses more channels than two', () => {
  assert.throws(() => new WavHead().push(wav(6, 0, [0])), { code: 'ffmpeg-failed' });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { IvfReader, type IvfFrame } from '../../../src/encoder/ivf-reader.js';

function ivf(frames: readonly { pts: bigint; data: number[] }[]): Buffer {
  const head = Buffer.alloc(32);
  head.write('DKIF', 'latin1');
  head.writeUInt16LE(32, 6);
  const parts = frames.map(({ pts, data }) => {
    const frameHead = Buffer.alloc(12);
    frameHead.writeUInt32LE(data.length, 0);
    frameHead.writeBigUInt64LE(pts, 4);
    return Buffer.concat([frameHead, Buffer.from(data)]);
  });
  return Buffer.concat([head, ...parts]);
}

describe('IvfReader', () => {
  const frames = [
    { pts: 0n, data: [1, 2, 3] },
    { pts: 3n, data: [] },
    { pts: 5_000_000_000n, data: Array.from({ length: 300 }, (_, at) => at & 0xff) },
  ];

  it('reads frames from chunks of every size', () => {
    const bytes = ivf(frames);
    for (const step of [1, 2, 5, 13, 44, 1000]) {
      const got: IvfFrame[] = [];
      const reader = new IvfReader((frame) => got.push(frame));
      for (let at = 0; at < bytes.length; at += step) {
        const chunk = Buffer.from(bytes.subarray(at, at + step));
        reader.push(chunk);
        chunk.fill(0xee); // the reader must have copied what it keeps
      }
      assert.deepEqual(
        got.map(({ pts, data }) => ({ pts: BigInt(pts), data: [...data] })),
        frames,
      );
      assert.ok(reader.atBoundary);
    }
  });

  it('knows that a frame is cut short', () => {
    const reader = new IvfReader(() => {});
    reader.push(ivf(frames).subarray(0, 60));
    assert.equal(reader.atBoundary, false);
  });

  it('refuses what is not IVF', () => {
    assert.throws(() => new IvfReader(() => {}).push(Buffer.alloc(64, 0x41)), /not IVF/);
    const mad = ivf([{ pts: 0n, data: [1] }]);
    mad.writeUInt32LE(0x7fffffff, 32);
    assert.throws(() => new IvfReader(() => {}).push(mad), /claims/);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JpegSplitter } from '../../../src/encoder/jpeg-splitter.js';

// A comment that holds an end and a start marker, a table that does, and a scan with stuffed and restart bytes.
const COMMENT = [0xff, 0xfe, 0x00, 0x08, 0xff, 0xd9, 0xff, 0xd8, 0x01, 0x02];
const TABLE = [0xff, 0xdb, 0x00, 0x04, 0xff, 0xd9];
const scan = (...data: number[]): number[] => [0xff, 0xda, 0x00, 0x04, 0x01, 0x02, ...data];
const PICTURES = [
  [0xff, 0xd8, ...COMMENT, ...TABLE, ...scan(0x11, 0xff, 0x00, 0xd9, 0xff, 0xd0, 0x22), 0xff, 0xd9],
  [0xff, 0xd8, ...TABLE, 0xff, ...TABLE, ...scan(0x33), ...scan(0x44, 0xff, 0x00), 0xff, 0xd9],
  [0xff, 0xd8, ...scan(), 0xff, 0xd9],
];

describe('JpegSplitter', () => {
  it('cuts only where a picture ends, whatever the chunks', () => {
    const bytes = Buffer.from(PICTURES.flat());
    for (let step = 1; step <= bytes.length; step++) {
      const got: number[][] = [];
      const splitter = new JpegSplitter((picture) => got.push([...picture]));
      for (let at = 0; at < bytes.length; at += step) splitter.push(bytes.subarray(at, at + step));
      assert.deepEqual(got, PICTURES);
      assert.ok(splitter.atBoundary);
    }
  });

  it('gives a picture out with its last byte', () => {
    let count = 0;
    const splitter = new JpegSplitter(() => (count += 1));
    const bytes = Buffer.from(PICTURES[0] ?? []);
    splitter.push(bytes.subarray(0, -1));
    assert.equal(count, 0);
    splitter.push(bytes.subarray(-1));
    assert.equal(count, 1);
  });

  it('refuses what is no JPEG', () => {
    assert.throws(() => new JpegSplitter(() => {}).push(Buffer.from('hello')), /marker/);
    assert.throws(() => new JpegSplitter(() => {}).push(Buffer.from([0xff, 0xd9])), /start marker/);
  });
});

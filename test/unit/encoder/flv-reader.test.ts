import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FlvReader } from '../../../src/encoder/flv-reader.js';

const HEAD = Buffer.from('464c5601010000000900000000', 'hex');

function tag(type: number, timeMs: number, body: readonly number[]): Buffer {
  const bytes = Buffer.alloc(11 + body.length + 4);
  bytes.writeUInt8(type, 0);
  bytes.writeUIntBE(body.length, 1, 3);
  bytes.writeUIntBE(timeMs % 2 ** 24, 4, 3);
  bytes.writeUInt8(Math.floor(timeMs / 2 ** 24), 7);
  bytes.set(body, 11);
  bytes.writeUInt32BE(11 + body.length, 11 + body.length);
  return bytes;
}

const picture = (timeMs: number, ...data: number[]): Buffer => tag(9, timeMs, [0x27, 1, 0, 0, 0, ...data]);

function read(chunks: readonly Uint8Array[]): string[] {
  const found: string[] = [];
  const reader = new FlvReader({
    onConfig: (record) => found.push(`config ${record.join(' ')}`),
    onPicture: ({ timeMs, data }) => found.push(`${timeMs}: ${data.join(' ')}`),
  });
  for (const chunk of chunks) reader.push(chunk);
  return found;
}

describe('the FLV reader', () => {
  const file = Buffer.concat([
    HEAD,
    tag(18, 0, [2, 0, 10, 1]),
    tag(9, 0, [0x17, 0, 0, 0, 0, 1, 66]),
    picture(0, 1, 2, 3),
    picture(0x12345678, 4),
    tag(9, 0, [0x17, 2, 0, 0, 0]),
  ]);
  const wanted = ['config 1 66', '0: 1 2 3', `${0x12345678}: 4`];

  it('finds the configuration and the pictures, with times of 32 bits', () => {
    assert.deepEqual(read([file]), wanted);
  });

  it('however the stream is chopped', () => {
    for (let sizeBytes = 1; sizeBytes < 40; sizeBytes += 1) {
      const chunks = [];
      for (let at = 0; at < file.length; at += sizeBytes) chunks.push(file.subarray(at, at + sizeBytes));
      assert.deepEqual(read(chunks), wanted);
    }
  });

  it('hands a picture out with its last byte', () => {
    const whole = Buffer.concat([HEAD, picture(40, 7)]);
    assert.deepEqual(read([whole.subarray(0, -1)]), []);
    assert.deepEqual(read([whole]), ['40: 7']);
  });

  it('throws on what is not FLV, not H.264, or out of step', () => {
    assert.throws(() => read([Buffer.from('DKIF, a file of IVF')]), /not FLV/);
    assert.throws(() => read([HEAD, tag(9, 0, [0x22, 1, 0, 0, 0, 1])]), /no H\.264/);
    const broken = picture(0, 1, 2, 3);
    broken.writeUInt32BE(99, broken.length - 4);
    assert.throws(() => read([HEAD, broken]), /ends elsewhere/);
  });
});

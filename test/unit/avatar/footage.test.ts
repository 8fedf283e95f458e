import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Y4mParser } from '../../../src/avatar/footage.js';

const PICTURE_BYTES = (4 * 2 * 3) / 2;

it('finds the pictures however the bytes are cut', () => {
  const pictures = [1, 10, 0x0a].map((value) => Buffer.alloc(PICTURE_BYTES, value));
  const stream = Buffer.concat([
    Buffer.from('YUV4MPEG2 W4 H2 F25:1 Ip A1:1 C420jpeg\n'),
    ...pictures.flatMap((picture) => [Buffer.from('FRAME\n'), picture]),
  ]);
  for (let size = 1; size <= stream.length; size++) {
    const parser = new Y4mParser();
    const got: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) {
      for (const picture of parser.push(stream.subarray(at, at + size))) {
        assert.equal(picture.widthPx, 4);
        assert.equal(picture.heightPx, 2);
        got.push(Buffer.from(picture.data));
      }
    }
    assert.deepEqual(got, pictures, `pieces of ${size}`);
  }
});

it('does not take anything else for pictures', () => {
  assert.throws(() => [...new Y4mParser().push(Buffer.from('RIFF....\n'))], { code: 'ffmpeg-failed' });
  assert.throws(() => [...new Y4mParser().push(Buffer.from('YUV4MPEG2 W4 H2\nGARBAGE\n'))], {
    code: 'ffmpeg-failed',
  });
});

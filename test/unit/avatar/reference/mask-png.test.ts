import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { clipMask, decodeMaskPng } from '../../../../src/avatar/reference/mask-png.js';
import { makeMedia, temporaryFolder } from '../../../helpers/media.js';
import { expectedReference, referenceFile } from '../../../helpers/reference-folder.js';

/** Writes a changed byte of the first chunk and mends the checksum. */
function withHeadByte(png: Buffer, offset: number, value: number): Buffer {
  const changed = Buffer.from(png);
  changed[16 + offset] = value;
  changed.writeUInt32BE(crc32(changed.subarray(12, 29)), 29);
  return changed;
}

describe('decodeMaskPng', () => {
  it('gives the values that OpenCV wrote', async () => {
    const { masks } = await expectedReference();
    for (const [index, { side, sha256 }] of masks.entries()) {
      const grey = decodeMaskPng(await referenceFile(`avatar/mask/0000000${index}.png`), side, 'mask.png');
      assert.equal(createHash('sha256').update(grey).digest('hex'), sha256);
    }
  });

  it('reads every row filter, of grey and of colour', async (t) => {
    const folder = await temporaryFolder(t);
    const picture = "nullsrc=s=40x40:d=0.04,geq=lum='mod(X*X+3*Y*Y,256)':cb=128:cr=128,format=gray";
    const raw = path.join(folder, 'raw');
    await makeMedia(['-f', 'lavfi', '-i', picture, '-frames:v', '1', '-f', 'rawvideo', raw]);
    for (const filter of ['none', 'sub', 'up', 'avg', 'paeth', 'mixed']) {
      for (const format of ['gray', 'rgb24', 'rgba', 'ya8']) {
        const file = path.join(folder, `${filter}-${format}.png`);
        await makeMedia([
          ...[
            '-f',
            'lavfi',
            '-i',
            `${picture},format=${format}`,
            '-frames:v',
            '1',
            '-c:v',
            'png',
            '-pred',
            filter,
            file,
          ],
        ]);
        assert.deepEqual(
          Buffer.from(decodeMaskPng(await readFile(file), 40, 'mask.png')),
          await readFile(raw),
          `${filter} ${format}`,
        );
      }
    }
  });

  it('refuses what is no such mask', async () => {
    const png = await referenceFile('avatar/mask/00000000.png');
    assert.throws(() => decodeMaskPng(png, 58, 'm.png'), /m\.png has 60x60 pixels and its square .* 58x58/);
    assert.throws(() => decodeMaskPng(Buffer.from('hello'), 60, 'm.png'), /m\.png is not a PNG picture/);
    assert.throws(() => decodeMaskPng(withHeadByte(png, 8, 16), 60, 'm.png'), /not a plain PNG of 8 bits/);
    assert.throws(() => decodeMaskPng(withHeadByte(png, 12, 1), 60, 'm.png'), /not a plain PNG of 8 bits/);
    // As colour the same bytes are too few.
    assert.throws(() => decodeMaskPng(withHeadByte(png, 9, 2), 60, 'm.png'), /cannot be unpacked/);
    for (let length = 0; length < png.length; length++)
      assert.throws(() => decodeMaskPng(png.subarray(0, length), 60, 'm.png'), { code: 'media-undecodable' });
  });
});

describe('clipMask', () => {
  const grey = new Uint8Array(16);
  grey[4 * 1 + 1] = 7; // x 1, y 1 of the square of 4
  grey[4 * 2 + 3] = 9;

  it('moves the mask into the picture and drops empty rows and columns', () => {
    const mask = clipMask(grey, { x1: 10, y1: 20, x2: 14, y2: 24 }, 100, 100);
    assert.deepEqual(mask.area, { x1: 11, y1: 21, x2: 14, y2: 23 });
    assert.deepEqual([...mask.alpha], [7, 0, 0, 0, 0, 9]);
  });

  it('drops what lies outside on every side', () => {
    assert.deepEqual(clipMask(grey, { x1: -2, y1: 0, x2: 2, y2: 4 }, 100, 100), {
      area: { x1: 1, y1: 2, x2: 2, y2: 3 },
      alpha: Uint8Array.of(9),
    });
    assert.deepEqual(clipMask(grey, { x1: 97, y1: 98, x2: 101, y2: 102 }, 100, 100), {
      area: { x1: 98, y1: 99, x2: 99, y2: 100 },
      alpha: Uint8Array.of(7),
    });
    assert.equal(clipMask(grey, { x1: -50, y1: 0, x2: -46, y2: 4 }, 100, 100).alpha.length, 0);
  });
});

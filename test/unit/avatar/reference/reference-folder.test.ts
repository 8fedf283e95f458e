import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { isReferenceFolder, readReferenceFolder } from '../../../../src/avatar/reference/reference-folder.js';
import { temporaryFolder } from '../../../helpers/media.js';
import {
  expectedReference,
  pickles,
  referenceCopy,
  referenceFile,
} from '../../../helpers/reference-folder.js';

/** A list of boxes in protocol 0. */
const boxPickle = (boxes: readonly (readonly unknown[])[]): string =>
  `(${boxes.map((box) => `(${box.map((side) => (Number.isInteger(side) ? `I${String(side)}\n` : `F${String(side)}\n`)).join('')}t`).join('')}l.`;

describe('isReferenceFolder', () => {
  it('is told by the latents', async (t) => {
    const folder = await referenceCopy(t);
    const latents = path.join(folder, 'latents.pt');
    assert.equal(await isReferenceFolder(folder), true);
    assert.equal(await isReferenceFolder(latents), false);
    assert.equal(await isReferenceFolder(path.join(folder, 'full_imgs')), false);
    await rm(latents);
    await mkdir(latents);
    assert.equal(await isReferenceFolder(folder), false);
    assert.equal(await isReferenceFolder(path.join(folder, 'nothing')), false);
  });
});

describe('readReferenceFolder', () => {
  it('gives half of the cycle that the reference wrote', async (t) => {
    const folder = await referenceCopy(t);
    const expected = await expectedReference();
    const read = await readReferenceFolder(folder);
    assert.deepEqual(read.info, {
      avatarId: expected.info.avatar_id,
      videoPath: expected.info.video_path,
      bboxShift: expected.info.bbox_shift,
      version: 'v15',
    });
    const sides = ({ x1, y1, x2, y2 }: { x1: number; y1: number; x2: number; y2: number }) => [
      x1,
      y1,
      x2,
      y2,
    ];
    assert.deepEqual(read.boxes.map(sides), expected.boxes);
    assert.deepEqual(read.squares.map(sides), expected.squares);
    assert.deepEqual(
      read.latents.map((values) => createHash('sha256').update(new Uint8Array(values.buffer)).digest('hex')),
      expected.latents.map(({ sha256 }) => sha256),
    );
    assert.deepEqual(
      [...read.frames, ...read.maskPaths].map((file) => path.relative(folder, file)),
      ['full_imgs/00000000.png', 'full_imgs/00000001.png', 'mask/00000000.png', 'mask/00000001.png'],
    );
  });

  it('takes all as they are if the second half is not the first one reversed', async (t) => {
    const folder = await referenceCopy(t);
    // One byte more after the end of the picture, and it is another picture.
    const frame = path.join(folder, 'full_imgs/00000003.png');
    await writeFile(frame, Buffer.concat([await readFile(frame), Buffer.of(0)]));
    const read = await readReferenceFolder(folder);
    assert.equal(read.frames.length, 4);
    assert.equal(read.latents[0], read.latents[3]);
  });

  it('takes the name without the misspelling, an info without a version, and pictures with other names beside', async (t) => {
    const folder = await referenceCopy(t);
    await rm(path.join(folder, 'avator_info.json'));
    await writeFile(path.join(folder, 'avatar_info.json'), '{"avatar_id": 7, "bbox_shift": -3}');
    await copyFile(path.join(folder, 'full_imgs/00000000.png'), path.join(folder, 'full_imgs/a.png'));
    const read = await readReferenceFolder(folder);
    assert.deepEqual(read.info, { avatarId: '7', bboxShift: -3 });
    assert.equal(read.frames.length, 2);
  });

  const damages: Record<string, [(folder: string) => Promise<unknown>, string, RegExp]> = {
    'no info': [
      (folder) => rm(path.join(folder, 'avator_info.json')),
      'file-not-found',
      /there is no avator_info\.json in avator_1; name a folder/,
    ],
    'an info that is no JSON': [
      (folder) => writeFile(path.join(folder, 'avator_info.json'), '{'),
      'media-undecodable',
      /avator_info\.json is not JSON/,
    ],
    'an unknown version': [
      (folder) => writeFile(path.join(folder, 'avator_info.json'), '{"version":"v2"}'),
      'media-undecodable',
      /names version v2, not v1 or v15/,
    ],
    'no boxes file': [
      (folder) => rm(path.join(folder, 'coords.pkl')),
      'file-not-found',
      /avator_1\/coords\.pkl/,
    ],
    'a pickle with code': [
      async (folder) => writeFile(path.join(folder, 'coords.pkl'), (await pickles()).get('evil-4')!),
      'media-undecodable',
      /coords\.pkl names posix\.system/,
    ],
    'boxes cut off': [
      (folder) => truncate(path.join(folder, 'coords.pkl'), 100),
      'media-undecodable',
      /coords\.pkl ends early: it was cut off/,
    ],
    'a box too few': [
      (folder) => writeFile(path.join(folder, 'coords.pkl'), boxPickle([[12, 10, 44, 50]])),
      'media-undecodable',
      /coords\.pkl 1, mask_coords\.pkl 4, latents\.pt 4, full_imgs 4, mask 4/,
    ],
    'a picture without a face': [
      (folder) =>
        writeFile(
          path.join(folder, 'coords.pkl'),
          boxPickle([
            [12, 10, 44, 50],
            ['0.0', '0.0', '0.0', '0.0'],
            [26, 14, 60, 54],
            [12, 10, 44, 50],
          ]),
        ),
      'media-undecodable',
      /picture 1 has no face box/,
    ],
    'a box of fractions': [
      (folder) =>
        writeFile(
          path.join(folder, 'coords.pkl'),
          boxPickle([['12.5', 10, 44, 50], [1], [], [12, 10, 44, 50]]),
        ),
      'media-undecodable',
      /entry 0 of coords\.pkl is not four whole numbers/,
    ],
    'boxes of another folder': [
      (folder) =>
        writeFile(
          path.join(folder, 'coords.pkl'),
          boxPickle([
            [12, 10, 44, 50],
            [26, 34, 60, 54],
            [26, 34, 60, 54],
            [12, 10, 44, 50],
          ]),
        ),
      'media-undecodable',
      /the mask of picture 1 does not lie around its face box/,
    ],
    'a square too large': [
      (folder) =>
        writeFile(path.join(folder, 'mask_coords.pkl'), boxPickle(Array(4).fill([-8000, -8000, 8000, 8000]))),
      'media-undecodable',
      /entry 0 of mask_coords\.pkl is not a square/,
    ],
    'boxes that are no list': [
      (folder) => writeFile(path.join(folder, 'coords.pkl'), 'N.'),
      'media-undecodable',
      /coords\.pkl holds no list of boxes/,
    ],
    'a missing picture': [
      (folder) => rm(path.join(folder, 'full_imgs/00000001.png')),
      'media-undecodable',
      /full_imgs\/00000001\.png is missing/,
    ],
    'a mask too few': [
      (folder) => rm(path.join(folder, 'mask/00000003.png')),
      'media-undecodable',
      /do not have one length .*mask 3/,
    ],
    'no folder of masks': [
      (folder) => rm(path.join(folder, 'mask'), { recursive: true }),
      'file-not-found',
      /there is no folder mask in avator_1/,
    ],
    'latents cut off': [
      (folder) => truncate(path.join(folder, 'latents.pt'), 20_000),
      'media-undecodable',
      /latents\.pt has no end: it was cut off/,
    ],
    'latents of another shape': [
      async (folder) => writeFile(path.join(folder, 'latents.pt'), await referenceFile('tensors.pt')),
      'media-undecodable',
      /latents\.pt holds no list/,
    ],
    'latents in the old format': [
      async (folder) => writeFile(path.join(folder, 'latents.pt'), await referenceFile('legacy.pt')),
      'not-supported',
      /torch\.save it again/,
    ],
  };
  for (const [what, [damage, code, message]] of Object.entries(damages)) {
    it(`says in a sentence what is wrong: ${what}`, async (t) => {
      const folder = await referenceCopy(t);
      await damage(folder);
      await assert.rejects(readReferenceFolder(folder), { code, message });
    });
  }

  it('does not follow links out of the folder', async (t) => {
    const elsewhere = await temporaryFolder(t);
    for (const name of ['coords.pkl', 'full_imgs/00000001.png', 'full_imgs', 'avator_info.json']) {
      const folder = await referenceCopy(t);
      const moved = path.join(elsewhere, name.replace('/', '-'));
      await rename(path.join(folder, name), moved);
      await symlink(moved, path.join(folder, name));
      await assert.rejects(readReferenceFolder(folder), { code: 'path-outside-roots' }, name);
    }
  });
});

import assert from 'node:assert/strict';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { DEFAULT_FACE_PARAMETERS } from '../../../../src/engine/faces/face-material.js';
import { findDamage, isPrepared } from '../../../../src/engine/faces/material-check.js';
import {
  materialKey,
  type MaterialFile,
  type MaterialHeader,
} from '../../../../src/engine/faces/material-file.js';
import { MaterialWriter } from '../../../../src/engine/faces/material-writer.js';
import { temporaryFolder } from '../../../helpers/media.js';

const HEADER: MaterialHeader = {
  family: 'musetalk',
  parameters: DEFAULT_FACE_PARAMETERS,
  modelHashes: {},
  landmarks: 'mesh',
  parsing: 'mesh',
  faceSidePx: 2,
  inputValues: 3,
};
const EXPECTED = { frameCount: 2, key: materialKey(HEADER) };

async function write(folder: string): Promise<void> {
  const writer = await MaterialWriter.create(folder, HEADER);
  const area = { x1: 0, y1: 0, x2: 2, y2: 2 };
  for (const seed of [1, 2])
    await writer.add({
      box: { x1: 0, y1: 0, x2: 4, y2: 4 },
      mask: { area, alpha: new Uint8Array(4).fill(seed) },
      input: new Float32Array(3).fill(seed),
    });
  await writer.finish();
  await writer.close();
}

test('material that is whole and made so is prepared; any damage means that it is not', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'm');
  const file = (name: string): string => path.join(folder, name);
  assert.equal(await isPrepared(folder, EXPECTED), false);
  const damages: Record<string, () => Promise<void>> = {
    'inputs cut off': () => truncate(file('inputs.f32'), 23),
    'inputs too long': () => writeFile(file('inputs.f32'), new Uint8Array(25)),
    'masks cut off': () => truncate(file('masks.u8'), 0),
    'masks gone': () => rm(file('masks.u8')),
    'no JSON': () => truncate(file('material.json'), 40),
    'no object': () => writeFile(file('material.json'), 'null'),
    'no pictures': async () => {
      const text = await readFile(file('material.json'), 'utf8');
      await writeFile(file('material.json'), text.replace('"pictures":', '"paintings":'));
    },
  };
  for (const [what, damage] of Object.entries(damages)) {
    await write(folder);
    assert.equal(await isPrepared(folder, EXPECTED), true, what);
    await damage();
    assert.equal(await isPrepared(folder, EXPECTED), false, what);
  }
  await write(folder);
  assert.equal(await isPrepared(folder, { ...EXPECTED, frameCount: 3 }), false);
  assert.equal(await isPrepared(folder, { ...EXPECTED, key: 'another' }), false);
});

test('damage is a sentence with both sizes', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'm');
  await write(folder);
  const material = JSON.parse(await readFile(path.join(folder, 'material.json'), 'utf8')) as MaterialFile;
  assert.equal(await findDamage(folder, material, 2), undefined);
  assert.match((await findDamage(folder, material, 3)) ?? '', /2 pictures where the avatar has 3/);
  await truncate(path.join(folder, 'masks.u8'), 7);
  assert.equal(await findDamage(folder, material, 2), 'masks.u8 has 7 bytes, not 8');
  await rm(path.join(folder, 'inputs.f32'));
  assert.equal(await findDamage(folder, material, 2), 'inputs.f32 has no bytes, not 24');
});

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { hashModelFiles } from '../../../../src/engine/faces/file-hashes.js';
import { temporaryFolder } from '../../../helpers/media.js';

test('a file with its data file beside it is hashed as one', async (t) => {
  const folder = await temporaryFolder(t);
  const [unet, encoder] = [path.join(folder, 'unet.onnx'), path.join(folder, 'vae_encoder.onnx')];
  await writeFile(unet, 'graph');
  await writeFile(`${unet}.data`, 'weights');
  await writeFile(encoder, 'graph');
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  assert.deepEqual(await hashModelFiles({ unet, encoder }), {
    unet: sha256('graphweights'),
    encoder: sha256('graph'),
  });
});

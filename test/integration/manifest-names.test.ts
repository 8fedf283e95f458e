import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptedNames as namesOfManifest, readModelManifest } from '../../src/adapters/model-manifest.js';
import {
  acceptedNames as namesOfLoader,
  type MuseTalkRole,
} from '../../src/engine/musetalk/models/model-files.js';

/** What is downloaded must be found: the manifest's file names are names that the loader looks for. */

const ROLES: Record<string, MuseTalkRole> = {
  unet: 'unet',
  'vae-encoder': 'vaeEncoder',
  'vae-decoder': 'vaeDecoder',
  'vae-decoder-tiny': 'vaeDecoderTiny',
  'whisper-encoder': 'whisperEncoder',
};

test('the loader finds every file of the ONNX sets under its own name and under every accepted one', async () => {
  const { roles, sets } = await readModelManifest('models/manifest.json');
  for (const [name, role] of Object.entries(ROLES)) {
    const known = new Set(namesOfLoader(role, { precision: 'fp32' }));
    const stated = roles[name];
    assert.ok(stated, `the manifest has no role ${name}`);
    for (const file of namesOfManifest(stated)) assert.ok(known.has(file), `${file} is not looked for`);
    for (const set of ['musetalk', 'musetalk-fp32'])
      for (const file of sets[set]?.files.filter((entry) => entry.role === name) ?? [])
        assert.ok(known.has(file.file), `${file.file} of ${set} is not looked for`);
  }
});

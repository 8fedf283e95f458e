import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readModelManifest } from '../../../src/adapters/model-manifest.js';
import { namesFault } from '../../../src/cli/model-check.js';

const { roles } = await readModelManifest('models/manifest.json');

function fault(role: string, inputs: string[], outputs: string[]): string | undefined {
  const { inputs: wantedInputs, outputs: wantedOutputs, anyNames = false } = roles[role]!;
  return (
    namesFault('input', inputs, wantedInputs, anyNames) ??
    namesFault('output', outputs, wantedOutputs, anyNames)
  );
}

test('both families of exports fit their roles', () => {
  assert.equal(fault('unet', ['input_latents', 'audio_prompts'], ['noise_prediction']), undefined);
  assert.equal(
    fault('unet', ['input_latents', 'timesteps', 'audio_prompts'], ['noise_prediction']),
    undefined,
  );
  assert.equal(fault('unet', ['latent', 'timestep', 'audio_prompt'], ['latent_out']), undefined);
  assert.equal(fault('vae-encoder', ['image'], ['moments']), undefined);
  assert.equal(fault('vae-decoder', ['latent'], ['image']), undefined);
  assert.equal(fault('whisper-encoder', ['input_features'], ['hidden_states']), undefined);
  assert.equal(fault('face-parsing', ['x'], ['a', 'b', 'c']), undefined);
});

test('a graph of another role is told from what it has and lacks', () => {
  assert.match(fault('vae-encoder', ['latents'], ['image']) ?? '', /inputs latents, but not image/);
  assert.match(
    fault('unet', ['input_latents'], ['noise_prediction']) ?? '',
    /not audio_prompts or audio_prompt/,
  );
  assert.match(
    fault('unet', ['input_latents', 'audio_prompts', 'mask'], ['noise_prediction']) ?? '',
    /nobody knows what to feed to mask/,
  );
  assert.match(fault('vae-decoder', ['latents'], ['y']) ?? '', /outputs y, but not image/);
  assert.match(fault('wav2lip', ['mel'], ['y']) ?? '', /inputs mel, 2 expected/);
  assert.match(fault('face-parsing', ['x'], []) ?? '', /1 expected/);
});

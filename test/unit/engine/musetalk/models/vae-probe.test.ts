import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { MuseTalkNets } from '../../../../../src/engine/musetalk/musetalk-nets.js';
import type { MuseTalkNetsOptions } from '../../../../../src/engine/musetalk/models/open-nets.js';
import { silentLog } from '../../../../../src/lib/log.js';
import { temporaryFolder } from '../../../../helpers/media.js';
import { stubSet, vaeDecoderGraph, vaeEncoderGraph } from '../../../../helpers/musetalk-stubs.js';

const SCALE = 0.18215;

/** A pair of files, the sentence's key words, and the overrides that put it right. */
const MIXES: readonly {
  readonly name: string;
  readonly encoder?: Uint8Array;
  readonly decoder?: Uint8Array;
  readonly given?: NonNullable<MuseTalkNetsOptions['overrides']>;
  readonly says: RegExp;
  readonly cure?: NonNullable<MuseTalkNetsOptions['overrides']>;
}[] = [
  {
    name: 'an encoder that scales with a decoder that does not',
    decoder: vaeDecoderGraph({ factor: 1 }),
    says: /vae_encoder\.onnx multiplies by 0\.18215, but vae_decoder\.onnx does not divide.*decoderScaling=outside/,
    cure: { decoderScaling: 'outside' },
  },
  {
    name: 'an encoder that does not scale with a decoder that does',
    encoder: vaeEncoderGraph({ factor: 1 }),
    says: /vae_encoder\.onnx does not multiply by 0\.18215.*encoderScaling=outside/,
    cure: { encoderScaling: 'outside' },
  },
  {
    name: 'moments that are scaled already',
    encoder: vaeEncoderGraph({ moments: true, factor: SCALE }),
    says: /multiplies by 0\.18215 itself.*encoderScaling=inside/,
    cure: { encoderScaling: 'inside' },
  },
  {
    name: 'an override that makes the decoder divide twice',
    given: { decoderScaling: 'outside' },
    says: /divides by 0\.18215 itself.*decoderScaling=inside/,
    cure: { decoderScaling: 'inside' },
  },
  {
    name: 'an override that makes the encoder multiply twice',
    given: { encoderScaling: 'outside' },
    says: /multiplies by 0\.18215 itself.*encoderScaling=inside/,
    cure: { encoderScaling: 'inside' },
  },
  {
    name: 'neither scales: the picture comes back, but the latents are too large for the UNet',
    // As large as a real VAE's: about 5 times the stub's.
    encoder: vaeEncoderGraph({ factor: 10 }),
    decoder: vaeDecoderGraph({ factor: 0.1 }),
    says: /vae_encoder\.onnx gives latents that were not multiplied.*encoderScaling=outside .*decoderScaling=outside/,
    cure: { encoderScaling: 'outside', decoderScaling: 'outside' },
  },
  {
    name: 'red and blue swapped',
    decoder: vaeDecoderGraph({ swapped: true }),
    says: /vae_encoder\.onnx and vae_decoder\.onnx disagree about red and blue.*decoderOrder=bgr/,
    cure: { decoderOrder: 'bgr' },
  },
  {
    name: 'a decoder of 0..1',
    decoder: vaeDecoderGraph({ halved: true }),
    says: /vae_decoder\.onnx gives pictures of 0\.\.1 where -1\.\.1 is expected: export it again/,
  },
  {
    name: 'files that have nothing to do with one another',
    decoder: vaeDecoderGraph({ factor: -40 }),
    says: /vae_decoder\.onnx does not give back what vae_encoder\.onnx was shown.*probe=off/,
    cure: { probe: 'off' },
  },
];

for (const { name, encoder, decoder, given, says, cure } of MIXES) {
  test(`the probe at start finds ${name}`, async (t) => {
    const folder = await stubSet(await temporaryFolder(t), {
      ...(encoder && { 'vae_encoder.onnx': encoder }),
      ...(decoder && { 'vae_decoder.onnx': decoder }),
    });
    await assert.rejects(open(t, folder, given), { code: 'model-invalid', message: says });
    if (cure) await open(t, folder, { ...given, ...cure });
  });
}

test('sound pairs pass, whatever their convention', async (t) => {
  for (const encoder of [
    vaeEncoderGraph(),
    vaeEncoderGraph({ moments: true }),
    vaeEncoderGraph({ type: 'float16' }),
  ]) {
    const folder = await stubSet(await temporaryFolder(t), { 'vae_encoder.onnx': encoder });
    await open(t, folder);
  }
});

test('an encoder that wants blue first is fed blue first', async (t) => {
  const plain = await open(t, await stubSet(await temporaryFolder(t)));
  const swapped = await open(t, await stubSet(await temporaryFolder(t)), {
    encoderOrder: 'bgr',
    probe: 'off',
  });
  const image = new Float32Array(3 * 65536).fill(-0.5, 0, 65536).fill(0.25, 131072);
  const turned = new Float32Array(3 * 65536).fill(0.25, 0, 65536).fill(-0.5, 131072);
  assert.deepEqual(await swapped.encode(image, 1), await plain.encode(turned, 1));
  assert.notDeepEqual(await swapped.encode(image, 1), await plain.encode(image, 1));
});

async function open(
  t: TestContext,
  folder: string,
  overrides: NonNullable<MuseTalkNetsOptions['overrides']> = {},
): Promise<MuseTalkNets> {
  const nets = await MuseTalkNets.create({ folder, overrides, log: silentLog });
  t.after(() => nets.close());
  return nets;
}

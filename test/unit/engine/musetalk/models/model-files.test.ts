import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { acceptedNames, findModelFiles } from '../../../../../src/engine/musetalk/models/model-files.js';
import { temporaryFolder } from '../../../../helpers/media.js';

const PLAIN = ['unet.onnx', 'vae_encoder.onnx', 'vae_decoder.onnx', 'whisper_encoder.onnx'];

test('plain names', async (t) => {
  const folder = await folderWith(t, PLAIN);
  const files = findModelFiles({ folder, precision: 'fp32' });
  assert.deepEqual(files, {
    unet: path.join(folder, 'unet.onnx'),
    vaeEncoder: path.join(folder, 'vae_encoder.onnx'),
    vaeDecoder: path.join(folder, 'vae_decoder.onnx'),
    whisperEncoder: path.join(folder, 'whisper_encoder.onnx'),
    tiny: false,
    vaeDecoderFp32: undefined,
  });
});

test('half floats where asked for and there, with the float32 decoder in reserve', async (t) => {
  const folder = await folderWith(t, [...PLAIN, 'unet_fp16.onnx', 'vae_decoder_fp16.onnx']);
  assert.deepEqual(names(findModelFiles({ folder, precision: 'fp16' })), [
    'unet_fp16.onnx',
    'vae_encoder.onnx',
    'vae_decoder_fp16.onnx',
    'whisper_encoder.onnx',
    'vae_decoder.onnx',
  ]);
  assert.deepEqual(names(findModelFiles({ folder, precision: 'fp32' })), PLAIN);
  const only = await folderWith(t, [...PLAIN.slice(1), 'unet_fp16.onnx']);
  assert.equal(names(findModelFiles({ folder: only, precision: 'fp32' }))[0], 'unet_fp16.onnx');
});

test('the version of the weights: v15 before plain, and never for v1', async (t) => {
  const folder = await folderWith(t, [...PLAIN, 'unet_v15.onnx', 'unet_fp16_v15.onnx']);
  assert.equal(names(findModelFiles({ folder, precision: 'fp32' }))[0], 'unet_v15.onnx');
  assert.equal(names(findModelFiles({ folder, precision: 'fp16' }))[0], 'unet_fp16_v15.onnx');
  assert.equal(names(findModelFiles({ folder, precision: 'fp32', version: 'v1' }))[0], 'unet.onnx');
});

test('reference bug: the v1 UNet was the default of v1.5; here a UNet named after another version is refused', async (t) => {
  const names = [
    'unet_v1.onnx',
    'unet-v1_fp16.onnx',
    'unet_v15.onnx',
    'unet.v1.5.onnx',
    'unet_v2.onnx',
    'nev1.onnx',
  ];
  const folder = await folderWith(t, [...PLAIN.slice(1), ...names]);
  const take = (name: string, version?: 'v1' | 'v15') =>
    findModelFiles({
      folder,
      precision: 'fp32',
      paths: { unet: path.join(folder, name) },
      ...(version && { version }),
    });
  for (const name of names.slice(0, 2)) {
    assert.throws(() => take(name), {
      code: 'invalid-argument',
      message: new RegExp(
        `${name} has the weights of v1 by its name, but the version is v15: give --version v1`,
      ),
    });
    assert.equal(path.basename(take(name, 'v1').unet), name);
  }
  for (const name of names.slice(2, 4)) {
    assert.throws(() => take(name, 'v1'), { message: /weights of v15 by its name.*give --version v15/ });
    assert.equal(path.basename(take(name).unet), name);
  }
  for (const name of names.slice(4)) assert.equal(path.basename(take(name, 'v1').unet), name);
  // Nor is it taken where nobody names it.
  const only = await folderWith(t, [...PLAIN.slice(1), 'unet_v1.onnx']);
  assert.throws(() => findModelFiles({ folder: only, precision: 'fp32' }), { code: 'file-not-found' });
  assert.match(findModelFiles({ folder: only, precision: 'fp32', version: 'v1' }).unet, /unet_v1\.onnx$/);
});

test('the prefix musetalk_', async (t) => {
  const prefixed = PLAIN.map((name) => `musetalk_${name}`);
  assert.deepEqual(
    names(findModelFiles({ folder: await folderWith(t, prefixed), precision: 'fp16' })),
    prefixed,
  );
});

test('the tiny decoder is found by its own names only', async (t) => {
  const folder = await folderWith(t, [...PLAIN, 'vae_decoder_tiny.onnx']);
  assert.equal(names(findModelFiles({ folder, precision: 'fp32', tiny: true }))[2], 'vae_decoder_tiny.onnx');
  const without = await folderWith(t, PLAIN);
  assert.throws(() => findModelFiles({ folder: without, precision: 'fp32', tiny: true }), {
    code: 'file-not-found',
    message: /the tiny VAE decoder is missing.*vae_decoder_tiny\.onnx/,
  });
});

test('a missing file of a set: which one, where, and every accepted name', async (t) => {
  for (const missing of PLAIN) {
    const folder = await folderWith(
      t,
      PLAIN.filter((name) => name !== missing),
    );
    assert.throws(
      () => findModelFiles({ folder, precision: 'fp16' }),
      (error: Error & { code?: string }) => {
        const stem = missing.replace('.onnx', '');
        assert.equal(error.code, 'file-not-found');
        for (const name of [
          missing,
          `${stem}_fp16.onnx`,
          `${stem}_v15.onnx`,
          `musetalk_${stem}.onnx`,
          folder,
        ]) {
          assert.ok(error.message.includes(name), `${name} in: ${error.message}`);
        }
        return true;
      },
    );
  }
});

test('no folder, or one that is not there', () => {
  assert.throws(() => findModelFiles({ precision: 'fp32' }), {
    code: 'file-not-found',
    message: /no file for the UNet/,
  });
  assert.throws(() => findModelFiles({ folder: '/no/such/folder', precision: 'fp32' }), {
    code: 'file-not-found',
    message: /models folder \/no\/such\/folder is not there/,
  });
});

test('paths come before the folder; a folder as path is searched (whisper_dir)', async (t) => {
  const folder = await folderWith(t, PLAIN);
  const other = await folderWith(t, ['my-unet.onnx', 'whisper_encoder_fp16.onnx']);
  const files = findModelFiles({
    folder,
    precision: 'fp32',
    paths: { unet: path.join(other, 'my-unet.onnx'), whisperEncoder: other },
  });
  assert.equal(files.unet, path.join(other, 'my-unet.onnx'));
  assert.equal(files.whisperEncoder, path.join(other, 'whisper_encoder_fp16.onnx'));
  assert.throws(() => findModelFiles({ folder, precision: 'fp32', paths: { unet: '/gone.onnx' } }), {
    code: 'file-not-found',
    message: /the UNet \/gone\.onnx is not there/,
  });
});

test('a PyTorch checkpoint is answered with the export command, whether given or lying in the folder', async (t) => {
  const given = (unet: string): void => void findModelFiles({ precision: 'fp32', paths: { unet } });
  for (const name of ['unet.pth', 'pytorch_model.bin', 'tiny.pt', 'model.safetensors']) {
    assert.throws(() => given(`models/${name}`), {
      code: 'invalid-argument',
      message: new RegExp(
        `python models/export/export\\.py --unet models/${name.replace('.', '\\.')} --out <folder>`,
      ),
    });
  }
  const folder = await folderWith(t, PLAIN.slice(1));
  await mkdir(path.join(folder, 'musetalkV15'));
  await writeFile(path.join(folder, 'musetalkV15/unet.pth'), '');
  assert.throws(() => findModelFiles({ folder, precision: 'fp32' }), {
    code: 'invalid-argument',
    message: /export\.py --unet .*musetalkV15\/unet\.pth --out/,
  });
  const whisper = await folderWith(t, ['pytorch_model.bin']);
  const whole = await folderWith(t, PLAIN);
  assert.throws(
    () => findModelFiles({ folder: whole, precision: 'fp32', paths: { whisperEncoder: whisper } }),
    {
      code: 'invalid-argument',
      message: new RegExp(`pytorch_model\\.bin is a PyTorch checkpoint.*--whisper ${whisper} --out`),
    },
  );
});

test('no name is accepted for two roles', () => {
  const roles = ['unet', 'vaeEncoder', 'vaeDecoder', 'vaeDecoderTiny', 'whisperEncoder'] as const;
  const all = roles.flatMap((role) => acceptedNames(role, { precision: 'fp32' }));
  assert.equal(new Set(all).size, all.length);
});

async function folderWith(t: TestContext, files: readonly string[]): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const name of files) await writeFile(path.join(folder, name), '');
  return folder;
}

function names(files: ReturnType<typeof findModelFiles>): string[] {
  const { unet, vaeEncoder, vaeDecoder, whisperEncoder, vaeDecoderFp32 } = files;
  return [unet, vaeEncoder, vaeDecoder, whisperEncoder, vaeDecoderFp32 ?? []]
    .flat()
    .map((file) => path.basename(file));
}

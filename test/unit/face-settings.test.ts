import assert from 'node:assert/strict';
import { copyFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { readConfig } from '../../src/config.js';
import { faceSettingsOf } from '../../src/face-settings.js';
import { temporaryFolder } from '../helpers/media.js';
import { STUBS_FOLDER } from '../helpers/musetalk-stubs.js';

const settingsOf = (...flags: string[]) => faceSettingsOf(readConfig(flags, {}));

test('without models the CPU engine draws, and the reason names no path of the machine', async (t) => {
  const folder = await temporaryFolder(t);
  const absent = settingsOf('--musetalk-dir', path.join(folder, 'nothing'));
  assert.ok('missing' in absent);
  assert.match(absent.missing, /no MuseTalk models are installed here; npm run models -- download/);
  await copyFile(path.join(STUBS_FOLDER, 'unet.onnx'), path.join(folder, 'unet.onnx'));
  const half = settingsOf('--musetalk-dir', folder);
  assert.ok('missing' in half);
  assert.match(half.missing, /the VAE encoder is missing in/);
  assert.ok(!half.missing.includes(path.dirname(folder)), half.missing);
});

test('an engine, or a file of it, that was asked for by name has to be there', async (t) => {
  const folder = await temporaryFolder(t);
  assert.throws(() => settingsOf('--engine', 'musetalk', '--musetalk-dir', folder), {
    code: 'file-not-found',
  });
  assert.throws(() => settingsOf('--engine', 'wav2lip', '--wav2lip-model', path.join(folder, 'w.onnx')), {
    code: 'model-invalid',
    message: /no Wav2Lip model at/,
  });
  const weights = path.join(folder, 'unet.pth');
  await writeFile(weights, 'PK');
  assert.throws(() => settingsOf('--musetalk-dir', STUBS_FOLDER, '--unet_model_path', weights), {
    message: /export\.py --unet .*unet\.pth --out/,
  });
});

test('the flags of the MuseTalk script arrive where they count', () => {
  const settings = settingsOf(
    ...['--musetalk-dir', STUBS_FOLDER, '--version', 'v1', '--bbox_shift', '5', '--parsing_mode', 'raw'],
    ...['--gpu_id', '1', '--batch_size', '8', '--fps', '30', '--audio_padding_length_left', '1'],
    ...['--audio_padding_length_right', '3', '--vae-override', 'decoderOrder=bgr'],
  );
  assert.ok(!('missing' in settings) && settings.name === 'musetalk');
  assert.deepEqual([settings.compute.gpuId, settings.batch, settings.fps], [1, 8, 30]);
  assert.deepEqual(settings.vaeOverrides, { decoderOrder: 'bgr' });
  assert.deepEqual(settings.windows, {
    audioPaddingLengthLeft: 1,
    audioPaddingLengthRight: 3,
    reference: false,
  });
  const { version, bboxShiftPx, parsingMode } = settings.parameters;
  assert.deepEqual([version, bboxShiftPx, parsingMode], ['v1', 5, 'raw']);
});

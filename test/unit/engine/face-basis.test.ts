import assert from 'node:assert/strict';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type {
  FaceEngineSettings,
  MuseTalkSettings,
  Wav2LipSettings,
} from '../../../src/engine/engine-settings.js';
import { faceBasisOf, faceParametersOf, materialFor, sameBasis } from '../../../src/engine/face-basis.js';
import { DEFAULT_FACE_PARAMETERS } from '../../../src/engine/faces/face-material.js';
import { temporaryFolder } from '../../helpers/media.js';
import { stubModels } from '../../helpers/stub-models.js';
import { wav2LipGraph } from '../../helpers/wav2lip-graph.js';

const AVATAR = { frameCount: 1, faceParameters: undefined };
const common = (faceModelsDir: string) => ({
  faceModelsDir,
  compute: { provider: 'cpu' as const, gpuId: 0, threads: 1 },
  batch: 1,
  mode: 'live' as const,
  fps: 25,
  parameters: DEFAULT_FACE_PARAMETERS,
});

async function keyOf(settings: FaceEngineSettings): Promise<string> {
  return materialFor(settings, await faceBasisOf(settings, 'fp32'), AVATAR).key;
}

async function wav2lip(t: TestContext): Promise<Wav2LipSettings> {
  const folder = await temporaryFolder(t);
  const modelPath = path.join(folder, 'wav2lip.onnx');
  await writeFile(modelPath, wav2LipGraph());
  await mkdir(path.join(folder, 'faces'));
  return { ...common(path.join(folder, 'faces')), name: 'wav2lip', modelPath, channelOrder: 'bgr' };
}

test('Wav2Lip material depends on the side and the channel order, not on the weights, and on the face models', async (t) => {
  const settings = await wav2lip(t);
  const key = await keyOf(settings);
  await writeFile(settings.modelPath, wav2LipGraph({ scale: 0.5 }));
  assert.equal(await keyOf(settings), key, 'other weights draw on the same material');
  assert.notEqual(await keyOf({ ...settings, channelOrder: 'rgb' }), key);
  await writeFile(settings.modelPath, wav2LipGraph({ sidePx: 192 }));
  assert.notEqual(await keyOf(settings), key);
  await writeFile(settings.modelPath, wav2LipGraph());
  await copyFile(
    'test/fixtures/musetalk/stubs/dw-ll_ucoco_384.onnx',
    path.join(settings.faceModelsDir, 'dw-ll_ucoco_384.onnx'),
  );
  assert.notEqual(await keyOf(settings), key);
});

test('the side of a Wav2Lip file that leaves it open is found by trying', async (t) => {
  const settings = await wav2lip(t);
  const open = {
    sidePx: 256,
    faceDims: ['batch', 6, 'height', 'width'],
    outputDims: ['batch', 3, 'height', 'width'],
    zerosDims: [1, 3, 256, 256],
  };
  await writeFile(settings.modelPath, wav2LipGraph(open));
  const { encoding } = await faceBasisOf(settings, 'fp32');
  assert.deepEqual(encoding, { faceSidePx: 256, channelOrder: 'bgr' });
  await rm(settings.modelPath);
  const told = await faceBasisOf(settings, 'fp32', 256);
  assert.deepEqual(told.encoding, encoding, 'the side of a loaded network needs no file');
});

test('a file that is no Wav2Lip network gives no basis', async (t) => {
  const settings = await wav2lip(t);
  await copyFile('test/fixtures/musetalk/stubs/vae_encoder.onnx', settings.modelPath);
  await assert.rejects(faceBasisOf(settings, 'fp32'), {
    code: 'model-invalid',
    message: /is not a Wav2Lip network/,
  });
});

test('MuseTalk material depends on the encoder and on how it is fed, not on what only draws', async (t) => {
  const folder = await stubModels();
  t.after(() => rm(folder, { recursive: true }));
  const settings: MuseTalkSettings = {
    ...common(folder),
    name: 'musetalk',
    folder,
    tinyDecoder: false,
    vaeOverrides: {},
    windows: {},
  };
  const basis = await faceBasisOf(settings, 'fp32');
  const { key } = materialFor(settings, basis, AVATAR);
  assert.equal(await keyOf({ ...settings, vaeOverrides: { decoderOrder: 'bgr', probe: 'off' } }), key);
  assert.notEqual(await keyOf({ ...settings, vaeOverrides: { encoderOrder: 'bgr' } }), key);
  assert.notEqual(await keyOf({ ...settings, vaeOverrides: { encoderScaling: 'outside' } }), key);
  // It crosses processes as JSON.
  assert.equal(sameBasis(JSON.parse(JSON.stringify(basis)) as typeof basis, basis), true);
  await copyFile(path.join(folder, 'vae_decoder.onnx'), path.join(folder, 'unet.onnx'));
  assert.equal(await keyOf(settings), key);
  await copyFile(path.join(folder, 'vae_decoder.onnx'), path.join(folder, 'vae_encoder.onnx'));
  assert.notEqual(await keyOf(settings), key);
  assert.equal(sameBasis(await faceBasisOf(settings, 'fp32'), basis), false);
});

test("an avatar's own parameters count before the server's, but never its version", async (t) => {
  const settings = await wav2lip(t);
  const faceParameters = { version: 'v1', extraMarginPx: 3 };
  assert.deepEqual(faceParametersOf(settings, { faceParameters }), {
    ...DEFAULT_FACE_PARAMETERS,
    extraMarginPx: 3,
  });
});

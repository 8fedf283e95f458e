import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isAppError } from '../../../src/errors.js';
import { FACE_MODELS, convertPacked, ensureFaceModels, readPackedAssets } from '../../../src/face/models.js';
import { silentLog } from '../../../src/lib/log.js';

async function temporaryDir(context: { after(fn: () => Promise<void>): void }): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'face-models-'));
  context.after(() => rm(dir, { recursive: true }));
  return dir;
}

test('the models are made once, kept, and made anew when damaged', async (context) => {
  const dir = await temporaryDir(context);
  const [paths] = await Promise.all([ensureFaceModels(dir, silentLog), ensureFaceModels(dir, silentLog)]);
  assert.deepEqual((await readdir(join(dir, 'cache'))).sort(), ['face-detector.onnx', 'face-mesh.onnx']);

  const before = await stat(paths.meshPath);
  await ensureFaceModels(dir, silentLog);
  assert.equal((await stat(paths.meshPath)).ino, before.ino, 'a good file is left alone');

  const good = await readFile(paths.detectorPath);
  await writeFile(paths.detectorPath, good.subarray(0, 1000));
  await ensureFaceModels(dir, silentLog);
  assert.deepEqual(await readFile(paths.detectorPath), good);
});

test('a package with other contents is refused', async () => {
  const packed = new Uint8Array(await readPackedAssets());
  packed[FACE_MODELS.detector.start + 500]! ^= 1;
  assert.throws(
    () => convertPacked(FACE_MODELS.detector, packed),
    (error) => isAppError(error, 'model-invalid'),
  );
});

test('models/manifest.json says the same as the code', async () => {
  const manifest = JSON.parse(await readFile('models/manifest.json', 'utf8')) as {
    models: { file: string; sourceSha256?: string; sha256: string; licence: string }[];
  };
  for (const model of Object.values(FACE_MODELS)) {
    const entry = manifest.models.find((candidate) => candidate.file === `cache/${model.file}`);
    assert.equal(entry?.sourceSha256, model.sourceSha256);
    assert.equal(entry?.sha256, model.sha256);
    assert.equal(entry?.licence, 'Apache-2.0');
  }
});

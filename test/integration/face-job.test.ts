import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { AvatarStore } from '../../src/avatar/store.js';
import type { FaceEngineSettings } from '../../src/engine/engine-settings.js';
import { faceBasisOf, materialFolder, materialFor } from '../../src/engine/face-basis.js';
import { DEFAULT_FACE_PARAMETERS } from '../../src/engine/faces/face-material.js';
import { openMaterial } from '../../src/engine/faces/material-store.js';
import { facePhotoOf, stillMaterialOf } from '../../src/engine/still/still-material.js';
import { openStillMaterial, STILL_FILE } from '../../src/engine/still/still-store.js';
import { silentLog } from '../../src/lib/log.js';
import { Avatars } from '../../src/worker/avatars.js';
import { makeMedia, testFfmpeg } from '../helpers/media.js';
import { stubModels } from '../helpers/stub-models.js';
import { wav2LipGraph } from '../helpers/wav2lip-graph.js';

/** Faces prepared by the real jobs, with stand-in networks. */

const PORTRAIT = 'web/public/demo/portrait.jpg';
let base = '';
let avatarsDir = '';
let models = '';
const opened: Avatars[] = [];

before(async () => {
  base = await mkdtemp(path.join(tmpdir(), 'musecast-faces-'));
  avatarsDir = path.join(base, 'avatars');
  // A landmark model that sees a face in the middle only, where this picture has none.
  models = await stubModels(['dw-ll_ucoco_384.onnx']);
  const avatars = await open(musetalk(), false);
  const sourcePath = path.join(base, 'corner.png');
  await makeMedia(['-i', PORTRAIT, '-vf', 'pad=1280:720:0:0', sourcePath]);
  await avatars.create({ id: 'anna', sourcePath });
  await avatars.whenReady('anna', patient());
});
after(async () => {
  for (const avatars of opened) await avatars.close();
  for (const folder of [base, models]) await rm(folder, { recursive: true, force: true });
});

const patient = () => AbortSignal.timeout(60_000);
const common = () => ({
  faceModelsDir: models,
  compute: { provider: 'cpu' as const, gpuId: 0, threads: 1 },
  batch: 2,
  mode: 'live' as const,
  fps: 25,
  parameters: DEFAULT_FACE_PARAMETERS,
});
const musetalk = (): FaceEngineSettings => ({
  ...{ ...common(), name: 'musetalk', folder: models, tinyDecoder: false, vaeOverrides: {}, windows: {} },
});

async function open(face: FaceEngineSettings, along: boolean): Promise<Avatars> {
  const avatars = new Avatars({
    ...{ store: new AvatarStore(avatarsDir), avatarsDir, modelsDir: path.resolve('models'), face },
    ...{ ffmpeg: await testFfmpeg(), fps: 25, logLevel: 'silent', log: silentLog },
    facesAlong: () => along,
    inUse: () => false,
  });
  opened.push(avatars);
  return avatars;
}

describe('an avatar that was prepared without faces', () => {
  test('gets them, with a note on a landmark model that does not see the face; anew when they are damaged', async () => {
    const avatars = await open(musetalk(), false);
    const basis = await faceBasisOf(musetalk(), 'fp32');
    assert.equal(await avatars.facesReady('anna', basis), false);
    await avatars.prepareFaces('anna', basis);
    assert.equal(await avatars.facesReady('anna', basis), true);
    const [note] = (await avatars.get('anna')).faces?.['musetalk']?.notes ?? [];
    assert.equal(note, 'The landmark model does not see this face; the face mesh took its part.');
    const masks = path.join(materialFolder(avatarsDir, 'anna', 'musetalk'), 'masks.u8');
    const whole = await readFile(masks);
    await truncate(masks, whole.length - 1);
    assert.equal(await avatars.facesReady('anna', basis), false);
    await avatars.prepareFaces('anna', basis);
    assert.equal(await avatars.facesReady('anna', basis), true);
    assert.deepEqual(await readFile(masks), whole);
  });

  test('is refused them when the files are not those that the engine has loaded, and keeps what it has', async () => {
    const avatars = await open(musetalk(), false);
    const basis = await faceBasisOf(musetalk(), 'fp32');
    await avatars.prepareFaces('anna', basis);
    const encoder = path.join(models, 'vae_encoder.onnx');
    const bytes = await readFile(encoder);
    await writeFile(encoder, Buffer.concat([bytes, Buffer.from([0xa2, 0x06, 0x00])])); // an unknown, empty field
    try {
      await assert.rejects(avatars.prepareFaces('anna', basis), {
        code: 'model-invalid',
        message: 'the model files of the musetalk engine changed since the server started: restart it',
      });
      assert.equal(await avatars.facesReady('anna', basis), true);
    } finally {
      await writeFile(encoder, bytes);
    }
    await avatars.prepareFaces('anna', basis);
  });

  test('gets those of Wav2Lip by side and channel order', async () => {
    const modelPath = path.join(base, 'wav2lip.onnx');
    await writeFile(modelPath, wav2LipGraph());
    const face: FaceEngineSettings = { ...common(), name: 'wav2lip', modelPath, channelOrder: 'bgr' };
    const avatars = await open(face, false);
    const basis = await faceBasisOf(face, 'fp32');
    await avatars.prepareFaces('anna', basis);
    const store = new AvatarStore(avatarsDir);
    const material = await openMaterial(
      materialFolder(avatarsDir, 'anna', 'wav2lip'),
      materialFor(face, basis, await store.get('anna')),
    );
    assert.equal(material?.inputs(0).length, 3 * 96 * 96);
    material.close();
    assert.equal(await avatars.facesReady('anna', basis), true);
    const flipped = await faceBasisOf({ ...face, channelOrder: 'rgb' }, 'fp32');
    assert.equal(await avatars.facesReady('anna', flipped), false);
  });
});

test('the job leaves what the streams of a photo need, which the first one only reads', async () => {
  const avatar = await new AvatarStore(avatarsDir).open('anna');
  try {
    const file = path.join(avatar.folder, STILL_FILE);
    const made = await stat(file);
    const photo = facePhotoOf(avatar);
    const material = await openStillMaterial(avatar, photo, silentLog);
    assert.deepEqual(material, stillMaterialOf(photo));
    const after = await stat(file);
    assert.deepEqual([after.ino, after.mtimeMs], [made.ino, made.mtimeMs], 'it was written again');
  } finally {
    avatar.close();
  }
});

test('an avatar that is deleted while its faces are made is gone, with all that was made', async () => {
  const folder = path.join(base, 'pictures');
  await mkdir(folder);
  await makeMedia(['-i', PORTRAIT, path.join(folder, '00.png')]);
  for (let k = 1; k < 24; k++)
    await copyFile(path.join(folder, '00.png'), path.join(folder, `${String(k).padStart(2, '0')}.png`));
  const avatars = await open(musetalk(), true);
  await avatars.create({ id: 'bo', sourcePath: folder });
  const store = new AvatarStore(avatarsDir);
  // The tracked footage is the first 0.4; then the avatar is on disk, and its faces are made.
  await new Promise<void>((resolve, reject) => {
    avatars.subscribe('bo', ({ state, progress }) => {
      if (state === 'failed') reject(new Error('bo failed'));
      if (progress > 0.45) resolve();
    });
  });
  assert.equal((await store.get('bo')).frameCount, 24);
  assert.deepEqual(
    (await avatars.list()).filter(({ id }) => id === 'bo').map(({ state }) => state),
    ['preparing'],
  );
  await avatars.delete('bo');
  assert.deepEqual(await readdir(avatarsDir), ['anna']);
  await assert.rejects(avatars.get('bo'), { code: 'avatar-not-found' });
});

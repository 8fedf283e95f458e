import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { tmpdir } from 'node:os';
import { AvatarStore } from '../../src/avatar/store.js';
import type { MuseTalkSettings } from '../../src/engine/engine-settings.js';
import { DEFAULT_FACE_PARAMETERS } from '../../src/engine/faces/face-material.js';
import { openMaterial } from '../../src/engine/faces/material-store.js';
import { AppError } from '../../src/errors.js';
import { silentLog } from '../../src/lib/log.js';
import { i420SizeBytes } from '../../src/media/frame.js';
import { Avatars } from '../../src/worker/avatars.js';
import type { ImportInput } from '../../src/worker/import-job.js';
import { runJob } from '../../src/worker/job.js';
import { openEngine } from '../../src/worker/open-engine.js';
import { readSpeech } from '../../src/worker/read-speech.js';
import { temporaryFolder, testFfmpeg } from '../helpers/media.js';
import { expectedReference, makePortraitReference } from '../helpers/reference-folder.js';
import { stubModels } from '../helpers/stub-models.js';

/** A folder of the reference through the job that imports it, up to the pictures of a session. */

const SECOND = 16_000;
const modelsDir = path.resolve('models');
let base = '';
let folder = '';
let avatarsDir = '';
let models = '';
let face: MuseTalkSettings;
let avatars: Avatars;

before(async () => {
  base = await mkdtemp(path.join(tmpdir(), 'musecast-import-'));
  folder = path.join(base, 'anna');
  avatarsDir = path.join(base, 'avatars');
  await makePortraitReference(folder);
  models = await stubModels();
  face = {
    name: 'musetalk',
    folder: models,
    faceModelsDir: models,
    compute: { provider: 'cpu', gpuId: 0, threads: 2 },
    batch: 2,
    mode: 'live',
    fps: 25,
    // The folder says v15 and 5: its material is used all the same.
    parameters: { ...DEFAULT_FACE_PARAMETERS, version: 'v1', bboxShiftPx: -9 },
    tinyDecoder: false,
    vaeOverrides: {},
    windows: {},
  };
  avatars = new Avatars({
    store: new AvatarStore(avatarsDir),
    avatarsDir,
    modelsDir,
    ffmpeg: await testFfmpeg(),
    fps: 25,
    logLevel: 'silent',
    face,
    facesAlong: () => false,
    inUse: () => false,
    log: silentLog,
  });
});
after(async () => {
  await avatars?.close();
  for (const each of [base, models]) await rm(each, { recursive: true, force: true });
});

const patient = () => AbortSignal.timeout(60_000);

describe('the import of a folder that the reference prepared', () => {
  test('makes an avatar with the boxes, masks and latents of the folder', async () => {
    await avatars.create({ id: 'anna', sourcePath: folder });
    const progress: number[] = [];
    const off = avatars.subscribe('anna', (view) => progress.push(view.progress));
    const view = await avatars.whenReady('anna', patient());
    off();
    assert.deepEqual([view.state, view.frameCount, view.fps, view.widthPx], ['ready', 2, 25, 512]);
    assert.match(view.quality?.notes[0] ?? '', /Imported from a folder of the MuseTalk reference \(v15\)/);
    assert.equal(view.quality?.framesWithoutFace, 0, 'the face is in the boxes');
    assert.deepEqual(view.faces, { musetalk: { notes: [] } });
    assert.equal(progress.at(-1), 1);
    const material = await openMaterial(path.join(avatarsDir, 'anna', 'musetalk'), {
      frameCount: 2,
      key: 'of whatever models',
    });
    assert.ok(material);
    const { latents } = await expectedReference();
    for (const index of [0, 1]) {
      const bytes: Float32Array = Float32Array.from(material.inputs(index));
      assert.equal(
        createHash('sha256').update(new Uint8Array(bytes.buffer)).digest('hex'),
        latents[index]!.sha256,
      );
      assert.deepEqual(material.box(index), {
        x1: 166 - index,
        y1: 165 + index,
        x2: 357 - index,
        y2: 345 + index,
      });
    }
    material.close();
    assert.deepEqual(await readdir(avatarsDir), ['anna']);
  });

  test('again it is the same avatar; parameters for its faces are refused', async () => {
    assert.equal((await avatars.create({ id: 'anna', sourcePath: folder })).state, 'ready');
    await assert.rejects(
      avatars.create({ id: 'other', sourcePath: folder, faceParameters: { bboxShiftPx: 1 } }),
      { code: 'invalid-argument', message: /the faces in anna are cut out already/ },
    );
    await assert.rejects(avatars.get('other'), { code: 'avatar-not-found' });
  });

  test('a session draws the faces of the latents where the masks are, and nothing elsewhere', async () => {
    const { engine, faces } = await openEngine({
      modelsDir,
      avatarsDir,
      face,
      logLevel: 'silent',
      log: silentLog,
    });
    const avatar = await new AvatarStore(avatarsDir).open('anna');
    try {
      assert.equal(await avatars.facesReady('anna', faces!.basis), true);
      const pcm = await readSpeech(await testFfmpeg(), path.resolve('web/public/demo/speech.wav'));
      const stream = await engine.open(avatar, { fps: 25 });
      const sizeBytes = i420SizeBytes(avatar.widthPx, avatar.heightPx);
      const own = [0, 1].map((index) => {
        const picture = new Uint8Array(sizeBytes);
        avatar.readFrame(index, picture);
        return picture;
      });
      let pictures = 0;
      let spoken = 0;
      for (let at = 0; at < 3 * SECOND; at += SECOND / 50) {
        for await (const { data } of stream.push(pcm.subarray(at, at + SECOND / 50))) {
          const { inside, outside } = difference(data, own, avatar.widthPx, avatar.heightPx);
          assert.equal(outside, 0, `picture ${pictures} differs outside of the masks`);
          if (inside > 30) spoken += 1;
          pictures += 1;
        }
      }
      await stream.close();
      assert.ok(pictures > 50, `${pictures} pictures`);
      // The latents are noise: where they are drawn, the chin of the portrait is gone.
      assert.ok(spoken > 20, `${spoken} of ${pictures} pictures show a generated face`);
    } finally {
      avatar.close();
      await engine.close();
    }
  });

  test('material that was neither imported nor made by these models is not current', async () => {
    const file = path.join(avatarsDir, 'anna', 'musetalk', 'material.json');
    const text = await readFile(file, 'utf8');
    const basis = {
      family: 'musetalk',
      modelHashes: { vaeEncoder: 'x' },
      landmarks: 'mesh',
      parsing: 'mesh',
    };
    assert.equal(await avatars.facesReady('anna', basis), true);
    await writeFile(file, text.replace('"landmarks":"reference"', '"landmarks":"mesh"'));
    assert.equal(await avatars.facesReady('anna', basis), false);
    await writeFile(file, text);
  });

  test('leaves nothing behind when the folder is wrong, or when it is told to stop', async (t) => {
    const scratch = await temporaryFolder(t);
    const input: ImportInput = {
      id: 'x',
      sourcePath: folder,
      avatarsDir: path.join(scratch, 'avatars'),
      modelsDir,
      fps: 25,
      ffmpeg: await testFfmpeg(),
      logLevel: 'silent',
    };
    const abort = new AbortController();
    await assert.rejects(
      runJob('import-job', input, {
        signal: abort.signal,
        onProgress: () => abort.abort(new AppError('internal', 'enough')),
      }),
      /enough/,
    );
    const broken = path.join(scratch, 'broken');
    await makePortraitReference(broken);
    await rm(path.join(broken, 'mask/00000002.png'));
    await assert.rejects(runJob('import-job', { ...input, sourcePath: broken }), {
      code: 'media-undecodable',
      message: /00000002\.png is missing/,
    });
    assert.deepEqual(await readdir(input.avatarsDir).catch(() => []), []);
  });
});

/** Mean difference of light within the masks' area and largest outside of it, to the nearer of the avatar's pictures. */
function difference(
  data: Uint8Array,
  own: readonly Uint8Array[],
  widthPx: number,
  heightPx: number,
): { inside: number; outside: number } {
  const results = own.map((picture) => {
    let sum = 0;
    let count = 0;
    let outside = 0;
    for (let y = 0; y < heightPx; y += 1) {
      for (let x = 0; x < widthPx; x += 1) {
        const by = Math.abs(data[y * widthPx + x]! - picture[y * widthPx + x]!);
        // The round masks of the folder: about 57 pixels around (261, 283).
        const fromMiddle = Math.hypot(x - 261, y - 283);
        if (fromMiddle < 50) {
          sum += by;
          count += 1;
        } else if (fromMiddle > 64) outside = Math.max(outside, by);
      }
    }
    return { inside: sum / count, outside };
  });
  return results.reduce((a, b) => (a.outside <= b.outside ? a : b));
}

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, readdir, truncate } from 'node:fs/promises';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Ffmpeg } from '../../../src/adapters/ffmpeg.js';
import { AvatarStore } from '../../../src/avatar/store.js';
import type { FaceEngineSettings } from '../../../src/engine/engine-settings.js';
import { materialFolder, type FaceBasis } from '../../../src/engine/face-basis.js';
import { DEFAULT_FACE_PARAMETERS } from '../../../src/engine/faces/face-material.js';
import { MaterialWriter } from '../../../src/engine/faces/material-writer.js';
import { AppError } from '../../../src/errors.js';
import { silentLog } from '../../../src/lib/log.js';
import { Avatars } from '../../../src/worker/avatars.js';
import type { runJob } from '../../../src/worker/job.js';
import { temporaryFolder } from '../../helpers/media.js';
import { storeAvatar } from '../../helpers/stored-avatar.js';

const PORTRAIT = path.resolve('web/public/demo/portrait.jpg');
const BASIS: FaceBasis = { family: 'musetalk', modelHashes: {}, landmarks: 'mesh', parsing: 'mesh' };
const DIED = new AppError('worker-died', 'the prepare-job process ended unexpectedly (SIGKILL)');
/** Time in which what must not happen would happen. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort', { signal: AbortSignal.timeout(5000) });
}

/** A job that the test plays. Like a process it may go on for a while when it is told to stop. */
interface Job {
  readonly module: string;
  readonly input: Record<string, unknown>;
  readonly signal: AbortSignal;
  progress(fraction: number): void;
  end(result?: unknown): void;
  fail(error: unknown): void;
}

async function arrange(t: TestContext) {
  const avatarsDir = await temporaryFolder(t);
  const store = new AvatarStore(avatarsDir);
  const jobs: Job[] = [];
  const started: (() => void)[] = [];
  const inUse = new Set<string>();
  const run = ((module, input, options = {}) =>
    new Promise<unknown>((resolve, reject) => {
      jobs.push({
        ...{ module, signal: options.signal!, end: resolve, fail: reject },
        input: input as Record<string, unknown>,
        progress: (fraction) => options.onProgress?.(fraction),
      });
      for (const tell of started.splice(0)) tell();
    })) as typeof runJob;
  const avatars = new Avatars({
    ...{ store, avatarsDir, modelsDir: 'models', ffmpeg: {} as Ffmpeg, fps: 25, logLevel: 'silent' },
    face: { name: 'musetalk', parameters: DEFAULT_FACE_PARAMETERS } as FaceEngineSettings,
    facesAlong: () => true,
    inUse: (id) => inUse.has(id),
    log: silentLog,
    run,
  });
  return {
    ...{ avatars, avatarsDir, store, jobs, inUse },
    /** The next job to start, in order of starting. */
    async job(index: number): Promise<Job> {
      while (jobs.length <= index) await new Promise<void>((resolve) => started.push(resolve));
      return jobs[index]!;
    },
    /** As `job` does once it has the avatar's pictures: the avatar is whole, its faces come next. */
    publish: (id: string) => storeAvatar(avatarsDir, id, { sourcePath: PORTRAIT }),
  };
}

describe('a preparation whose avatar is on disk already, while its faces are made,', () => {
  it('is still preparing, for who asks for it and in the list', async (t) => {
    const { avatars, job, publish } = await arrange(t);
    await avatars.create({ id: 'anna', sourcePath: PORTRAIT });
    const { progress, end } = await job(0);
    const manifest = await publish('anna');
    progress(0.6);
    assert.equal((await avatars.get('anna')).state, 'preparing');
    assert.deepEqual(
      (await avatars.list()).map(({ id, state, progress: done }) => [id, state, done]),
      [['anna', 'preparing', 0.6]],
    );
    await assert.rejects(avatars.ready('anna'), { code: 'avatar-not-ready' });
    end(manifest);
    assert.equal((await avatars.whenReady('anna', AbortSignal.timeout(5000))).state, 'ready');
    assert.deepEqual(
      (await avatars.list()).map(({ state, frameCount }) => [state, frameCount]),
      [['ready', 2]],
    );
  });

  it('is deleted with it, once its process is gone', async (t) => {
    const { avatars, avatarsDir, job, publish } = await arrange(t);
    await avatars.create({ id: 'anna', sourcePath: PORTRAIT });
    const { signal, fail } = await job(0);
    await publish('anna');
    let deleted = false;
    const deletion = avatars.delete('anna').then(() => (deleted = true));
    const again = avatars.delete('anna');
    await aborted(signal);
    await settle();
    assert.equal(deleted, false, 'the process may still write');
    fail(signal.reason);
    await Promise.all([deletion, again]);
    assert.deepEqual(await readdir(avatarsDir), []);
    assert.deepEqual(await avatars.list(), []);
    await assert.rejects(avatars.get('anna'), { code: 'avatar-not-found' });
    await assert.rejects(avatars.delete('anna'), { code: 'avatar-not-found' });
  });

  it('is deleted also when the job was done before it heard of it', async (t) => {
    const { avatars, avatarsDir, job, publish } = await arrange(t);
    await avatars.create({ id: 'anna', sourcePath: PORTRAIT });
    const { end } = await job(0);
    const deletion = avatars.delete('anna');
    end(await publish('anna'));
    await deletion;
    assert.deepEqual(await readdir(avatarsDir), []);
    assert.deepEqual(await avatars.list(), []);
  });

  it('leaves the avatar ready when its process dies', async (t) => {
    const { avatars, job, publish } = await arrange(t);
    await avatars.create({ id: 'anna', sourcePath: PORTRAIT });
    const { fail } = await job(0);
    await publish('anna');
    const states: string[] = [];
    avatars.subscribe('anna', ({ state }) => states.push(state));
    const waiting = avatars.whenReady('anna', AbortSignal.timeout(5000));
    fail(DIED);
    assert.equal((await waiting).state, 'ready');
    assert.equal((await avatars.get('anna')).error, undefined);
    assert.equal((await avatars.ready('anna')).id, 'anna');
    assert.deepEqual(states, ['ready']);
  });
});

describe('a preparation that fails', () => {
  it('before there is an avatar says why, can be tried again, and can be deleted', async (t) => {
    const { avatars, job } = await arrange(t);
    for (const attempt of [0, 1]) {
      await avatars.create({ id: 'anna', sourcePath: PORTRAIT });
      (await job(attempt)).fail(DIED);
      await assert.rejects(avatars.whenReady('anna', AbortSignal.timeout(5000)), { code: 'worker-died' });
      assert.deepEqual((await avatars.list())[0]?.error?.code, 'worker-died');
    }
    await avatars.delete('anna');
    assert.deepEqual(await avatars.list(), []);
  });

  it('because somebody else has put another avatar there is not ready', async (t) => {
    const { avatars, avatarsDir, job } = await arrange(t);
    await avatars.create({ id: 'anna', sourcePath: PORTRAIT });
    const { fail } = await job(0);
    await storeAvatar(avatarsDir, 'anna', { sourcePath: '/imported' });
    fail(new AppError('avatar-exists', 'there is an avatar anna already'));
    await assert.rejects(avatars.whenReady('anna', AbortSignal.timeout(5000)), { code: 'avatar-exists' });
    assert.equal((await avatars.get('anna')).state, 'failed');
  });
});

it('one that waits for its turn is deleted at once, and its id can be taken again', async (t) => {
  const { avatars, jobs, job } = await arrange(t);
  await avatars.create({ id: 'first', sourcePath: PORTRAIT });
  await avatars.create({ id: 'second', sourcePath: PORTRAIT });
  const first = await job(0);
  await avatars.delete('second');
  assert.deepEqual(
    (await avatars.list()).map(({ id }) => id),
    ['first'],
  );
  await avatars.create({ id: 'second', sourcePath: PORTRAIT });
  assert.equal(jobs.length, 1);
  first.fail(DIED);
  assert.equal((await job(1)).input['id'], 'second');
});

it('an id that is being deleted is taken again only when it is free', async (t) => {
  const { avatars, job, publish } = await arrange(t);
  await avatars.create({ id: 'anna', sourcePath: PORTRAIT });
  const { signal, fail } = await job(0);
  await publish('anna');
  const deletion = avatars.delete('anna');
  const creation = avatars.create({ id: 'anna', sourcePath: PORTRAIT });
  await aborted(signal);
  await assert.rejects(avatars.ready('anna'), { code: 'avatar-not-found' });
  fail(signal.reason);
  await deletion;
  assert.equal((await creation).state, 'preparing');
  assert.equal((await avatars.get('anna')).state, 'preparing');
});

it('a deletion is refused where a session shows the avatar, and ends nothing', async (t) => {
  const { avatars, job, publish, inUse } = await arrange(t);
  await publish('anna');
  const faces = avatars.prepareFaces('anna');
  const { signal, end } = await job(0);
  inUse.add('anna');
  await assert.rejects(avatars.delete('anna'), { code: 'avatar-in-use' });
  assert.equal(signal.aborted, false);
  end();
  await faces;
  assert.equal((await avatars.get('anna')).state, 'ready');
});

describe('faces for an avatar that is there', () => {
  it('are made once for all who ask, with what the engine has loaded, and anew afterwards', async (t) => {
    const { avatars, jobs, job, publish } = await arrange(t);
    await publish('anna');
    const both = [avatars.prepareFaces('anna', BASIS), avatars.prepareFaces('anna', BASIS)];
    const { module, input, end } = await job(0);
    assert.equal(module, 'face-job');
    assert.deepEqual([input['id'], input['basis']], ['anna', BASIS]);
    end();
    await Promise.all(both);
    assert.equal(jobs.length, 1);
    const next = avatars.prepareFaces('anna');
    assert.equal('basis' in (await job(1)).input, false);
    jobs[1]!.fail(new AppError('model-invalid', 'the model files changed'));
    await assert.rejects(next, { code: 'model-invalid' });
  });

  it('end with the avatar when that is deleted, and the deletion waits for them', async (t) => {
    const { avatars, avatarsDir, job, publish } = await arrange(t);
    await publish('anna');
    const faces = avatars.prepareFaces('anna');
    const refused = assert.rejects(faces, { code: 'avatar-not-found', message: /anna was deleted while/ });
    const { signal, fail } = await job(0);
    let deleted = false;
    const deletion = avatars.delete('anna').then(() => (deleted = true));
    await aborted(signal);
    await settle();
    assert.equal(deleted, false);
    assert.equal(existsSync(path.join(avatarsDir, 'anna')), true);
    await assert.rejects(avatars.prepareFaces('anna'), { code: 'avatar-not-found' });
    fail(signal.reason);
    await Promise.all([deletion, refused]);
    assert.deepEqual(await readdir(avatarsDir), []);
  });

  it('wait for a preparation that runs, and end with the server', async (t) => {
    const { avatars, jobs, job, publish } = await arrange(t);
    await avatars.create({ id: 'first', sourcePath: PORTRAIT });
    const first = await job(0);
    await publish('anna');
    const faces = avatars.prepareFaces('anna');
    const refused = assert.rejects(faces, { code: 'session-closed' });
    await settle();
    assert.equal(jobs.length, 1);
    const closing = avatars.close();
    assert.equal(first.signal.aborted, true);
    first.fail(first.signal.reason);
    await Promise.all([closing, refused]);
  });

  it('are ready when their material is whole and made by these models', async (t) => {
    const { avatars, avatarsDir, publish } = await arrange(t);
    await publish('anna');
    assert.equal(await avatars.facesReady('anna', BASIS), false);
    const folder = materialFolder(avatarsDir, 'anna', 'musetalk');
    const writer = await MaterialWriter.create(folder, {
      ...{ ...BASIS, parameters: DEFAULT_FACE_PARAMETERS, faceSidePx: 256, inputValues: 2 },
    });
    const box = { x1: 0, y1: 0, x2: 2, y2: 2 };
    for (let k = 0; k < 2; k++)
      await writer.add({ box, mask: { area: box, alpha: new Uint8Array(4) }, input: new Float32Array(2) });
    await writer.finish();
    await writer.close();
    assert.equal(await avatars.facesReady('anna', BASIS), true);
    assert.equal(await avatars.facesReady('anna', { ...BASIS, landmarks: 'dwpose' }), false);
    await copyFile(path.join(folder, 'masks.u8'), path.join(folder, 'kept'));
    await truncate(path.join(folder, 'masks.u8'), 7);
    assert.equal(await avatars.facesReady('anna', BASIS), false, 'damaged');
    await copyFile(path.join(folder, 'kept'), path.join(folder, 'masks.u8'));
    assert.equal(await avatars.facesReady('anna', BASIS), true);
    await assert.rejects(avatars.facesReady('nobody', BASIS), { code: 'avatar-not-found' });
  });
});

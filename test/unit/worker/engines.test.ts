import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FaceEngineSettings } from '../../../src/engine/engine-settings.js';
import { AppError } from '../../../src/errors.js';
import { silentLog } from '../../../src/lib/log.js';
import { Engines } from '../../../src/worker/engines.js';
import type { WorkerHost, WorkerPool } from '../../../src/worker/host.js';

/** The choice of an engine, with a worker that is always ready. */
function arrange(options: {
  prepare(): Promise<void>;
  ready(): boolean;
}): (engine: 'auto' | 'musetalk') => Promise<{ engine: string; reason: string }> {
  const plan = { mode: 'live', capacity: 1, reason: 'fast enough' };
  const host = { ready: Promise.resolve(), load: 0, faces: { plan, basis: {} } } as unknown as WorkerHost;
  const engines = new Engines({
    asked: false,
    cpu: {} as WorkerPool,
    face: { host, settings: { name: 'musetalk' } as FaceEngineSettings },
    prepareFaces: options.prepare,
    facesReady: () => Promise.resolve(options.ready()),
    log: silentLog,
  });
  return (engine) => engines.choose({ avatarId: 'a', engine, fps: 25 });
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test('an avatar that is not prepared is prepared once asked for; auto goes on with the CPU engine', async () => {
  let ready = false;
  let preparations = 0;
  const choose = arrange({
    ready: () => ready,
    prepare: async () => {
      preparations += 1;
      ready = true;
    },
  });
  await assert.rejects(choose('musetalk'), { code: 'avatar-not-ready', message: /is being prepared/ });
  await settle();
  assert.equal((await choose('auto')).engine, 'musetalk');
  assert.equal(preparations, 1);
});

test('a preparation that fails is told in a sentence, and tried again afterwards', async () => {
  let preparations = 0;
  const choose = arrange({
    ready: () => false,
    prepare: () => {
      preparations += 1;
      return Promise.reject(new AppError('no-face', 'there is no face'));
    },
  });
  assert.match((await choose('auto')).reason, /is being prepared/);
  await settle();
  assert.deepEqual(
    [(await choose('auto')).reason, preparations],
    ['avatar a could not be prepared for the musetalk engine: there is no face', 1],
  );
  await choose('auto');
  assert.equal(preparations, 2);
});

test('faces made by other files than the engine runs with: told to start the server again, not made for ever', async () => {
  const choose = arrange({ ready: () => false, prepare: () => Promise.resolve() });
  await assert.rejects(choose('musetalk'), { code: 'avatar-not-ready', message: /is being prepared/ });
  await settle();
  await assert.rejects(choose('musetalk'), {
    code: 'avatar-not-ready',
    message: /model files of the musetalk engine were changed while it runs; start the server again$/,
  });
});

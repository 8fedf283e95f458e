import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FaceEngineSettings } from '../../../src/engine/engine-settings.js';
import { AppError } from '../../../src/errors.js';
import { silentLog } from '../../../src/lib/log.js';
import { Engines } from '../../../src/worker/engines.js';
import type { WorkerHost, WorkerStreamOptions } from '../../../src/worker/host.js';
import type { WorkerPool } from '../../../src/worker/pool.js';

/** The choice of an engine, with a worker that is always ready. */
function arrange(options: {
  prepare?(): Promise<void>;
  ready?(): boolean;
  nowMs?(): number;
  capacity?: number;
  host?: Partial<WorkerHost>;
}) {
  const plan = { mode: 'live', capacity: options.capacity ?? 1, reason: 'fast enough' };
  const host = {
    ready: Promise.resolve(),
    load: 0,
    faces: { plan, basis: {}, provider: 'cpu' },
    ...options.host,
  } as unknown as WorkerHost;
  const settings = { name: 'musetalk', fps: 25, compute: { provider: 'auto' } } as FaceEngineSettings;
  const engines = new Engines({
    asked: false,
    cpu: { open: () => Promise.resolve('a stream of the CPU engine') } as unknown as WorkerPool,
    face: { host, settings },
    prepareFaces: options.prepare ?? (() => Promise.resolve()),
    facesReady: () => Promise.resolve(options.ready?.() ?? true),
    ...(options.nowMs ? { nowMs: options.nowMs } : {}),
    log: silentLog,
  });
  return (engine: 'auto' | 'musetalk', fps = 25) => engines.choose({ avatarId: 'a', engine, fps });
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

test('a preparation that fails is told in a sentence for a minute, and tried again afterwards', async () => {
  let preparations = 0;
  let nowMs = 1000;
  const choose = arrange({
    nowMs: () => nowMs,
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
  await assert.rejects(choose('musetalk'), { message: /there is no face$/ });
  assert.equal(preparations, 1);
  nowMs += 61_000;
  await choose('auto');
  assert.equal(preparations, 2);
});

test('live sessions take room by their rate, also when they come at once, and give it back', async () => {
  const choose = arrange({ capacity: 2 });
  const [first, second, third] = await Promise.all([choose('auto'), choose('auto'), choose('auto')]);
  assert.deepEqual([first.engine, second.engine, third.engine], ['musetalk', 'musetalk', 'cpu']);
  assert.match(third.reason, /has room for 2 live sessions of 25 pictures a second/);
  await assert.rejects(choose('musetalk'), { code: 'no-capacity' });
  first.release();
  first.release();
  await assert.rejects(
    choose('musetalk', 50),
    { code: 'no-capacity' },
    'twice the pictures are twice the room',
  );
  assert.equal((await choose('musetalk')).engine, 'musetalk');
});

test('a session whose engine is gone for good goes on with the CPU engine, and says so', async () => {
  const gone = new AppError('model-invalid', 'unet.onnx is damaged');
  const choose = arrange({ host: { isUnusable: true, open: () => Promise.reject(gone) } });
  const choice = await choose('musetalk');
  assert.equal(choice.engine, 'musetalk');
  assert.equal(await choice.open({} as WorkerStreamOptions), 'a stream of the CPU engine');
  assert.equal(choice.engine, 'cpu');
  assert.equal(choice.reason, 'the musetalk engine cannot be used any more: unet.onnx is damaged');
  assert.equal(choice.face, undefined);
  assert.equal((await choose('musetalk')).engine, 'musetalk', 'its room was given back');
});

test('a stream that could not be opened for another reason is an error', async () => {
  const choose = arrange({
    host: { isUnusable: false, open: () => Promise.reject(new AppError('timeout', 'too slow')) },
  });
  await assert.rejects((await choose('musetalk')).open({} as WorkerStreamOptions), { code: 'timeout' });
});

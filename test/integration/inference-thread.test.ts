import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { InferenceThread } from '../../src/engine/faces/inference-thread.js';
import { isAppError, type AppError } from '../../src/errors.js';
import { createNets, STUB_MODULE, stubOptions, type StubNets } from '../helpers/stub-nets.js';

const LATENTS = 8 * 32 * 32;
const AUDIO = 50 * 384;
const FACE = 3 * 256 * 256;

async function thread(
  t: TestContext,
  more: { urgent?: readonly 'hear'[]; onDeath?: (error: AppError) => void } = {},
): Promise<InferenceThread<StubNets>> {
  const made = await InferenceThread.create<StubNets>({
    module: STUB_MODULE,
    options: stubOptions(),
    ...more,
  });
  t.after(() => made.close());
  return made;
}

function noise(length: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return (state >>> 24) / 128 - 1;
  });
}

test('faces from the thread equal faces computed here, and the arguments stay with the caller', async (t) => {
  const { nets } = await thread(t);
  const here = await createNets(stubOptions());
  t.after(() => here.close());
  const latents = noise(4 * LATENTS, 1);
  const audio = noise(4 * AUDIO, 2);
  const there = await nets.faces(latents, audio, 4);
  assert.equal(there.length, 4 * FACE);
  assert.deepEqual(there, await here.faces(latents, audio, 4));
  assert.equal(latents.length, 4 * LATENTS);
});

test('a view of a larger buffer crosses alone, both ways, and lists and plain objects are walked', async (t) => {
  const { nets } = await thread(t);
  const large = noise(1000, 3);
  const list = [large.subarray(8, 12), new Float32Array([1, 2, 3, 4])];
  const back = await nets.echo({ list, name: 'x' });
  assert.deepEqual(back.bufferBytes, [16, 16]);
  assert.equal(back.name, 'x');
  assert.deepEqual(back.list, list);
  assert.deepEqual(
    back.list.map(({ buffer }) => buffer.byteLength),
    [16, 16],
  );
  assert.equal(large.length, 1000);
});

test('errors come back with their code; others are internal; the thread goes on', async (t) => {
  const { nets } = await thread(t);
  await assert.rejects(
    nets.fail('app-error'),
    (error) => isAppError(error, 'no-capacity') && error.message === 'not even one face fits',
  );
  await assert.rejects(
    nets.fail('error'),
    (error) => isAppError(error, 'internal') && error.message === 'odd',
  );
  await assert.rejects(nets.faces(new Float32Array(3), new Float32Array(3), 1), (error) => isAppError(error));
  await assert.rejects(nets.hear((() => 'no data') as never), (error) =>
    isAppError(error, 'invalid-argument'),
  );
  assert.equal(await nets.hear('still there'), 'still there');
});

test('an urgent call goes before what waits, not before what runs; equals keep their order', async (t) => {
  const made = await thread(t, { urgent: ['hear'] });
  const latents = new Float32Array(2 * LATENTS);
  const audio = new Float32Array(2 * AUDIO);
  const calls = [
    made.nets.faces(latents, audio, 2),
    made.nets.faces(latents.subarray(LATENTS), audio.subarray(AUDIO), 1),
    made.nets.hear('a'),
    made.nets.hear('b'),
  ];
  assert.equal(made.pending, 4);
  await Promise.all(calls);
  assert.equal(made.pending, 0);
  assert.deepEqual(await made.nets.log(), ['faces 2', 'hear a', 'hear b', 'faces 1']);
});

test('networks that refuse to load say so, and a thread that ends while loading too', async () => {
  const refused = (refuse: 'app-error' | 'crash') =>
    InferenceThread.create<StubNets>({ module: STUB_MODULE, options: stubOptions({ refuse }) });
  await assert.rejects(refused('app-error'), (error) => isAppError(error, 'model-invalid'));
  await assert.rejects(
    refused('crash'),
    (error) => isAppError(error, 'worker-died') && error.message.includes('exit code 4'),
  );
  await assert.rejects(
    InferenceThread.create({ module: STUB_MODULE, options: stubOptions({ stubsDir: 'nowhere' }) }),
    (error) => isAppError(error, 'model-invalid') && error.message.includes('unet.onnx'),
  );
});

for (const how of ['throw', 'exit'] as const) {
  test(`a thread that dies (${how}) rejects every call and says so once`, async (t) => {
    const deaths: AppError[] = [];
    const made = await thread(t, { onDeath: (error) => deaths.push(error) });
    const calls = [made.nets.die(how), made.nets.hear('never'), made.nets.log()];
    for (const result of await Promise.allSettled(calls)) {
      assert.ok(result.status === 'rejected' && isAppError(result.reason, 'worker-died'));
      assert.match(result.reason.message, how === 'throw' ? /fell over/ : /exit code 3/);
    }
    await assert.rejects(made.nets.hear('later'), (error) => isAppError(error, 'worker-died'));
    await made.close();
    assert.equal(deaths.length, 1);
  });
}

test('close lets the running call finish, rejects the waiting ones, and is no death', async () => {
  let died = false;
  const made = await InferenceThread.create<StubNets>({
    module: STUB_MODULE,
    options: stubOptions(),
    onDeath: () => (died = true),
  });
  const running = made.nets.faces(new Float32Array(8 * LATENTS), new Float32Array(8 * AUDIO), 8);
  const waiting = made.nets.hear('too late');
  const closing = made.close();
  assert.equal(made.close(), closing);
  await assert.rejects(waiting, (error) => isAppError(error, 'internal'));
  assert.equal((await running).length, 8 * FACE);
  await closing;
  await assert.rejects(made.nets.hear('gone'), (error) => isAppError(error, 'internal'));
  assert.equal(died, false);
});

// What was seen elsewhere: a process that ran networks in a thread falls over when it ends.
for (const mode of ['cycles', 'two', 'exit']) {
  test(`a process whose threads come and go ends cleanly (${mode})`, async () => {
    const entry = fileURLToPath(new URL('../helpers/inference-process.js', import.meta.url));
    const child = fork(entry, [mode, '4'], {
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    let stderr = '';
    child.stderr?.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
    let drawn: unknown;
    child.on('message', (message) => (drawn = message));
    const ended = await new Promise((resolve) =>
      child.once('close', (code, signal) => resolve({ code, signal })),
    );
    assert.deepEqual({ ...(ended as object), stderr }, { code: 0, signal: null, stderr: '' });
    if (mode !== 'exit') assert.equal(drawn, (4 * 20 + (mode === 'two' ? 8 : 0)) * FACE);
  });
}

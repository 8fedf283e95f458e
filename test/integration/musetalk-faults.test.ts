import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { execFile } from 'node:child_process';
import { readConfig } from '../../src/config.js';
import { AppError } from '../../src/errors.js';
import { faceSettingsOf } from '../../src/face-settings.js';
import { silentLog } from '../../src/lib/log.js';
import type { Box } from '../../src/media/frame.js';
import { WorkerHost } from '../../src/worker/host.js';
import { FaceServer, hasProc } from '../helpers/face-server.js';
import { makeMedia, testFfmpeg } from '../helpers/media.js';
import { stubSet, unetGraph, vaeDecoderGraph } from '../helpers/musetalk-stubs.js';
import { onnxGraph } from '../helpers/onnx-graph.js';
import { greenUnet } from '../helpers/paint-unet.js';
import { startTestServer, until } from '../helpers/server.js';

/**
 * What can go wrong with MuseTalk, at the level of the real server and its real worker processes. The networks are
 * stand-ins whose UNet paints green, so that a look at the mouth tells what is generated. Servers share one data
 * folder, one after the other.
 */

const speech = path.resolve('web/public/demo/speech.wav');
const noProc = (await hasProc()) ? false : 'workers are found through /proc';

let base: string;
const dataDir = () => path.join(base, 'data');
const media = (name: string) => path.join(base, 'media', name);

before(async () => {
  base = await mkdtemp(path.join(tmpdir(), 'musecast-faults-'));
  await Promise.all(['data', 'media', 'models'].map((name) => mkdir(path.join(base, name))));
  await stubSet(path.join(base, 'models'), { 'unet.onnx': greenUnet() });
  await makeMedia(['-i', speech, '-t', '6', media('speech.wav')]);
  await makeMedia([
    '-i',
    speech,
    '-t',
    '3',
    '-ar',
    '8000',
    '-ac',
    '1',
    '-c:a',
    'pcm_mulaw',
    media('mulaw.wav'),
  ]);
  await makeMedia(['-ss', '1', '-i', speech, '-t', '0.02', media('20ms.wav')]);
  await writeFile(media('1sample.wav'), wavOf(Int16Array.of(8000), 48_000));
});
after(() => rm(base, { recursive: true, force: true }));

function wavOf(samples: Int16Array, rateHz: number): Buffer {
  const head = Buffer.alloc(44);
  head.write('RIFF\0\0\0\0WAVEfmt ', 'latin1');
  head.writeUInt32LE(36 + samples.byteLength, 4);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rateHz, 24);
  head.writeUInt32LE(2 * rateHz, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(samples.byteLength, 40);
  return Buffer.concat([head, Buffer.from(samples.buffer)]);
}

/** One line, no stack, with an end. */
function assertSentence(text: string): void {
  const lines = text.trim().split('\n');
  assert.equal(lines.length, 1, text);
  assert.doesNotMatch(text, /^\s+at |undefined|\[object/m);
}

/** A server that does not come up: its exit status and what it said, log lines left out. */
async function startFailing(...flags: string[]): Promise<{ status: number; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['dist/src/main.js', '--host', '127.0.0.1', '--port', '0', '--data-dir', dataDir(), ...flags],
      { timeout: 60_000 },
      (error, _stdout, stderr) =>
        resolve({
          status: typeof error?.code === 'number' ? error.code : -1,
          stderr: stderr
            .split('\n')
            .filter((line) => !line.startsWith('{'))
            .join('\n'),
        }),
    );
  });
}

/** What the GPU optimiser of ONNX Runtime makes of a UNet: an operator that the CPU does not have. */
function gpuOnlyUnet(): Uint8Array {
  return onnxGraph({
    inputs: [
      { name: 'input_latents', type: 'float16', dims: ['batch', 8, 32, 32] },
      { name: 'audio_prompts', type: 'float16', dims: ['batch', 50, 384] },
    ],
    outputs: [{ name: 'noise_prediction', type: 'float16', dims: ['batch', 8, 32, 32] }],
    nodes: [
      {
        type: 'GroupNorm',
        domain: 'com.microsoft',
        inputs: ['input_latents', 'gamma', 'beta'],
        outputs: ['noise_prediction'],
        attributes: { groups: 32, activation: 1, epsilon: { float: 1e-5 } },
      },
    ],
    initializers: ['gamma', 'beta'].map((name) => ({ name, dims: [32], data: new Float32Array(32) })),
  });
}

async function start(...flags: string[]): Promise<FaceServer> {
  const server = await startTestServer([
    ...['--data-dir', dataDir(), '--media-root', base, '--musetalk-dir', path.join(base, 'models')],
    ...['--session-linger', '600', '--onnx-threads', '1', ...flags],
  ]);
  return new FaceServer(server, path.join(dataDir(), 'avatars'));
}

describe('files that cannot be used', () => {
  /** The sentence and code with which a real worker process refuses a set of files. */
  async function refusal(changes: Readonly<Record<string, Uint8Array | undefined>>): Promise<AppError> {
    const folder = await mkdtemp(path.join(base, 'bad-'));
    await stubSet(folder, changes);
    const config = readConfig(['--engine', 'musetalk', '--musetalk-dir', folder, '--onnx-threads', '1'], {});
    const settings = faceSettingsOf(config);
    assert.ok(!('missing' in settings));
    const host = WorkerHost.start(
      {
        avatarsDir: folder,
        modelsDir: config.modelsDir,
        logLevel: 'silent',
        ffmpeg: await testFfmpeg(),
        face: settings,
      },
      silentLog,
    );
    try {
      await host.ready;
    } catch (error) {
      assert.equal(host.restarts, 0, 'it is not tried again and again');
      assert.ok(error instanceof AppError);
      return error;
    } finally {
      await host.close();
    }
    throw new assert.AssertionError({ message: 'the files were taken' });
  }

  test('an encoder that scales with a decoder that does not', async () => {
    const { code, message } = await refusal({ 'vae_decoder.onnx': vaeDecoderGraph({ factor: 1 }) });
    assert.equal(code, 'model-invalid');
    assert.match(message, /vae_decoder\.onnx/);
    assertSentence(message);
  });

  test('a UNet that breaks off', async () => {
    const whole = greenUnet();
    const { code, message } = await refusal({ 'unet.onnx': whole.subarray(0, whole.length >> 1) });
    assert.equal(code, 'model-invalid');
    assert.match(message, /unet\.onnx is damaged or breaks off after \d+ bytes: download it again/);
    assertSentence(message);
  });

  test('a half-float UNet for GPUs only, on the CPU', async () => {
    const { code, message } = await refusal({ 'unet.onnx': undefined, 'unet_fp16.onnx': gpuOnlyUnet() });
    assert.equal(code, 'not-supported');
    assert.match(message, /provider cpu cannot compute .*GroupNorm.* unet_fp16\.onnx .*take the fp32 file/);
    assertSentence(message);
  });

  test('a UNet that answers with NaN at once', async () => {
    const { code, message } = await refusal({ 'unet.onnx': unetGraph({ poison: true }) });
    assert.equal(code, 'model-invalid');
    assert.match(message, /unet\.onnx answers with NaN: .*verify it .*or export it again/);
    assertSentence(message);
  });

  test('a set with a file missing: the server does not start, and says what to do', async () => {
    const folder = await mkdtemp(path.join(base, 'bad-'));
    await stubSet(folder, { 'vae_decoder.onnx': undefined });
    const { status, stderr } = await startFailing('--engine', 'musetalk', '--musetalk-dir', folder);
    assert.equal(status, 1);
    assert.match(stderr, /cannot start: the VAE decoder is missing in .*download it .*vae_decoder\.onnx/);
    assertSentence(stderr);
  });

  test('a checkpoint as --unet_model_path: the export command', async () => {
    const checkpoint = path.join(base, 'unet.pth');
    await writeFile(checkpoint, 'PK');
    const { status, stderr } = await startFailing('--unet_model_path', checkpoint);
    assert.equal(status, 1);
    assert.ok(
      stderr.includes(`export it with "python models/export/export.py --unet ${checkpoint} --out <folder>"`),
      stderr,
    );
    assertSentence(stderr);
  });
});

describe('live', () => {
  let faces: FaceServer;
  let mouth: Box;

  before(async () => {
    faces = await start('--engine', 'musetalk', '--engine-mode', 'live');
    mouth = await faces.mouth('demo');
  });
  after(() => faces?.server.close());

  test('8 kHz mu-law sound is spoken with a generated mouth and then shown idle', async () => {
    const { id, engine, engineReason } = await faces.open({ avatar: 'demo' });
    assert.equal(engine, 'musetalk', engineReason);
    const [viewer, ends] = [await faces.watch(id), await faces.hearEnds(id)];
    await faces.untilMouth(viewer, mouth, false);
    await faces.say(id, media('mulaw.wav'));
    await faces.untilMouth(viewer, mouth, true);
    await until('the end of the speech', () => ends.playedMs()[0]);
    assert.ok(Math.abs(ends.playedMs()[0]! - 3000) <= 40, `${ends.playedMs()[0]} ms`);
    await faces.untilMouth(viewer, mouth, false);
    await Promise.all([viewer.close(), ends.close()]);
    await faces.end(id);
  });

  test('sound shorter than a window, down to one sample, is spoken and over', async () => {
    const { id } = await faces.open({ avatar: 'demo' });
    const ends = await faces.hearEnds(id);
    await faces.say(id, media('20ms.wav'));
    await faces.say(id, media('1sample.wav'));
    await until('both ends', () => ends.playedMs()[1]);
    assert.deepEqual(ends.playedMs(), [20, 20]);
    const { state, stats } = await faces.session(id);
    assert.equal(state, 'idle');
    assert.equal(stats['workerRestarts'], 0);
    await ends.close();
    await faces.end(id);
  });

  test(
    'a worker killed in the middle of speech: the sound goes on, and generated mouths come back',
    { skip: noProc },
    async () => {
      const { id } = await faces.open({ avatar: 'demo' });
      const [viewer, ends] = [await faces.watch(id), await faces.hearEnds(id)];
      await faces.say(id, media('speech.wav'));
      await faces.untilMouth(viewer, mouth, true);
      const before = await faces.faceWorkerPid();
      process.kill(before, 'SIGKILL');
      await until(
        'the loss',
        async () => (await faces.session(id)).stats['workerRestarts'] === 1 || undefined,
      );
      assert.equal((await faces.session(id)).state, 'speaking');
      await faces.untilMouth(viewer, mouth, true);
      assert.notEqual(await faces.faceWorkerPid(), before);
      assert.equal((await faces.session(id)).state, 'speaking', 'the same speech goes on');
      await until('the end of the speech', () => ends.playedMs()[0]);
      assert.ok(Math.abs(ends.playedMs()[0]! - 6000) <= 40, `${ends.playedMs()[0]} ms`);
      assert.equal((await faces.session(id)).stats['soundUnderflows'], 0);
      await Promise.all([viewer.close(), ends.close()]);
      await faces.end(id);
    },
  );
});

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readConfig } from '../../src/config.js';
import type { FaceEngineSettings } from '../../src/engine/engine-settings.js';
import { AppError } from '../../src/errors.js';
import { faceSettingsOf } from '../../src/face-settings.js';
import { silentLog } from '../../src/lib/log.js';
import type { Box } from '../../src/media/frame.js';
import { Engines } from '../../src/worker/engines.js';
import { WorkerHost } from '../../src/worker/host.js';
import { WorkerPool } from '../../src/worker/pool.js';
import { FaceServer, hasProc, type SessionView } from '../helpers/face-server.js';
import { makeMedia, testFfmpeg } from '../helpers/media.js';
import { stubSet, unetGraph, vaeDecoderGraph, vaeEncoderGraph } from '../helpers/musetalk-stubs.js';
import { onnxGraph } from '../helpers/onnx-graph.js';
import { meanColours } from '../helpers/mjpeg.js';
import { greenUnet } from '../helpers/paint-unet.js';
import { assertSentence, startRefused, startTestServer, until } from '../helpers/server.js';
import { StubEngine } from '../helpers/stub-engine.js';
import { syntheticAvatar } from '../helpers/synthetic-avatar.js';
import { syntheticLandmarks } from '../helpers/synthetic-face.js';

/**
 * What can go wrong with MuseTalk, at the level of the real server and its real worker processes. The networks are
 * stand-ins whose UNet paints green, so that a look at the mouth tells what is generated. Servers share one data
 * folder, one after the other.
 */

const portrait = path.resolve('web/public/demo/portrait.jpg');
const h264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '18', '-pix_fmt', 'yuv420p'];
const speech = path.resolve('web/public/demo/speech.wav');
const noProc = (await hasProc()) ? false : 'workers are found through /proc';

let base: string;
const dataDir = () => path.join(base, 'data');
const media = (name: string) => path.join(base, 'media', name);

before(async () => {
  base = await mkdtemp(path.join(tmpdir(), 'musecast-faults-'));
  await Promise.all(['data', 'media', 'models'].map((name) => mkdir(path.join(base, name))));
  await stubSet(path.join(base, 'models'), { 'unet.onnx': greenUnet() });
  await makeMedia(['-i', speech, '-t', '4', media('speech.wav')]);
  await makeMedia([
    '-i',
    speech,
    '-t',
    '2',
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

/** The settings of a server with this set of files, and a real worker process for them. */
async function workerOf(folder: string): Promise<{ host: WorkerHost; settings: FaceEngineSettings }> {
  const config = readConfig(['--engine', 'musetalk', '--musetalk-dir', folder, '--onnx-threads', '1'], {});
  const settings = faceSettingsOf(config);
  assert.ok(!('missing' in settings));
  const { modelsDir } = config;
  const worker = {
    avatarsDir: folder,
    modelsDir,
    logLevel: 'silent',
    ffmpeg: await testFfmpeg(),
    face: settings,
  };
  return { settings, host: WorkerHost.start(worker, silentLog) };
}

describe('files that cannot be used', () => {
  /** The error with which a worker refuses the stand-ins with some of them changed. */
  async function refusal(changes: Readonly<Record<string, Uint8Array | undefined>>): Promise<AppError> {
    const { host } = await workerOf(await stubSet(await mkdtemp(path.join(base, 'bad-')), changes));
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
    const { status, stderr } = await startRefused('--engine', 'musetalk', '--musetalk-dir', folder);
    assert.equal(status, 1);
    assert.match(stderr, /cannot start: the VAE decoder is missing in .*download it .*vae_decoder\.onnx/);
    assertSentence(stderr);
  });

  test('a checkpoint as --unet_model_path: the export command', async () => {
    const checkpoint = path.join(base, 'unet.pth');
    await writeFile(checkpoint, 'PK');
    const { status, stderr } = await startRefused('--unet_model_path', checkpoint);
    assert.equal(status, 1);
    assert.ok(
      stderr.includes(`export it with "python models/export/export.py --unet ${checkpoint} --out <folder>"`),
      stderr,
    );
    assertSentence(stderr);
  });
});

test('memory that runs out: the batch halves and every picture keeps its face; without room for one, its own mouth', async () => {
  let room = 4;
  const sizes: number[] = [];
  const told: string[] = [];
  const stub = await StubEngine.open({
    onFaces(batch) {
      sizes.push(batch);
      if (batch > room) throw new Error('CUDA failure 2: out of memory ; GPU=0 ; hostname=x');
    },
    log: {
      ...silentLog,
      warn: (_, message) => told.push(message),
      error: (fields, message) => told.push(`${message}: ${(fields as { err: Error }).err.message}`),
    },
  });
  const avatar = syntheticAvatar({
    widthPx: 128,
    heightPx: 128,
    landmarks: [syntheticLandmarks(64, 55, 36)],
  });
  try {
    const { mask } = (await stub.prepare(avatar))[0]!;
    const { x1, y1, x2, y2 } = mask.area;
    const mouth = ((y1 + y2) >> 1) * 128 + ((x1 + x2) >> 1);
    const stream = await stub.engine.open({ ...avatar, still: false }, { fps: 25 });
    const buzz = (ms: number) =>
      Float32Array.from({ length: ms * 16 }, (_, i) => 0.1 * Math.sin(i / 18) * (1 + Math.sin(i / 500)));
    /** The share of the pictures of a second of speech that are painted, after one in which a change takes effect. */
    const painted = async (): Promise<number> => {
      for await (const picture of stream.push(buzz(1000))) assert.ok(picture);
      const pictures: boolean[] = [];
      for await (const { data } of stream.push(buzz(1000))) pictures.push(data[mouth] !== own);
      assert.ok(pictures.length > 15, `${pictures.length} pictures in a second`);
      return pictures.filter((each) => each).length / pictures.length;
    };
    const own = 126; // mid-grey
    assert.equal(await painted(), 1);
    assert.ok(Math.max(...sizes) > 1, String(sizes));
    room = 1;
    assert.equal(await painted(), 1);
    assert.ok(told.includes('out of memory: the batch is halved'));
    sizes.length = 0;
    assert.equal(await painted(), 1);
    assert.deepEqual([...new Set(sizes)], [1], 'it stays halved');
    room = 0;
    told.length = 0;
    assert.equal(await painted(), 0);
    assert.match(
      told[0]!,
      /faces could not be generated: not even one item of faces fits in memory: close other/,
    );
    assert.ok(told.length <= 3, 'one line a second');
    room = 4;
    assert.equal(await painted(), 1);
    await stream.close();
  } finally {
    await stub.close();
  }
});

test('a worker killed while it loads is replaced, and one killed later keeps its mode', async () => {
  const { host, settings } = await workerOf(path.join(base, 'models'));
  const engines = new Engines({
    asked: true,
    cpu: { open: () => Promise.reject(new Error('not asked for')) } as unknown as WorkerPool,
    face: { host, settings },
    prepareFaces: () => Promise.resolve(),
    facesReady: () => Promise.resolve(true),
    log: silentLog,
  });
  const choose = () => engines.choose({ avatarId: 'demo', engine: 'auto', fps: 25 });
  try {
    process.kill(host.pid!, 'SIGKILL');
    await assert.rejects(engines.whenFacesReady(), /ended before it was ready \(SIGKILL\)/);
    const meanwhile = await choose();
    assert.deepEqual([meanwhile.engine, meanwhile.reason], ['cpu', host.failure?.message]);
    await host.ready;
    const { engine, mode } = await choose();
    assert.equal(engine, 'musetalk');
    const first = host.pid!;
    process.kill(first, 'SIGKILL');
    await until('its end', () => host.faces === undefined || undefined);
    assert.match((await choose()).reason, /still loading its networks/);
    await host.ready;
    assert.notEqual(host.pid, first);
    assert.match(host.faces!.plan.reason, /as asked for/);
    assert.equal((await choose()).mode, mode);
  } finally {
    await engines.close();
  }
});

/** Two seconds at 8 kHz: the mouth is the footage's before and after them, and generated meanwhile. */
async function speakMuLaw(faces: FaceServer, id: string, mouth: Box): Promise<void> {
  const [viewer, ends] = [await faces.watch(id), await faces.hearEnds(id)];
  await faces.untilMouth(viewer, mouth, false);
  await faces.say(id, media('mulaw.wav'));
  await faces.untilMouth(viewer, mouth, true);
  await until('the end of the speech', () => ends.playedMs()[0]);
  assert.ok(Math.abs(ends.playedMs()[0]! - 2000) <= 40, `${ends.playedMs()[0]} ms`);
  await faces.untilMouth(viewer, mouth, false);
  await Promise.all([viewer.close(), ends.close()]);
  await faces.end(id);
}

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
    await speakMuLaw(faces, id, mouth);
  });

  test('sound shorter than a window, down to one sample, is spoken and over', async () => {
    const { id } = await faces.open({ avatar: 'demo' });
    const ends = await faces.hearEnds(id);
    await faces.say(id, media('20ms.wav'));
    await faces.say(id, media('1sample.wav'));
    await until('both ends', () => ends.playedMs()[1]);
    // A sample at 48 kHz is less than a millisecond.
    assert.deepEqual(ends.playedMs(), [20, 0]);
    const { state, stats } = await faces.session(id);
    assert.equal(state, 'idle');
    assert.equal(stats['workerRestarts'], 0);
    // Of so little sound at another rate ffmpeg's resampler leaves nothing.
    await writeFile(media('1sample8k.wav'), wavOf(Int16Array.of(8000), 8000));
    const { status, json } = await faces.post(`/v1/sessions/${id}/utterances`, {
      path: media('1sample8k.wav'),
    });
    assert.equal(status, 415);
    assert.match(
      String(json['detail']),
      /^1sample8k\.wav holds no sound, or less than a few milliseconds of it$/,
    );
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
      assert.ok(Math.abs(ends.playedMs()[0]! - 4000) <= 40, `${ends.playedMs()[0]} ms`);
      assert.equal((await faces.session(id)).stats['soundUnderflows'], 0);
      await Promise.all([viewer.close(), ends.close()]);
      await faces.end(id);
    },
  );

  test('a 4K portrait video is prepared 720 wide, faces and all', async () => {
    const clip = media('4k.mp4');
    await makeMedia([
      ...['-loop', '1', '-i', portrait, '-frames:v', '6', '-r', '25'],
      ...['-vf', 'scale=2160:-2,pad=2160:3840:0:600', ...h264, clip],
    ]);
    await create('tall', clip);
    const { widthPx, heightPx, frameCount } = await faces.avatar('tall');
    assert.deepEqual([widthPx, heightPx, frameCount], [720, 1280, 6]);
    assert.equal((await faces.material('tall')).length, 6);
    const { id, engine } = await faces.open({ avatar: 'tall', engine: 'musetalk' });
    assert.equal(engine, 'musetalk');
    const viewer = await faces.watch(id);
    await faces.say(id, media('mulaw.wav'));
    await faces.untilMouth(viewer, await faces.mouth('tall'), true);
    await viewer.close();
    await faces.end(id);
  });

  test('of two faces the larger one is drawn, in every picture', async () => {
    const clip = media('two.mp4');
    await makeMedia([
      ...['-loop', '1', '-i', portrait, '-loop', '1', '-i', portrait, '-frames:v', '10', '-r', '25'],
      '-filter_complex',
      '[0]scale=300:-2[small];[1]scale=450:-2,pad=800:560:0:0[large];[large][small]overlay=480:100',
      ...[...h264, clip],
    ]);
    await create('two', clip);
    const { frameCount } = await faces.avatar('two');
    const pictures = await faces.material('two');
    assert.equal(pictures.length, frameCount);
    for (const { box } of pictures) assert.ok(box.x2 < 480 && box.x2 - box.x1 > 130, JSON.stringify(box));
  });

  test('a face that leaves the picture: boxes and masks stay inside it, one for every picture', async () => {
    const clip = media('leaving.mp4');
    await makeMedia([
      ...['-f', 'lavfi', '-i', 'color=gray:s=512x600:r=25', '-loop', '1', '-r', '25', '-i', portrait],
      ...['-filter_complex', '[0][1]overlay=x=n*14:y=0', '-frames:v', '30', ...h264, clip],
    ]);
    await create('leaving', clip);
    const { widthPx, heightPx, frameCount } = (await faces.avatar('leaving')) as Record<string, number>;
    const pictures = await faces.material('leaving');
    assert.equal(pictures.length, frameCount);
    for (const { box, mask } of pictures)
      for (const { x1, y1, x2, y2 } of [box, mask.area])
        assert.ok(x1 >= 0 && y1 >= 0 && x2 <= widthPx! && y2 <= heightPx!, JSON.stringify(box));
    assert.ok(
      pictures.some(({ box }) => box.x2 === widthPx),
      'the face reached the edge',
    );
  });

  async function create(id: string, clip: string): Promise<void> {
    const { status, text } = await faces.post('/api/avatar/create', { avatar_id: id, video_path: clip });
    assert.equal(status, 200, text);
  }
});

describe('a UNet that answers with NaN to speech', () => {
  let faces: FaceServer;
  before(async () => {
    await writeFile(path.join(base, 'models/unet.onnx'), greenUnet({ nanWhenHeard: true }));
    faces = await start('--engine', 'musetalk', '--engine-mode', 'live');
  });
  after(() => faces?.server.close());

  test('the session shows its own mouth, in time, and the log tells once a second', async () => {
    // Prepared by the server before: what only draws makes no avatar stale.
    const mouth = await faces.mouth('demo');
    const { id } = await faces.open({ avatar: 'demo', engine: 'musetalk' });
    const [viewer, ends] = [await faces.watch(id), await faces.hearEnds(id)];
    await until('pictures', () => viewer.count > 10 || undefined);
    const rest = await meanColours(viewer.take(), mouth);
    await faces.say(id, media('mulaw.wav'));
    await until('speech', async () => (await faces.session(id)).state === 'speaking' || undefined);
    viewer.take();
    await until('the end of the speech', () => ends.playedMs()[0]);
    const spoken = viewer.take();
    assert.ok(spoken.length > 40, `${spoken.length} pictures in 2 s`);
    const mean = (colours: readonly (readonly number[])[], channel: number): number =>
      colours.reduce((sum, colour) => sum + colour[channel]!, 0) / colours.length;
    const drawn = await meanColours(spoken, mouth);
    for (const channel of [0, 1, 2])
      assert.ok(Math.abs(mean(drawn, channel) - mean(rest, channel)) < 6, 'the mouth is its own');
    const lines = faces.server
      .log()
      .split('\n')
      .filter((line) => line.includes('faces could not be generated'));
    assert.ok(lines.length >= 2 && lines.length <= 5, `${lines.length} lines`);
    assert.match(lines[0]!, /the UNet unet\.onnx answers with NaN/);
    const { state, stats } = await faces.session(id);
    assert.deepEqual([state, stats['workerRestarts'], stats['soundUnderflows']], ['idle', 0, 0]);
    await Promise.all([viewer.close(), ends.close()]);
    await faces.end(id);
  });
});

describe('models that changed, and speech rendered before it plays', () => {
  let faces: FaceServer;
  let mouth: Box;
  before(async () => {
    // The same arithmetic in another file: by its hash it is another encoder.
    await stubSet(path.join(base, 'models'), {
      'vae_encoder.onnx': vaeEncoderGraph(),
      'unet.onnx': greenUnet({ weight: 10 }),
    });
    faces = await start('--engine', 'auto', '--engine-mode', 'prerendered');
  });
  after(() => faces?.server.close());

  test('an avatar of other models is prepared again by itself; meanwhile a sentence, or the CPU engine', async () => {
    const stale = await faces.material('demo');
    const first = await faces.open({ avatar: 'demo' });
    assert.equal(first.engine, 'cpu');
    assert.match(first.engineReason, /still loading its networks|is being prepared for the musetalk engine/);
    await faces.end(first.id);
    const refused = await until('the engine', async () => {
      const { status, json } = await faces.post('/v1/sessions', { avatar: 'demo', engine: 'musetalk' });
      return status === 503 ? undefined : { status, json };
    });
    assert.equal(refused.status, 409, JSON.stringify(refused.json));
    assert.equal(refused.json['code'], 'avatar-not-ready');
    assert.match(
      String(refused.json['detail']),
      /^avatar demo is being prepared for the musetalk engine; try again/,
    );
    const { id, engineMode } = await until('the preparation', async () => {
      const { status, json } = await faces.post('/v1/sessions', { avatar: 'demo', engine: 'musetalk' });
      assert.ok(status === 201 || status === 409, JSON.stringify(json));
      return status === 201 ? (json as unknown as SessionView) : undefined;
    });
    assert.equal(engineMode, 'prerendered');
    await faces.end(id);
    assert.deepEqual((await faces.material('demo')).length, stale.length);
    mouth = await faces.mouth('demo');
  });

  test('8 kHz mu-law sound is rendered, spoken and over', async () => {
    const { id } = await faces.open({ avatar: 'demo', engine: 'musetalk' });
    await speakMuLaw(faces, id, mouth);
  });

  test('sound shorter than a window, down to one sample, is rendered, spoken and over', async () => {
    const { id } = await faces.open({ avatar: 'demo', engine: 'musetalk' });
    const ends = await faces.hearEnds(id);
    await faces.say(id, media('20ms.wav'));
    await faces.say(id, media('1sample.wav'));
    await until('both ends', () => ends.playedMs()[1]);
    // A sample at 48 kHz is less than a millisecond.
    assert.deepEqual(ends.playedMs(), [20, 0]);
    const { state, rendering, stats } = await faces.session(id);
    assert.deepEqual([state, rendering, stats['workerRestarts']], ['idle', [], 0]);
    assert.doesNotMatch(faces.server.log(), /not rendered ahead/);
    await ends.close();
    await faces.end(id);
  });

  test(
    'a worker killed while it renders: that speech is heard, the next one has generated mouths',
    { skip: noProc },
    async () => {
      const { id } = await faces.open({ avatar: 'demo', engine: 'musetalk' });
      const [viewer, ends] = [await faces.watch(id), await faces.hearEnds(id)];
      await faces.say(id, media('speech.wav'));
      await until(
        'progress',
        async () => ((await faces.session(id)).rendering[0]?.progress ?? 0) > 0.1 || undefined,
      );
      const pid = await faces.faceWorkerPid();
      process.kill(pid, 'SIGKILL');
      await until('the end of the speech', () => ends.playedMs()[0]);
      assert.ok(Math.abs(ends.playedMs()[0]! - 4000) <= 40, `${ends.playedMs()[0]} ms`);
      const { state, stats, rendering } = await faces.session(id);
      assert.deepEqual([state, stats['soundUnderflows'], rendering], ['idle', 0, []]);
      assert.equal(stats['workerRestarts'], 1);
      await faces.say(id, media('mulaw.wav'));
      await faces.untilMouth(viewer, mouth, true);
      assert.deepEqual(
        (await readdir(tmpdir())).filter((name) => name.startsWith(`take-${pid}-`)),
        [],
      );
      await Promise.all([viewer.close(), ends.close()]);
      await faces.end(id);
    },
  );
});

test('--engine auto with a file missing starts, and a session says why it is drawn by the CPU engine', async () => {
  await rm(path.join(base, 'models/vae_decoder.onnx'));
  const faces = await start('--engine', 'auto');
  try {
    const { id, engine, engineReason } = await faces.open({ avatar: 'demo' });
    assert.equal(engine, 'cpu');
    assert.match(engineReason, /^the VAE decoder is missing in .*: download it/);
    assertSentence(engineReason);
    await faces.end(id);
    const { status, json } = await faces.post('/v1/sessions', { avatar: 'demo', engine: 'musetalk' });
    assert.equal(status, 501);
    assert.equal(json['detail'], engineReason);
  } finally {
    await faces.server.close();
  }
});

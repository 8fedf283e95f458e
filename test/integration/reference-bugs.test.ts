import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { readConfig } from '../../src/config.js';
import type { AvatarStore } from '../../src/avatar/store.js';
import { silentLog } from '../../src/lib/log.js';
import { i420SizeBytes } from '../../src/media/frame.js';
import { idleIndex } from '../../src/media/idle-index.js';
import { JpegWatchers } from '../../src/session/viewers/jpeg-watchers.js';
import { MediaStream } from '../../src/worker/media-stream.js';
import { temporaryFolder, testFfmpeg } from '../helpers/media.js';
import { vaeEncoderGraph } from '../helpers/musetalk-stubs.js';
import { StubEngine } from '../helpers/stub-engine.js';
import { syntheticAvatar } from '../helpers/synthetic-avatar.js';
import { syntheticLandmarks } from '../helpers/synthetic-face.js';

/**
 * The known bugs of the MuseTalk reference, one by one: which test shows that this program does not have it. The tests
 * that fit nowhere else are below.
 */
const BUGS: readonly (readonly [bug: string, file: string, title: string])[] = [
  ['the last frame is dropped', 'unit/engine/faces/face-stream', 'the last picture comes, too'],
  [
    'the last frame of a rendered utterance is dropped',
    'integration/reference-bugs',
    'rendered ahead, an utterance has a face for every picture, the last one too',
  ],
  [
    'a failed frame is skipped without counting it: sound and picture shift',
    'unit/engine/faces/face-stream',
    'a face that fails shows the footage, is told, and moves nothing',
  ],
  [
    'latents fall out of step with frames after one without a face',
    'unit/engine/faces/prepare-material',
    'reference bug: latents fell out of step',
  ],
  [
    'a placeholder box crashes the preparation of masks',
    'unit/engine/faces/prepare-material',
    'reference bug: a placeholder box crashed',
  ],
  [
    'no face anywhere divides by zero',
    'unit/engine/faces/prepare-material',
    'reference bug: no face at all divided by zero',
  ],
  ['x2, and y2 of v1, leave the picture', 'unit/engine/faces/crop-box', 'reference bug: x2 and the y2 of v1'],
  [
    'faces are stretched at the edge',
    'unit/engine/faces/prepare-material',
    'reference bug: boxes left the picture',
  ],
  // Done as the reference does it, on purpose: the S3FD weights answer to what they are given there.
  [
    'S3FD is given its means in the wrong order of colours',
    'unit/face/s3fd',
    'subtracts 104 from red, 117 from green and 123 from blue',
  ],
  [
    'latents are a random sample: each preparation gives others',
    'integration/reference-bugs',
    'two preparations give the same inputs, bit for bit',
  ],
  [
    '29.97 pictures a second are taken for 29',
    'unit/engine/musetalk/hearing/feature-windows',
    'a frame rate that is no integer is kept',
  ],
  [
    'below 25 pictures a second the mouth is late',
    'unit/engine/musetalk/hearing/feature-windows',
    'by default a window begins four rows before its picture at any frame rate',
  ],
  [
    'a short sound ends the whole process',
    'unit/engine/musetalk/hearing/whole-utterance',
    'sound shorter than a window gives whole windows',
  ],
  [
    'a short sound ends the whole process (server, live)',
    'integration/musetalk-faults',
    'sound shorter than a window, down to one sample, is spoken and over',
  ],
  [
    'a short sound ends the whole process (server, rendered ahead)',
    'integration/musetalk-faults',
    'sound shorter than a window, down to one sample, is rendered, spoken and over',
  ],
  [
    'the blur of masks is 0.1 live and 0.05 offline',
    'integration/reference-bugs',
    'one preparation serves live and rendered pictures',
  ],
  [
    'offline, y2 is cut at the height of the last frame read',
    'unit/engine/faces/crop-box',
    'goes extra_margin below the chin, cut at the picture (v1.5)',
  ],
  ['result_dir is ignored', 'integration/reference-bugs', 'result_dir says where results go'],
  [
    'result_dir is ignored (server)',
    'integration/server',
    'skip_save_images false also saves PNG files and an mp4',
  ],
  [
    'the default UNet of v1.5 is that of v1',
    'unit/engine/musetalk/models/model-files',
    'reference bug: the v1 UNet was the default of v1.5',
  ],
  [
    'an avatar that exists asks a question on stdin',
    'integration/server',
    'the same avatar again is success, another source under its id is 409',
  ],
  ['questions on stdin', 'integration/reference-bugs', 'nothing reads standard input'],
  [
    'caches are pickles, which run what they name',
    'unit/avatar/reference/pickle-reader',
    'is refused by the name that it wants',
  ],
  [
    'a cache is used although margin or mode changed',
    'unit/engine/faces/material-file',
    'everything that material is made by is part of the key',
  ],
  [
    'a cache is used although models changed (server)',
    'integration/musetalk-faults',
    'an avatar of other models is prepared again by itself',
  ],
  [
    'the queue of frames has no limit: viewers',
    'integration/reference-bugs',
    'a viewer who does not read has two pictures waiting',
  ],
  [
    'the queue of frames has no limit: faces',
    'integration/reference-bugs',
    'a generator that is too slow leaves pictures out and gathers none',
  ],
  [
    'the whole clip is in memory: features',
    'unit/engine/musetalk/hearing/whole-utterance',
    'pictures can be taken one by one, and only what they need is heard',
  ],
  [
    'the whole clip is in memory: faces',
    'integration/reference-bugs',
    'rendered ahead, an utterance has a face for every picture, the last one too',
  ],
  [
    'each clip begins at frame 0: the body jumps',
    'integration/reference-bugs',
    'the body goes on from one utterance to the next',
  ],
  [
    'each clip begins at frame 0 (rendered ahead)',
    'unit/engine/faces/face-stream-takes',
    'moves the body to its place without a jump',
  ],
];

describe('every known bug of the reference has its test:', () => {
  for (const [bug, file, title] of BUGS)
    test(bug, () => {
      const source = readFileSync(path.join('test', `${file}.test.ts`), 'utf8');
      assert.ok(source.replace(/\s+/g, ' ').includes(title), `${file} has no test "${title}"`);
    });
});

const [widthPx, heightPx, FRAMES] = [256, 256, 7];

/** Seven pictures; the first pixel says which. */
const avatar = () =>
  syntheticAvatar({
    widthPx,
    heightPx,
    landmarks: Array.from({ length: FRAMES }, (_, k) => syntheticLandmarks(124 + k, 110, 60)),
    paint(index, rgb) {
      for (let i = 0; i < rgb.length; i++) rgb[i] = (i * 7 + (i >> 8)) % 251;
      rgb.fill(60 + 20 * index, 0, widthPx * 4 * 3);
    },
  });

/** Which picture of the footage is shown. */
function footageOf(picture: Uint8Array): number {
  const distances = FIRST_LUMA.map((luma) => Math.abs(luma - picture[0]!));
  return distances.indexOf(Math.min(...distances));
}
const FIRST_LUMA = Array.from({ length: FRAMES }, (_, index) => {
  const picture = new Uint8Array(i420SizeBytes(widthPx, heightPx));
  avatar().readFrame(index, picture);
  return picture[0]!;
});

const voice = (ms: number) =>
  Float32Array.from({ length: ms * 16 }, (_, i) => 0.1 * Math.sin(i / 18) * (1 + Math.sin(i / 500)));

async function opened(
  t: { after(fn: () => Promise<void>): void },
  ...options: Parameters<typeof StubEngine.open>
) {
  const stub = await StubEngine.open(...options);
  t.after(() => stub.close());
  return stub;
}

test('two preparations give the same inputs, bit for bit', async (t) => {
  // An encoder that gives mean and variance, as the reference's does.
  const moments = vaeEncoderGraph({ moments: true, output: 'moments' });
  for (const files of [{}, { 'vae_encoder.onnx': moments }]) {
    const [one, other] = [await opened(t, { files }), await opened(t, { files })];
    assert.deepEqual(await one.prepare(avatar()), await other.prepare(avatar()));
  }
});

test('one preparation serves live and rendered pictures', async (t) => {
  // Masks are part of the material, with the live blur of 0.1; a rendered utterance is pasted through the same ones.
  const prepared = await (await opened(t)).prepare(avatar());
  for (const { mask, box } of prepared) {
    const width = mask.area.x2 - mask.area.x1;
    const middle = (y: number) => mask.alpha[y * width + (width >> 1)]!;
    const rows = mask.area.y2 - mask.area.y1;
    const ramp = Array.from({ length: rows }, (_, y) => middle(y)).findIndex((alpha) => alpha === 255);
    // The soft edge above is about as wide as half the kernel: 0.1 of the square of 1.5 boxes, so 0.075 of a box.
    const share = ramp / Math.max(box.x2 - box.x1, box.y2 - box.y1);
    assert.ok(share > 0.1 && share < 0.3, `a soft edge of ${share.toFixed(3)}`);
  }
});

test('result_dir says where results go', () => {
  assert.equal(readConfig(['--result_dir', 'elsewhere'], {}).resultDir, path.resolve('elsewhere'));
  assert.equal(readConfig(['--data-dir', 'd'], {}).resultDir, path.resolve('d', 'results'));
});

test('nothing reads standard input', () => {
  const sources = ['src', 'signaling'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => path.join(folder, name)),
  );
  const code = sources.filter((name) => name.endsWith('.ts'));
  assert.ok(code.length > 100);
  for (const name of code)
    assert.doesNotMatch(readFileSync(name, 'utf8'), /(?<![.#])\bprocess\.stdin|node:readline/, name);
});

test('a viewer who does not read has two pictures waiting', async () => {
  const watchers = new JpegWatchers(() => {});
  const abort = new AbortController();
  const pictures = watchers.watch(abort.signal)[Symbol.asyncIterator]();
  const first = pictures.next();
  for (let k = 0; k < 1000; k++) watchers.push(Uint8Array.of(k % 256));
  await first;
  assert.ok(watchers.dropped >= 997, `${watchers.dropped} of 1000 were let go`);
  watchers.close();
  let left = 0;
  while ((await pictures.next()).done !== true) left += 1;
  assert.ok(left <= 2);
});

test('a generator that is too slow leaves pictures out and gathers none', async (t) => {
  // Ten faces a second where 25 are wanted, for four seconds, fed in real time through the worker's own stream.
  const stub = await opened(t, { slowMs: 100 });
  const source = avatar();
  await stub.prepare(source);
  const indices: number[] = [];
  let skipped = 0;
  const stream = await MediaStream.create({
    ...{ streamId: 1, avatarId: 'a', fps: 25, bitrateBps: 500_000, firstIndex: 0 },
    store: { open: () => Promise.resolve(source) } as unknown as AvatarStore,
    engine: stub.engine,
    ffmpeg: await testFfmpeg(),
    send(message) {
      if (message.type === 'picture') indices.push(message.index);
      else if (message.type === 'stats') skipped += message.skipped;
    },
    log: silentLog,
  });
  const lookahead = Math.ceil(stream.lookaheadMs / 40);
  const sound = voice(4000);
  const start = performance.now();
  for (let at = 0; at < sound.length; at += 320) {
    stream.pushSound(sound.slice(at, at + 320));
    const dueMs = at / 16 + 20 - (performance.now() - start);
    if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
  }
  const behind = 4000 / 40 - lookahead - indices.at(-1)!;
  await stream.close();
  assert.ok(skipped > 10, `${skipped} pictures were left out`);
  assert.ok(stub.asked.most <= lookahead + 4, `${stub.asked.most} faces at once, look-ahead ${lookahead}`);
  // Sixty pictures are too many for it. What is left waits for the batch under way and its own, 0.4 s each.
  assert.ok(behind < 40, `the latest picture is ${behind} behind the sound`);
  assert.equal(new Set(indices).size, indices.length);
});

test('rendered ahead, an utterance has a face for every picture, the last one too', async (t) => {
  const stub = await opened(t, { mode: 'prerendered' });
  const source = avatar();
  await stub.prepare(source);
  const folder = await temporaryFolder(t);
  const seconds = 40;
  const before = process.memoryUsage();
  let most = 0;
  const told: number[] = [];
  const take = await stub.engine.rehearse(source, voice(seconds * 1000), {
    fps: 25,
    folder,
    onProgress(fraction) {
      told.push(fraction);
      const { arrayBuffers, external } = process.memoryUsage();
      most = Math.max(most, arrayBuffers + external - before.arrayBuffers - before.external);
    },
  });
  t.after(() => take.close());
  for (const index of [10, 25 * seconds - 1]) {
    assert.equal(take.strength(index), 1);
    assert.ok(take.face(index)!.data[1]! > 200, 'it is painted');
  }
  assert.ok(take.pictureCount > 25 * seconds, 'behind the sound the face fades out');
  assert.ok(take.strength(take.pictureCount - 1) < 0.5);
  assert.equal(told.at(-1), 1);
  // 40 s of faces are 197 MB; a batch or two are under way at once, and some wait for the garbage collector.
  assert.ok(stub.asked.most <= 16, `${stub.asked.most} faces at once`);
  assert.deepEqual(readdirSync(folder), [], 'nothing that a killed process would leave');
  assert.ok(most < 175 * 2 ** 20, `${(most / 2 ** 20).toFixed(0)} MB more`);
});

test('the body goes on from one utterance to the next', async (t) => {
  const stub = await opened(t);
  const source = avatar();
  await stub.prepare(source);
  const stream = await stub.engine.open(source, { fps: 25 });
  const shown: number[] = [];
  for (const pcm of [voice(1000), new Float32Array(1160 * 16), voice(600), new Float32Array(2000 * 16)])
    for (let at = 0; at < pcm.length; at += 320)
      for await (const { data } of stream.push(pcm.slice(at, at + 320))) shown.push(footageOf(data));
  await stream.close();
  assert.ok(stub.calls.faces > 30);
  assert.ok(shown.length > 100);
  assert.deepEqual(
    shown,
    shown.map((_, k) => idleIndex(k, FRAMES)),
  );
});

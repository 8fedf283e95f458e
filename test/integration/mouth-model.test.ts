import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { MouthModel } from '../../src/engine/cpu/mouth-model.js';
import type { MouthStream } from '../../src/engine/cpu/mouth-model.js';
import type { MouthShape } from '../../src/media/frame.js';

const MODELS_DIR = path.resolve('models');
const SPEECH = path.resolve('..', 'shared', 'data', 'audio', 'eng.wav');
const DEMO_SPEECH = path.resolve('web', 'public', 'demo', 'speech.wav');

let model: MouthModel;
before(async () => {
  model = await MouthModel.load(MODELS_DIR);
});
after(() => model.close());

async function readWav16kMono(file: string, seconds: number): Promise<Float32Array> {
  const bytes = await readFile(file);
  const data = bytes.indexOf('data', 12, 'latin1') + 8;
  const count = Math.min(seconds * 16000, Math.floor((bytes.length - data) / 2));
  return Float32Array.from({ length: count }, (_, i) => bytes.readInt16LE(data + 2 * i) / 32768);
}

async function shapesOf(
  stream: MouthStream,
  sound: Float32Array,
  sizes: readonly number[],
): Promise<MouthShape[]> {
  const shapes: MouthShape[] = [];
  for (let at = 0, i = 0; at < sound.length; i++) {
    const size = sizes[i % sizes.length]!;
    shapes.push(...(await stream.push(sound.subarray(at, at + size))));
    at += size;
  }
  return shapes;
}

test('the shipped files are those that the manifest and the card name', async () => {
  const manifest: unknown = JSON.parse(await readFile(path.join(MODELS_DIR, 'manifest.json'), 'utf8'));
  const card = await readFile(path.join(MODELS_DIR, 'cpu', 'README.md'), 'utf8');
  for (const file of ['cpu/audio2mouth.onnx', 'cpu/basis.json']) {
    const sha256 = createHash('sha256')
      .update(await readFile(path.join(MODELS_DIR, file)))
      .digest('hex');
    assert.ok(JSON.stringify(manifest).includes(`"file":"${file}"`), `${file} is in the manifest`);
    assert.ok(JSON.stringify(manifest).includes(sha256), `${file}: manifest`);
    assert.ok(card.includes(sha256), `${file}: card`);
  }
});

test('any chunking gives exactly the shapes of the whole file at once', async () => {
  const sound = await readWav16kMono(DEMO_SPEECH, 2.5);
  const whole = await model.open().push(sound);
  assert.ok(
    whole.some((shape) => shape.open > 0.2),
    'the speech moves the mouth',
  );
  for (const sizes of [[160], [320, 1, 999], [640], [4801, 17]]) {
    assert.deepEqual(await shapesOf(model.open(), sound, sizes), whole, `chunks of ${sizes.join(', ')}`);
  }
});

test('overlapping pushes and a reused buffer change nothing', async () => {
  const sound = await readWav16kMono(DEMO_SPEECH, 1.5);
  const whole = await model.open().push(sound);
  const stream = model.open();
  const buffer = new Float32Array(480);
  const pending: Promise<MouthShape[]>[] = [];
  for (let at = 0; at < sound.length; at += 480) {
    buffer.set(sound.subarray(at, at + 480));
    pending.push(stream.push(buffer));
  }
  buffer.fill(9);
  assert.deepEqual((await Promise.all(pending)).flat(), whole);
});

for (const [timing, mostMs] of [
  ['sure', 70],
  ['instant', 0],
] as const) {
  test(`${timing}: shape k is there once the sound reaches k * 10 ms + lookaheadMs`, async () => {
    const stream = model.open(timing);
    assert.ok(stream.lookaheadMs <= mostMs, `${stream.lookaheadMs} ms`);
    let shapes = 0;
    for (let pushed = 160; pushed <= 16000; pushed += 160) {
      shapes += (await stream.push(new Float32Array(160))).length;
      const dueMs = pushed / 16 - stream.lookaheadMs;
      assert.ok(shapes >= Math.floor(dueMs / 10) + 1, `${shapes} shapes after ${pushed / 16} ms`);
    }
  });
}

test('two streams of one model do not hear each other', async () => {
  const sound = await readWav16kMono(DEMO_SPEECH, 1.5);
  const alone = await shapesOf(model.open(), sound, [640]);
  const [one, other] = [model.open(), model.open()];
  const heard: MouthShape[] = [];
  for (let at = 0; at < sound.length; at += 640) {
    const [shapes] = await Promise.all([
      one.push(sound.subarray(at, at + 640)),
      other.push(new Float32Array(640).fill(0.3)),
    ]);
    heard.push(...shapes);
  }
  assert.deepEqual(heard, alone);
});

test('silence keeps the mouth exactly shut', async () => {
  const shapes = await model.open().push(new Float32Array(16000));
  for (const shape of shapes) assert.deepEqual(shape, { open: 0, spread: 0.2, round: 0, tuck: 0, tongue: 0 });
});

test('the noise of a room does not move the mouth', async () => {
  let state = 7;
  let brown = 0;
  const noise = Float32Array.from({ length: 4 * 16000 }, () => {
    state = (state * 48271) % 2147483647;
    const white = state / 1073741823 - 1;
    brown = 0.98 * brown + 0.02 * white;
    return 0.004 * white + 0.03 * brown; // about -50 dB
  });
  const shapes = (await model.open().push(noise)).slice(30);
  const most = Math.max(...shapes.map((shape) => shape.open));
  assert.ok(most < 0.05, `opened to ${most}`);
});

test(
  'real speech: the mouth moves, shuts and follows the sound',
  { skip: existsSync(SPEECH) ? false : 'shared/data is absent' },
  async () => {
    const shapes = await model.open().push(await readWav16kMono(SPEECH, 10));
    const open = shapes.map((shape) => shape.open).sort((a, b) => a - b);
    const at = (share: number): number => open[Math.floor(share * (open.length - 1))]!;
    assert.ok(at(0.05) < 0.03, `5th percentile ${at(0.05)}`);
    assert.ok(at(0.9) > 0.35, `90th percentile ${at(0.9)}`);
    const range = (name: 'spread' | 'round' | 'tuck'): number =>
      Math.max(...shapes.map((s) => s[name])) - Math.min(...shapes.map((s) => s[name]));
    for (const name of ['spread', 'round', 'tuck'] as const)
      assert.ok(range(name) > 0.15, `${name} moves by ${range(name)}`);
  },
);

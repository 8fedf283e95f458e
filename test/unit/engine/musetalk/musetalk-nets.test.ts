import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { before, test, type TestContext } from 'node:test';
import type { GraphRunner, GraphTensor } from '../../../../src/adapters/graph-runner.js';
import { OnnxGraph } from '../../../../src/adapters/onnx.js';
import { MuseTalkNets } from '../../../../src/engine/musetalk/musetalk-nets.js';
import { BatchGraph } from '../../../../src/engine/faces/batch-graph.js';
import { bindUnet } from '../../../../src/engine/musetalk/models/model-set.js';
import type { MuseTalkNetsOptions } from '../../../../src/engine/musetalk/models/open-nets.js';
import { silentLog } from '../../../../src/lib/log.js';
import type { RgbImage } from '../../../../src/media/frame.js';
import { temporaryFolder } from '../../../helpers/media.js';
import {
  STUBS_FOLDER,
  stubSet,
  unetGraph,
  vaeDecoderGraph,
  vaeEncoderGraph,
  whisperGraph,
} from '../../../helpers/musetalk-stubs.js';

interface Goldens {
  latent_first4_per_ch: number[][];
  latent_mid_per_ch: number[];
  latent_sum: number;
  whisper_pts: Record<string, number>;
  win_pts: Record<string, number>;
  unet_frames: number[];
  unet_pts: number[][];
  unet_sums: number[];
  recon_bgr_px: Record<string, number[]>;
  recon_sum: number[];
}

const goldens = JSON.parse(readFileSync(path.join(STUBS_FOLDER, 'stub-goldens.json'), 'utf8')) as Goldens;
const crop = bgrToRgb(lcgBytes(21, 256 * 256 * 3));
const mel = Float32Array.from(lcgBytes(22, 240_000), (byte) => (byte - 128) / 128);

/** What the goldens were made of: the same latents and four windows of the sound. */
let inputs: Float32Array;
let features: Float32Array;

before(async () => {
  const nets = await MuseTalkNets.create({ folder: STUBS_FOLDER, log: silentLog });
  const [latents] = await nets.prepare([crop]);
  const rows = await nets.hear(mel, 125);
  inputs = repeat(latents!, 4);
  features = windows(rows, goldens.unet_frames);
  await nets.close();
});

test('prepare gives the masked latents, then the reference latents', () => {
  const latents = inputs.subarray(0, 8192);
  goldens.latent_first4_per_ch.forEach((expected, channel) => {
    expected.forEach((value, x) => near(latents[channel * 1024 + x]!, value, 1e-6));
  });
  goldens.latent_mid_per_ch.forEach((value, channel) => {
    near(latents[channel * 1024 + 20 * 32 + 20]!, value, 1e-6);
  });
  near(
    latents.reduce((sum, value) => sum + value, 0),
    goldens.latent_sum,
    1e-3,
  );
});

test('hear gives the states in the order of the layers', async () => {
  const nets = await MuseTalkNets.create({ folder: STUBS_FOLDER, log: silentLog });
  const heard = await nets.hear(mel, 125);
  assert.equal(heard.length, 125 * 5 * 384);
  for (const [key, value] of Object.entries(goldens.whisper_pts)) {
    const [row, layer, column] = key.split(',').map(Number) as [number, number, number];
    near(heard[(row * 5 + layer) * 384 + column]!, value, 1e-6);
  }
  await assert.rejects(nets.hear(new Float32Array(5), 1), { code: 'invalid-argument' });
  await assert.rejects(nets.hear(mel, 1501), { code: 'invalid-argument', message: /1501 rows.*1500/ });
  await nets.close();
});

for (const file of ['unet.onnx', 'unet_with_timesteps.onnx']) {
  test(`${file} gives the golden latents, its time step fed with zeros`, async () => {
    const runner = await OnnxGraph.load(path.join(STUBS_FOLDER, file));
    const unet = new BatchGraph(bindUnet(file, runner));
    const out = (await unet.run([inputs, features], 4)) as Float32Array;
    goldens.unet_pts.forEach((expected, b) => {
      expected.forEach((value, q) => near(out[(b * 4 + q) * 1024 + 20 * 32 + 20]!, value, 1e-5));
      const sum = out.subarray(b * 4096, (b + 1) * 4096).reduce((total, value) => total + value, 0);
      near(sum, goldens.unet_sums[b]!, 2e-3);
    });
    await runner.close();
  });
}

test('faces gives the golden pictures to the bit, alone, all at once and in uneven batches', async () => {
  const nets = await MuseTalkNets.create({ folder: STUBS_FOLDER, log: silentLog, batch: 3 });
  assertGolden(await nets.faces(inputs, features, 4));
  for (let b = 0; b < 4; b++) {
    const one = await nets.faces(
      inputs.subarray(b * 8192, (b + 1) * 8192),
      features.subarray(b * 19200, (b + 1) * 19200),
      1,
    );
    assert.equal(sumOf(one), goldens.recon_sum[b]);
  }
  await nets.close();
});

test('calls that overlap do not disturb one another', async () => {
  const nets = await MuseTalkNets.create({ folder: STUBS_FOLDER, log: silentLog });
  const [all, again, [latents]] = await Promise.all([
    nets.faces(inputs, features, 4),
    nets.faces(inputs.subarray(0, 2 * 8192), features.subarray(2 * 19200), 2),
    nets.prepare([crop]),
  ]);
  assertGolden(all);
  assert.deepEqual(
    [sumOf(again.subarray(0, 196608)), sumOf(again.subarray(196608))],
    goldens.recon_sum.slice(2),
  );
  assert.deepEqual(latents, inputs.slice(0, 8192));
  await nets.close();
  await assert.rejects(nets.faces(inputs, features, 1), { code: 'internal' });
});

test('half-float inputs and outputs: within a level of the float32 pictures', async (t) => {
  const half = { type: 'float16' as const };
  const folder = await stubSet(await temporaryFolder(t), {
    'unet.onnx': unetGraph(),
    'unet_fp16.onnx': unetGraph(half),
    'vae_encoder_fp16.onnx': vaeEncoderGraph(half),
    'vae_decoder_fp16.onnx': vaeDecoderGraph(half),
    'whisper_encoder_fp16.onnx': whisperGraph('flat', 'float16'),
  });
  const fp32 = await create(t, { folder });
  const fp16 = await create(t, { folder, precision: 'fp16' });
  assert.equal(fp16.info.nets.unet.type, 'float16');
  assert.equal(path.basename(fp16.info.nets.vaeDecoder.file), 'vae_decoder_fp16.onnx');
  const [latents] = await fp16.prepare([crop]);
  latents!.forEach((value, i) => near(value, inputs[i]!, 1e-3));
  const rows = await fp16.hear(mel, 20);
  const exact = await fp32.hear(mel, 20);
  rows.forEach((value, i) => near(value, exact[i]!, 1e-3));
  const a = await fp32.faces(inputs, features, 4);
  const b = await fp16.faces(inputs, features, 4);
  assert.ok(Math.max(...differences(a.subarray(0, 100_000), b.subarray(0, 100_000))) <= 1);
  assert.ok(differences(a, b).reduce((sum, value) => sum + value, 0) / a.length < 0.25);
});

test('the musetalk_ export: moments, an int64 time step of length 1, other names, fixed batches', async (t) => {
  const folder = await stubSet(await temporaryFolder(t), {
    'unet.onnx': undefined,
    'vae_encoder.onnx': undefined,
    'vae_decoder.onnx': undefined,
    'whisper_encoder.onnx': undefined,
    'musetalk_unet.onnx': unetGraph({
      batch: 2,
      input: 'latent',
      audio: 'audio_prompt',
      output: 'latent_out',
      timestep: { name: 'timestep', type: 'int64', dims: [1] },
    }),
    'musetalk_vae_encoder.onnx': vaeEncoderGraph({ moments: true, batch: 3 }),
    'musetalk_vae_decoder.onnx': vaeDecoderGraph({ input: 'latent', batch: 3 }),
    'musetalk_whisper_encoder.onnx': whisperGraph('blocks'),
  });
  const nets = await create(t, { folder });
  const plain = await create(t, {
    folder: await stubSet(await temporaryFolder(t), { 'unet.onnx': unetGraph() }),
  });
  assert.equal(nets.info.family, 'musetalk_export');
  assert.equal(nets.info.encoderScaling, 'outside');
  assert.equal(nets.info.nets.unet.batch, 2);
  assert.equal(nets.info.nets.vaeDecoder.batch, 3);
  assert.equal(plain.info.family, 'canonical');
  const [latents] = await nets.prepare([crop]);
  latents!.forEach((value, i) => near(value, inputs[i]!, 1e-6));
  assert.deepEqual(await nets.hear(mel, 30), await plain.hear(mel, 30));
  assert.deepEqual(await nets.faces(inputs, features, 4), await plain.faces(inputs, features, 4));
});

test('five outputs of Whisper states', async (t) => {
  const folder = await stubSet(await temporaryFolder(t), { 'whisper_encoder.onnx': whisperGraph('outputs') });
  const nets = await create(t, { folder });
  const plain = await create(t, { folder: STUBS_FOLDER });
  assert.deepEqual(await nets.hear(mel, 1500), await plain.hear(mel, 1500));
});

test('fixed shapes: part batches run at a size that was warmed up', async (t) => {
  const sizes: number[] = [];
  const load = spying((_, feeds) => {
    if (feeds.audio_prompts) sizes.push(feeds.audio_prompts.dims[0]!);
  });
  const nets = await create(t, { folder: STUBS_FOLDER, fixedShapes: true, load });
  await nets.warmUp(1);
  assert.equal(await nets.warmUp(4), 4);
  sizes.length = 0;
  assertGolden(await nets.faces(inputs, features, 4));
  await nets.faces(inputs, features, 1);
  const three = await nets.faces(inputs, features, 3);
  assert.deepEqual(sizes, [4, 1, 4]);
  assert.equal(three.length, 3 * 196608);
  assert.equal(sumOf(three.subarray(2 * 196608)), goldens.recon_sum[2]);
});

test('when memory runs out the batch is halved, the pictures are the same, and it stays halved', async (t) => {
  const tried: number[] = [];
  const load = spying((file, feeds) => {
    const latents = feeds.latents;
    if (file !== 'vae_decoder.onnx' || !latents) return;
    tried.push(latents.dims[0]!);
    if (latents.dims[0]! > 1) {
      throw new Error(
        'BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 1073741824',
      );
    }
  });
  const warnings: string[] = [];
  const nets = await create(t, {
    folder: STUBS_FOLDER,
    load,
    log: { ...silentLog, warn: (_, message) => warnings.push(message) },
  });
  tried.length = 0;
  assertGolden(await nets.faces(inputs, features, 4));
  assert.deepEqual(tried, [4, 2, 1, 1, 1, 1]);
  assert.equal(nets.batch, 1);
  tried.length = 0;
  await nets.faces(inputs, features, 2);
  assert.deepEqual(tried, [1, 1]);
  assert.equal(warnings.length, 2);
});

test('warming up finds the batch that fits', async (t) => {
  const load = spying((_, feeds) => {
    if (feeds.audio_prompts && feeds.audio_prompts.dims[0]! > 5)
      throw new Error('CUDA failure 2: out of memory');
  });
  const nets = await create(t, { folder: STUBS_FOLDER, load, fixedShapes: true });
  assert.equal(await nets.warmUp(16), 4);
  assertGolden(await nets.faces(inputs, features, 4));
});

test('no room for a single face: no-capacity, with what to do; other failures pass', async (t) => {
  let message = 'CUDA failure 2: out of memory ; GPU=0';
  const load = spying((_, feeds) => {
    if (feeds.audio_prompts) throw new Error(message);
  });
  const nets = await create(t, { folder: STUBS_FOLDER, load });
  await assert.rejects(nets.faces(inputs, features, 4), {
    code: 'no-capacity',
    message: /not even one item of faces fits in memory.*tiny decoder/,
  });
  message = 'CUDA failure 700: an illegal memory access';
  await assert.rejects(nets.faces(inputs, features, 4), { message });
});

test('a UNet that answers with NaN is named, and so is the way out', async (t) => {
  const fp32 = await stubSet(await temporaryFolder(t), { 'unet.onnx': unetGraph({ poison: true }) });
  await assert.rejects((await create(t, { folder: fp32 })).faces(inputs, features, 1), {
    code: 'model-invalid',
    message: /the UNet unet\.onnx answers with NaN.*damaged.*verify/,
  });
  const fp16 = await stubSet(await temporaryFolder(t), {
    'unet_fp16.onnx': unetGraph({ poison: true, type: 'float16' }),
  });
  const nets = await create(t, { folder: fp16, precision: 'fp16' });
  await assert.rejects(nets.faces(inputs, features, 1), {
    code: 'model-invalid',
    message: /unet_fp16\.onnx answers with NaN.*precision fp32/,
  });
});

test('a half-float decoder that overflows is replaced by the float32 one, with one warning', async (t) => {
  const folder = await stubSet(await temporaryFolder(t), {
    'vae_decoder_fp16.onnx': vaeDecoderGraph({ type: 'float16' }),
  });
  const warnings: object[] = [];
  let overflow = false;
  const nets = await create(t, {
    folder,
    precision: 'fp16',
    log: { ...silentLog, warn: (fields) => warnings.push(fields) },
    load: spying(
      () => undefined,
      (file, results) => {
        if (overflow && file === 'vae_decoder_fp16.onnx') (results.image!.data as Uint16Array)[777] = 0x7e00;
      },
    ),
  });
  assert.equal(nets.info.nets.vaeDecoder.type, 'float16');
  overflow = true;
  assertGolden(await nets.faces(inputs, features, 4));
  assertGolden(await nets.faces(inputs, features, 4));
  assert.deepEqual(warnings, [{ decoder: 'vae_decoder_fp16.onnx', instead: 'vae_decoder.onnx' }]);
  assert.equal(path.basename(nets.info.nets.vaeDecoder.file), 'vae_decoder.onnx');
});

test('a decoder that overflows without a float32 one beside it', async (t) => {
  const folder = await stubSet(await temporaryFolder(t), {
    'vae_decoder.onnx': undefined,
    'vae_decoder_fp16.onnx': vaeDecoderGraph({ poison: true }),
  });
  await assert.rejects(create(t, { folder, precision: 'fp16' }), {
    code: 'model-invalid',
    message: /VAE decoder vae_decoder_fp16\.onnx answers with NaN.*fp32/,
  });
});

test('an encoder and a Whisper that answer with NaN', async (t) => {
  const encoder = await stubSet(await temporaryFolder(t), {
    'vae_encoder.onnx': vaeEncoderGraph({ poison: true }),
  });
  await assert.rejects(create(t, { folder: encoder }), {
    message: /VAE encoder vae_encoder\.onnx answers with NaN/,
  });
  const nets = await create(t, { folder: STUBS_FOLDER });
  await assert.rejects(nets.hear(new Float32Array(mel.length).fill(NaN), 3), {
    code: 'model-invalid',
    message: /whisper_encoder\.onnx answers with NaN/,
  });
});

test('the tiny decoder takes scaled latents as they are', async (t) => {
  const folder = await stubSet(await temporaryFolder(t), {
    'vae_decoder.onnx': undefined,
    'vae_decoder_tiny.onnx': vaeDecoderGraph(),
  });
  const nets = await create(t, { folder, tiny: true });
  assert.equal(nets.info.tiny, true);
  assert.equal(nets.info.decoderScaling, 'none');
  assertGolden(await nets.faces(inputs, features, 4));
});

test('stage times add up', async (t) => {
  const nets = await create(t, { folder: STUBS_FOLDER });
  const startedMs = performance.now();
  await nets.faces(inputs, features, 4);
  const wallMs = performance.now() - startedMs;
  const { last, total } = nets.stageMs;
  assert.ok(last.unet > 0 && last.decode > 0 && last.own > 0);
  assert.equal(last.hear + last.encode, 0);
  assert.ok(last.unet + last.decode + last.own <= wallMs);
  assert.ok(total.encode > 0 && total.unet === last.unet);
});

test('a crop of another size is refused', async (t) => {
  const nets = await create(t, { folder: STUBS_FOLDER });
  const small: RgbImage = { widthPx: 96, heightPx: 96, data: new Uint8Array(96 * 96 * 3) };
  await assert.rejects(nets.prepare([small]), { code: 'invalid-argument', message: /96x96.*256x256/ });
});

async function create(
  t: TestContext,
  options: Omit<MuseTalkNetsOptions, 'log'> & Partial<Pick<MuseTalkNetsOptions, 'log'>>,
): Promise<MuseTalkNets> {
  const nets = await MuseTalkNets.create({ log: silentLog, ...options });
  t.after(() => nets.close());
  return nets;
}

/** Loads real graphs and lets a test look at, or spoil, what goes in and out. */
function spying(
  onRun: (file: string, feeds: Readonly<Record<string, GraphTensor>>) => void,
  onResult: (file: string, results: Record<string, GraphTensor>) => void = () => undefined,
): (file: string) => Promise<GraphRunner> {
  return async (file) => {
    const graph = await OnnxGraph.load(file);
    return {
      inputs: graph.inputs,
      outputs: graph.outputs,
      run: async (feeds, into) => {
        onRun(path.basename(file), feeds);
        const results = await graph.run(feeds, into);
        onResult(path.basename(file), results);
        return results;
      },
      close: () => graph.close(),
    };
  };
}

function assertGolden(faces: Uint8Array): void {
  for (const [key, bgr] of Object.entries(goldens.recon_bgr_px)) {
    const [b, y, x] = key.split(',').map(Number) as [number, number, number];
    const at = b * 196608 + (y * 256 + x) * 3;
    assert.deepEqual([...faces.subarray(at, at + 3)].reverse(), bgr, key);
  }
  goldens.recon_sum.forEach((sum, b) =>
    assert.equal(sumOf(faces.subarray(b * 196608, (b + 1) * 196608)), sum),
  );
}

/** The windows of the given pictures at 25 a second, with the positional encoding of the MuseTalk reference. */
function windows(rows: Float32Array, frames: readonly number[]): Float32Array {
  const out = new Float32Array(frames.length * 19200);
  frames.forEach((frame, b) => {
    for (let t = 0; t < 10; t++) {
      const row = 2 * frame - 4 + t;
      if (row >= 0 && row < 125) out.set(rows.subarray(row * 1920, (row + 1) * 1920), b * 19200 + t * 1920);
    }
    for (let p = 0; p < 50; p++) {
      for (let j = 0; j < 384; j += 2) {
        const angle = p * Math.exp(j * (-Math.log(10000) / 384));
        const at = b * 19200 + p * 384 + j;
        out[at]! += Math.fround(Math.sin(angle));
        out[at + 1]! += Math.fround(Math.cos(angle));
      }
    }
  });
  return out;
}

function bgrToRgb(bgr: Uint8Array): RgbImage {
  return { widthPx: 256, heightPx: 256, data: bgr.map((_, i) => bgr[i + 2 - 2 * (i % 3)]!) };
}

function lcgBytes(seed: number, length: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

function repeat(values: Float32Array, times: number): Float32Array {
  const out = new Float32Array(values.length * times);
  for (let i = 0; i < times; i++) out.set(values, i * values.length);
  return out;
}

function differences(a: Uint8Array, b: Uint8Array): number[] {
  return Array.from(a, (value, i) => Math.abs(value - b[i]!));
}

function sumOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, value) => sum + value, 0);
}

function near(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected} within ${tolerance}`);
}

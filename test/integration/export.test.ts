/**
 * The exporter's graphs against PyTorch: models/export/tiny.py makes the true topologies with few channels and random
 * weights, exports them and leaves what the Python libraries compute; here the graphs run as the engine runs them.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { OnnxModel } from '../../src/adapters/onnx.js';
import type { FloatTensor } from '../../src/adapters/onnx.js';

const EXPORT = path.resolve('models/export');
const PYTHON = process.env['MUSECAST_EXPORT_PYTHON'] ?? path.join(EXPORT, '.venv/bin/python');
const skip = existsSync(PYTHON)
  ? false
  : `no Python with the exporter's requirements at ${PYTHON}; run models/export/make_venv.sh (about 1 GB)`;

type Goldens = Record<string, { file: string; shape: number[] }>;
interface ExportRecord {
  format: string;
  files: Record<string, { inputs: string[]; outputs: string[]; sha256: Record<string, string> }>;
}

let folder = '';
let goldens: Goldens;
let report = '';

describe('exported graphs against PyTorch', { skip }, () => {
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'musecast-export-'));
    const run = await promisify(execFile)(PYTHON, [path.join(EXPORT, 'tiny.py'), folder], {
      timeout: 300_000,
    });
    report = run.stdout;
    goldens = JSON.parse(await readFile(path.join(folder, 'goldens.json'), 'utf8')) as Goldens;
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** The first `count` of the three items. */
  async function golden(name: string, count: number): Promise<FloatTensor> {
    const { file, shape } = goldens[name]!;
    const bytes = await readFile(path.join(folder, file));
    const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const dims = [count, ...shape.slice(1)];
    return {
      data: all.slice(
        0,
        dims.reduce((a, b) => a * b),
      ),
      dims,
    };
  }

  /** One run of a graph, its inputs and its output named by their goldens. */
  async function answer(
    model: OnnxModel,
    feeds: Readonly<Record<string, string>>,
    output: string,
    count: number,
  ): Promise<FloatTensor> {
    const tensors: Record<string, FloatTensor> = {};
    for (const [input, name] of Object.entries(feeds)) tensors[input] = await golden(name, count);
    const result = (await model.run(tensors))[output];
    assert.ok(result, `the graph has no output ${output}, only ${model.outputNames.join(', ')}`);
    return result;
  }

  /** Runs `use` for one item and for three: the batch axis is free. */
  async function withGraph(
    file: string,
    use: (model: OnnxModel, count: number) => Promise<void>,
  ): Promise<void> {
    const model = await OnnxModel.load(path.join(folder, 'onnx', file));
    try {
      for (const count of [1, 3]) await use(model, count);
    } finally {
      await model.close();
    }
  }

  function errors(
    found: Float32Array,
    expected: Float32Array,
  ): { max: number; mean: number; largest: number } {
    assert.equal(found.length, expected.length);
    let [max, sum, largest] = [0, 0, 0];
    for (let i = 0; i < found.length; i++) {
      const error = Math.abs(found[i]! - expected[i]!);
      // A comparison with NaN is false, so it has to be asked for.
      if (!(error <= max)) max = error;
      sum += error;
      largest = Math.max(largest, Math.abs(expected[i]!));
    }
    return { max, mean: sum / found.length, largest };
  }

  test('mel to the five states', async () => {
    await withGraph('whisper_encoder.onnx', async (model, count) => {
      const states = await answer(model, { input_features: 'mel' }, 'audio_features_all_layers', count);
      assert.deepEqual(states.dims, [count, 1500, 5, 384]);
      const expected = await golden('states', count);
      const rows = 150 * 5 * 384;
      for (let item = 0; item < count; item++) {
        const start = item * 1500 * 5 * 384;
        const { max, largest } = errors(
          states.data.subarray(start, start + rows),
          expected.data.subarray(item * rows, (item + 1) * rows),
        );
        assert.ok(max <= 1e-3 * largest, `item ${item}: error ${max}, largest ${largest}`);
      }
    });
  });

  test('picture to scaled mean latents', async () => {
    await withGraph('vae_encoder.onnx', async (model, count) => {
      const latents = await answer(model, { image: 'image' }, 'latents', count);
      assert.deepEqual(latents.dims, [count, 4, 32, 32]);
      const { max } = errors(latents.data, (await golden('latents', count)).data);
      assert.ok(max <= 1e-4, `error ${max}`);
    });
  });

  const unetFeeds = { input_latents: 'unetLatents', audio_prompts: 'unetAudio' };

  test('latents and audio through the UNet at time 0', async () => {
    await withGraph('unet.onnx', async (model, count) => {
      assert.deepEqual([...model.inputNames].sort(), ['audio_prompts', 'input_latents']);
      const predicted = await answer(model, unetFeeds, 'noise_prediction', count);
      assert.deepEqual(predicted.dims, [count, 4, 32, 32]);
      const { max } = errors(predicted.data, (await golden('unetAnswer', count)).data);
      assert.ok(max <= 1e-3, `error ${max}`);
    });
  });

  test('latents to pictures', async () => {
    const levels = await readFile(path.join(folder, goldens['pictures']!.file));
    await withGraph('vae_decoder.onnx', async (model, count) => {
      const image = await answer(model, { latents: 'unetAnswer' }, 'image', count);
      assert.deepEqual(image.dims, [count, 3, 256, 256]);
      const { max } = errors(image.data, (await golden('decoded', count)).data);
      assert.ok(max <= 4 / 255, `error ${max} of a range of 2`);
      const worst = worstLevel(image.data, levels, count);
      assert.ok(worst <= 2, `${worst} of 255 levels`);
    });
    await withGraph('vae_decoder_tiny.onnx', async (model, count) => {
      const image = await answer(model, { latents: 'unetAnswer' }, 'image', count);
      const { max } = errors(image.data, (await golden('decodedTiny', count)).data);
      assert.ok(max <= 4 / 255, `error ${max} of a range of 2`);
    });
  });

  test('half precision takes and gives single', async () => {
    const cases = [
      ['vae_encoder_fp16.onnx', { image: 'image' }, 'latents', 'latents'],
      ['vae_decoder_fp16.onnx', { latents: 'unetAnswer' }, 'image', 'decoded'],
      ['vae_decoder_tiny_fp16.onnx', { latents: 'unetAnswer' }, 'image', 'decodedTiny'],
      ['unet_fp16.onnx', unetFeeds, 'noise_prediction', 'unetAnswer'],
    ] as const;
    for (const [file, feeds, output, expected] of cases) {
      await withGraph(file, async (model, count) => {
        const found = await answer(model, feeds, output, count);
        const { mean } = errors(found.data, (await golden(expected, count)).data);
        // Half a level of 255; a picture spans 2, and the other outputs have about its size.
        assert.ok(mean <= 1 / 255, `${file}: mean error ${mean}`);
      });
    }
  });

  test('says what it wrote and checked', async () => {
    const text = await readFile(path.join(folder, 'onnx', 'onnx_config.json'), 'utf8');
    const record = JSON.parse(text) as ExportRecord;
    assert.equal(record.format, 'musecast-musetalk-onnx-1');
    const files = Object.keys(record.files);
    for (const file of ['unet.onnx', 'unet_fp16.onnx', 'vae_encoder.onnx', 'whisper_encoder.onnx']) {
      assert.ok(files.includes(file), `${file} is not in ${files.join(', ')}`);
      assert.match(record.files[file]!.sha256[file]!, /^[0-9a-f]{64}$/);
      assert.ok(report.includes(file));
    }
    assert.ok(!report.includes('TOO FAR'), report);
  });

  async function refusal(weights: string): Promise<string> {
    const args = ['--s3fd', weights, '--out', path.join(folder, 'refused')];
    try {
      await promisify(execFile)(PYTHON, [path.join(EXPORT, 'export.py'), ...args], { timeout: 60_000 });
    } catch (error) {
      const { code, stderr } = error as { code: number; stderr: string };
      assert.equal(code, 1);
      return stderr;
    }
    assert.fail(`${weights} was taken`);
  }

  test('refuses weights of another network in one sentence', async () => {
    const words = await refusal(path.join(folder, 'weights/taesd/diffusion_pytorch_model.bin'));
    assert.match(words, /^export: .*does not fit the face detector S3FD: missing keys: \d+ \(first: .*\n$/);
  });

  test('never runs code that hides in a checkpoint', async () => {
    const [weights, trace] = [path.join(folder, 'evil.pth'), path.join(folder, 'trace')];
    // A pickle that calls os.system when it is loaded the usual way.
    await writeFile(weights, `cos\nsystem\n(S'touch ${trace}'\ntR.`);
    const words = await refusal(weights);
    assert.match(words, /^export: .*evil\.pth is not a checkpoint of plain tensors .*\n$/);
    assert.equal(existsSync(trace), false);
  });
});

/** Float image -1..1, planar, against packed bytes: the largest difference in levels. */
function worstLevel(image: Float32Array, levels: Uint8Array, count: number): number {
  const pixels = 256 * 256;
  let worst = 0;
  for (let item = 0; item < count; item++) {
    for (let i = 0; i < 3 * pixels; i++) {
      const value = image[item * 3 * pixels + i]!;
      const level = Math.round(Math.min(1, Math.max(0, value / 2 + 0.5)) * 255);
      const at = item * 3 * pixels + (i % pixels) * 3 + Math.floor(i / pixels);
      worst = Math.max(worst, Math.abs(level - levels[at]!));
    }
  }
  return worst;
}

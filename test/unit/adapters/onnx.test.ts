import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { GraphRunner } from '../../../src/adapters/graph-runner.js';
import { explainLoadFailure, isOutOfMemory } from '../../../src/adapters/onnx-failure.js';
import { OnnxGraph } from '../../../src/adapters/onnx.js';
import { temporaryFolder } from '../../helpers/media.js';
import { STUBS_FOLDER } from '../../helpers/musetalk-stubs.js';
import { onnxGraph, tensorBytes } from '../../helpers/onnx-graph.js';

const UNET = path.join(STUBS_FOLDER, 'unet_with_timesteps.onnx');

test('a graph declares names, types and dimensions, dynamic ones by name', async (t) => {
  const graph = closing(t, await OnnxGraph.load(UNET));
  assert.deepEqual(graph.inputs, [
    { name: 'input_latents', type: 'float32', dims: ['batch', 8, 32, 32] },
    { name: 'timesteps', type: 'int64', dims: ['tb'] },
    { name: 'audio_prompts', type: 'float32', dims: ['batch', 50, 384] },
  ]);
  assert.deepEqual(graph.outputs, [
    { name: 'noise_prediction', type: 'float32', dims: ['batch', 4, 32, 32] },
  ]);
});

test('int64, int32 and float16 go in and come out', async (t) => {
  const file = path.join(await temporaryFolder(t), 'types.onnx');
  const types = ['int64', 'int32', 'float16'] as const;
  await writeFile(
    file,
    onnxGraph({
      inputs: types.map((type) => ({ name: `in_${type}`, type, dims: ['n'] })),
      outputs: types.map((type) => ({ name: `out_${type}`, type, dims: ['n'] })),
      nodes: types.map((type) => ({
        type: 'Add',
        inputs: [`in_${type}`, `one_${type}`],
        outputs: [`out_${type}`],
      })),
      initializers: types.map((type) => ({ name: `one_${type}`, type, dims: [1], data: [1] })),
    }),
  );
  const graph = closing(t, await OnnxGraph.load(file));
  const results = await graph.run({
    in_int64: { type: 'int64', data: BigInt64Array.of(5n, -9007199254740993n), dims: [2] },
    in_int32: { type: 'int32', data: Int32Array.of(-1, 7), dims: [2] },
    in_float16: { type: 'float16', data: Uint16Array.of(0x3c00, 0xc000), dims: [2] },
  });
  assert.deepEqual(results.out_int64, {
    type: 'int64',
    data: BigInt64Array.of(6n, -9007199254740992n),
    dims: [2],
  });
  assert.deepEqual(results.out_int32!.data, Int32Array.of(0, 8));
  assert.deepEqual(results.out_float16!.data, Uint16Array.of(0x4000, 0xbc00));
});

test('outputs are written to the memory given for them, also in the middle of an array', async (t) => {
  const graph = closing(t, await OnnxGraph.load(path.join(STUBS_FOLDER, 'vae_encoder.onnx')));
  const image = {
    type: 'float32' as const,
    data: new Float32Array(3 * 65536).fill(0.5),
    dims: [1, 3, 256, 256],
  };
  const { latents: fresh } = await graph.run({ image });
  const memory = new Float32Array(3 * 4096).fill(7);
  const target = { type: 'float32' as const, data: memory.subarray(4096, 8192), dims: [1, 4, 32, 32] };
  const { latents } = await graph.run({ image }, { latents: target });
  assert.equal(latents, target);
  assert.deepEqual(memory.subarray(4096, 8192), fresh!.data);
  assert.ok(memory.subarray(0, 4096).every((value) => value === 7));
  assert.ok(memory.subarray(8192).every((value) => value === 7));
});

test('weights in a data file beside the graph; without it, or cut off', async (t) => {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'unet.onnx');
  await writeFile(
    file,
    onnxGraph({
      inputs: [{ name: 'x', dims: ['n', 4] }],
      outputs: [{ name: 'y', dims: ['n', 4] }],
      nodes: [{ type: 'Mul', inputs: ['x', 'w'], outputs: ['y'] }],
      initializers: [
        { name: 'w', dims: [4], external: { location: 'unet.onnx.data', offset: 8, length: 16 } },
      ],
    }),
  );
  await assert.rejects(OnnxGraph.load(file), {
    code: 'file-not-found',
    message: /unet\.onnx stand in unet\.onnx\.data, which is not beside it/,
  });
  const data = tensorBytes('float32', [0, 0, 1, 2, 3, 4]);
  await writeFile(`${file}.data`, data.subarray(0, 12));
  await assert.rejects(OnnxGraph.load(file), {
    code: 'model-invalid',
    message: /data file beside .*unet\.onnx is shorter.*download it again/,
  });
  await writeFile(`${file}.data`, data);
  const graph = closing(t, await OnnxGraph.load(file));
  const { y } = await graph.run({ x: { type: 'float32', data: Float32Array.of(1, 1, 1, 2), dims: [1, 4] } });
  assert.deepEqual([...y!.data], [1, 2, 3, 8]);
});

test('each kind of file that is no whole graph is told apart', async (t) => {
  const folder = await temporaryFolder(t);
  const whole = await readFile(UNET);
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    [
      'cut.onnx',
      whole.subarray(0, whole.length >> 1),
      /cut\.onnx is damaged or breaks off after \d+ bytes: download/,
    ],
    ['tail.onnx', whole.subarray(0, -2), /tail\.onnx is damaged or breaks off/],
    ['empty.onnx', new Uint8Array(0), /empty\.onnx is empty: download it again/],
    [
      'lfs.onnx',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'),
      /Git LFS pointer/,
    ],
    ['page.onnx', Buffer.from('\n<!doctype html><title>Sign in</title>'), /is a web page/],
    ['zip.onnx', Buffer.from('PK\x03\x04 data.pkl and more'), /PyTorch checkpoint.*models\/export/],
    ['text.onnx', Buffer.from('hello, this is not a model'), /is not an ONNX file/],
  ];
  for (const [name, bytes, message] of cases) {
    await writeFile(path.join(folder, name), bytes);
    await assert.rejects(OnnxGraph.load(path.join(folder, name)), { code: 'model-invalid', message }, name);
  }
  await assert.rejects(OnnxGraph.load(path.join(folder, 'absent.onnx')), {
    code: 'file-not-found',
    message: /absent\.onnx is not there: download it/,
  });
  await mkdir(path.join(folder, 'folder.onnx'));
  await assert.rejects(OnnxGraph.load(path.join(folder, 'folder.onnx')), { message: /is a folder/ });
});

test('a half-float graph with an operator that the CPU lacks', async (t) => {
  const file = path.join(await temporaryFolder(t), 'unet_fp16.onnx');
  // What the GPU optimiser of ONNX Runtime makes of a diffusion UNet.
  await writeFile(
    file,
    onnxGraph({
      inputs: [{ name: 'x', type: 'float16', dims: ['n', 8, 8, 32] }],
      outputs: [{ name: 'y', type: 'float16', dims: ['n', 8, 8, 32] }],
      nodes: [
        {
          type: 'GroupNorm',
          domain: 'com.microsoft',
          inputs: ['x', 'gamma', 'beta'],
          outputs: ['y'],
          attributes: { groups: 32, activation: 1, epsilon: { float: 1e-5 } },
        },
      ],
      initializers: ['gamma', 'beta'].map((name) => ({ name, dims: [32], data: new Float32Array(32) })),
    }),
  );
  await assert.rejects(OnnxGraph.load(file), {
    code: 'not-supported',
    message: /provider cpu cannot compute .*GroupNorm.* unet_fp16\.onnx.*float16.*fp32 file/,
  });
});

test('CUDA where there is none', async (t) => {
  let graph: OnnxGraph;
  try {
    graph = await OnnxGraph.load(UNET, { provider: { provider: 'cuda', gpuId: 0 } });
  } catch (error) {
    assert.match((error as Error).message, /^CUDA is not available.*npm run models -- cuda.*provider cpu$/);
    assert.equal((error as { code?: string }).code, 'not-supported');
    return;
  }
  await graph.close();
  t.skip('this machine has CUDA');
});

test('what the GPU runtime says, in our words', async () => {
  const explain = (text: string): Promise<Error> =>
    explainLoadFailure('/models/unet.onnx', { provider: 'cuda', gpuId: 3 }, new Error(text));
  assert.match(
    (await explain('CUDA failure 101: invalid device ordinal ; GPU=3')).message,
    /no GPU number 3.*gpu_id/,
  );
  assert.match(
    (await explain('CUDA failure 2: out of memory')).message,
    /not enough GPU memory to load unet\.onnx/,
  );
  assert.match((await explain('something else\nmore')).message, /cannot load .*unet\.onnx: something else$/);
});

test('out of memory is told from other failures', () => {
  for (const text of [
    'Non-zero status code returned while running Conv node. Name:"c" Status Message: CUDA failure 2: out of memory ; GPU=0',
    'bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 4831838208',
    'CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0',
    'std::bad_alloc',
  ]) {
    assert.equal(isOutOfMemory(new Error(text)), true, text);
  }
  for (const text of [
    'CUDA failure 700: an illegal memory access was encountered',
    'CUDA failure 201: invalid',
  ]) {
    assert.equal(isOutOfMemory(new Error(text)), false, text);
  }
});

test('a graph is closed once and not run after', async (t) => {
  const file = path.join(await temporaryFolder(t), 'copy.onnx');
  await copyFile(UNET, file);
  const graph = await OnnxGraph.load(file);
  await Promise.all([graph.close(), graph.close()]);
  await rm(file);
  await assert.rejects(graph.run({}), { code: 'internal' });
});

function closing<T extends GraphRunner>(t: { after(fn: () => unknown): void }, graph: T): T {
  t.after(() => graph.close());
  return graph;
}

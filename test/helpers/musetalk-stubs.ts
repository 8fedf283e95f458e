/** Variants of the stand-in graphs in fixtures/musetalk/stubs: other names, types, batches and faults. */
import { copyFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { onnxGraph, type OnnxInitializerSpec, type OnnxNodeSpec, type OnnxType } from './onnx-graph.js';

export const STUBS_FOLDER = path.resolve(process.cwd(), 'test/fixtures/musetalk/stubs');

const SCALE = 0.18215;
// The stubs' mixing matrix (4 x 3) and its pseudo-inverse (3 x 4).
const ENCODE = [0.5, 0.25, 0.25, 0.25, 0.5, -0.25, -0.25, 0.25, 0.5, 0.25, -0.25, 0.25];
const DECODE = pseudoInverse();

interface VariantOptions {
  /** Of inputs and outputs; the arithmetic inside is float32. */
  readonly type?: OnnxType;
  readonly batch?: number | string;
  readonly input?: string;
  readonly output?: string;
  /** Lets NaN come out. */
  readonly poison?: boolean;
}

/** The stub encoder. `factor` is what it multiplies latents by; moments adds four channels of log variance. */
export function vaeEncoderGraph(
  options: VariantOptions & { readonly factor?: number; readonly moments?: boolean } = {},
): Uint8Array {
  const { moments = false, factor = moments ? 1 : SCALE } = options;
  const weights = [...ENCODE.map((value) => value * factor), ...(moments ? ENCODE.map(() => 0) : [])];
  const channels = moments ? 8 : 4;
  return graphOf(options, {
    input: { name: options.input ?? 'image', dims: [3, 256, 256] },
    output: { name: options.output ?? (moments ? 'moments' : 'latents'), dims: [channels, 32, 32] },
    nodes: [
      {
        type: 'AveragePool',
        inputs: ['x'],
        outputs: ['p'],
        attributes: { kernel_shape: [8, 8], strides: [8, 8] },
      },
      { type: 'Conv', inputs: ['p', 'W', 'B'], outputs: ['y'] },
    ],
    initializers: [
      { name: 'W', dims: [channels, 3, 1, 1], data: weights },
      // Far from 0, so that taking the log variance for latents would show.
      { name: 'B', dims: [channels], data: Array.from({ length: channels }, (_, i) => (i < 4 ? 0 : -20)) },
    ],
  });
}

/** The stub decoder. `factor` is what it multiplies latents by; swapped gives blue first; halved gives 0..1. */
export function vaeDecoderGraph(
  options: VariantOptions & {
    readonly factor?: number;
    readonly swapped?: boolean;
    readonly halved?: boolean;
  } = {},
): Uint8Array {
  const { factor = 1 / SCALE } = options;
  const rows = [0, 1, 2].map((row) => DECODE.slice(4 * row, 4 * row + 4).map((value) => value * factor));
  if (options.swapped) rows.reverse();
  return graphOf(options, {
    input: { name: options.input ?? 'latents', dims: [4, 32, 32] },
    output: { name: options.output ?? 'image', dims: [3, 256, 256] },
    nodes: [
      { type: 'Conv', inputs: ['x', 'W'], outputs: ['p'] },
      {
        type: 'Resize',
        inputs: ['p', '', 'sc'],
        outputs: ['r'],
        attributes: { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
      },
      { type: 'Clip', inputs: ['r', 'lo', 'hi'], outputs: ['c'] },
      { type: 'Mul', inputs: ['c', 'half'], outputs: ['m'] },
      { type: 'Add', inputs: ['m', 'lift'], outputs: ['y'] },
    ],
    initializers: [
      { name: 'W', dims: [3, 4, 1, 1], data: rows.flat() },
      { name: 'sc', dims: [4], data: [1, 1, 8, 8] },
      { name: 'lo', dims: [], data: [-1] },
      { name: 'hi', dims: [], data: [1] },
      { name: 'half', dims: [], data: [options.halved ? 0.5 : 1] },
      { name: 'lift', dims: [], data: [options.halved ? 0.5 : 0] },
    ],
  });
}

/** Like the stub UNet, with the mean of the sound added everywhere. */
export function unetGraph(
  options: VariantOptions & {
    readonly audio?: string;
    readonly timestep?: {
      readonly name: string;
      readonly type: OnnxType;
      readonly dims: readonly (number | string)[];
    };
  } = {},
): Uint8Array {
  const { type = 'float32', batch = 'batch', input = 'input_latents', audio = 'audio_prompts' } = options;
  const mix = new Float32Array(32);
  for (let i = 0; i < 4; i++) {
    mix[8 * i + i] = 0.0625;
    mix[8 * i + 4 + i] = 0.9375;
  }
  const { timestep } = options;
  return onnxGraph({
    inputs: [
      { name: input, type, dims: [batch, 8, 32, 32] },
      ...(timestep ? [timestep] : []),
      { name: audio, type, dims: [batch, 50, 384] },
    ],
    outputs: [{ name: options.output ?? 'noise_prediction', type, dims: [batch, 4, 32, 32] }],
    nodes: [
      cast(input, 'x', 1),
      cast(audio, 'a', 1),
      { type: 'Conv', inputs: ['x', 'W'], outputs: ['c'] },
      { type: 'ReduceMean', inputs: ['a'], outputs: ['m'], attributes: { axes: [1, 2], keepdims: 1 } },
      { type: 'Unsqueeze', inputs: ['m', 'ax'], outputs: ['m4'] },
      { type: 'Add', inputs: ['c', 'm4'], outputs: ['s'] },
      ...(timestep
        ? [
            cast(timestep.name, 't', 1),
            { type: 'ReduceSum', inputs: ['t'], outputs: ['ts'], attributes: { keepdims: 0 } },
          ]
        : [{ type: 'Identity', inputs: ['zero'], outputs: ['ts'] }]),
      { type: 'Add', inputs: ['s', 'ts'], outputs: ['y'] },
      ...poisoned(options),
      cast('z', options.output ?? 'noise_prediction', type === 'float16' ? 10 : 1),
    ],
    initializers: [
      { name: 'W', dims: [4, 8, 1, 1], data: mix },
      { name: 'ax', type: 'int64', dims: [1], data: [1] },
      { name: 'zero', dims: [], data: [0] },
      { name: 'zeroes', dims: [1], data: [0] },
    ],
  });
}

/** A Whisper encoder in another layout: five blocks, or five outputs. The same numbers as the stub. */
export function whisperGraph(layout: 'blocks' | 'outputs' | 'flat', type: OnnxType = 'float32'): Uint8Array {
  const weights = new Float32Array(80 * 384);
  for (let j = 0; j < 384; j++) {
    weights[(j % 80) * 384 + j] = 1;
    weights[((j * 7 + 3) % 80) * 384 + j]! += 0.5;
  }
  const half = type === 'float16' ? 10 : 1;
  const names = [0, 1, 2, 3, 4].map((layer) => `hidden_state_${layer}`);
  const scaled = names.map((_, layer) => `s${layer}`);
  const shared: OnnxNodeSpec[] = [
    cast('input_features', 'x', 1),
    { type: 'AveragePool', inputs: ['x'], outputs: ['a'], attributes: { kernel_shape: [2], strides: [2] } },
    { type: 'Transpose', inputs: ['a'], outputs: ['t'], attributes: { perm: [0, 2, 1] } },
    { type: 'MatMul', inputs: ['t', 'W'], outputs: ['h'] },
    ...scaled.map((name, layer) => ({ type: 'Mul', inputs: ['h', `k${layer}`], outputs: [name] })),
  ];
  const joined: OnnxNodeSpec[] =
    layout === 'outputs'
      ? names.map((name, layer) => cast(scaled[layer]!, name, half))
      : layout === 'flat'
        ? [
            { type: 'Concat', inputs: scaled, outputs: ['y'], attributes: { axis: 2 } },
            cast('y', 'hidden_states', half),
          ]
        : [
            ...scaled.map((name) => ({ type: 'Unsqueeze', inputs: [name, 'ax'], outputs: [`${name}u`] })),
            {
              type: 'Concat',
              inputs: scaled.map((name) => `${name}u`),
              outputs: ['y'],
              attributes: { axis: 0 },
            },
            cast('y', 'hidden_states', half),
          ];
  return onnxGraph({
    inputs: [{ name: 'input_features', type, dims: [1, 80, 3000] }],
    outputs:
      layout === 'outputs'
        ? names.map((name) => ({ name, type, dims: [1, 1500, 384] }))
        : [{ name: 'hidden_states', type, dims: layout === 'flat' ? [1, 1500, 1920] : [5, 1, 1500, 384] }],
    nodes: [...shared, ...joined],
    initializers: [
      { name: 'W', dims: [80, 384], data: weights },
      { name: 'ax', type: 'int64', dims: [1], data: [0] },
      ...scaled.map((_, layer) => ({ name: `k${layer}`, dims: [], data: [(layer + 1) / 4] })),
    ],
  });
}

/** A folder with the whole stub set, some files replaced (bytes) or left out (undefined). */
export async function stubSet(
  folder: string,
  changes: Readonly<Record<string, Uint8Array | undefined>> = {},
): Promise<string> {
  for (const name of ['unet.onnx', 'vae_encoder.onnx', 'vae_decoder.onnx', 'whisper_encoder.onnx']) {
    if (!(name in changes)) await copyFile(path.join(STUBS_FOLDER, name), path.join(folder, name));
  }
  for (const [name, bytes] of Object.entries(changes)) {
    if (bytes) await writeFile(path.join(folder, name), bytes);
  }
  return folder;
}

function graphOf(
  options: VariantOptions,
  body: {
    readonly input: { readonly name: string; readonly dims: readonly number[] };
    readonly output: { readonly name: string; readonly dims: readonly number[] };
    readonly nodes: readonly OnnxNodeSpec[];
    readonly initializers: readonly OnnxInitializerSpec[];
  },
): Uint8Array {
  const { type = 'float32', batch = 'batch' } = options;
  return onnxGraph({
    inputs: [{ name: body.input.name, type, dims: [batch, ...body.input.dims] }],
    outputs: [{ name: body.output.name, type, dims: [batch, ...body.output.dims] }],
    nodes: [
      cast(body.input.name, 'x', 1),
      ...body.nodes,
      ...poisoned(options),
      cast('z', body.output.name, type === 'float16' ? 10 : 1),
    ],
    initializers: [...body.initializers, { name: 'zeroes', dims: [1], data: [0] }],
  });
}

/** From y to z, as it is or over 0 / 0. */
function poisoned(options: VariantOptions): OnnxNodeSpec[] {
  if (!options.poison) return [{ type: 'Identity', inputs: ['y'], outputs: ['z'] }];
  return [
    { type: 'Div', inputs: ['zeroes', 'zeroes'], outputs: ['nan'] },
    { type: 'Add', inputs: ['y', 'nan'], outputs: ['z'] },
  ];
}

function cast(input: string, output: string, to: number): OnnxNodeSpec {
  return { type: 'Cast', inputs: [input], outputs: [output], attributes: { to } };
}

/** (EᵀE)⁻¹Eᵀ; EᵀE is [[7, 2, 0], [2, 7, 0], [0, 0, 7]] / 16. */
function pseudoInverse(): number[] {
  const inverse = [
    [(16 * 7) / 45, (16 * -2) / 45, 0],
    [(16 * -2) / 45, (16 * 7) / 45, 0],
    [0, 0, 16 / 7],
  ];
  return inverse.flatMap((row) =>
    [0, 1, 2, 3].map((column) => row.reduce((sum, value, k) => sum + value * ENCODE[3 * column + k]!, 0)),
  );
}

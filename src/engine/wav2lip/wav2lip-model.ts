/**
 * The network of Wav2Lip as users have it in ONNX: mel [B,1,80,16] and faces [B,6,S,S] in, faces [B,3,S,S] out, 0..1.
 * Exports name their tensors as they like, so these are told by their shapes.
 */
import { basename } from 'node:path';
import {
  describeValue,
  type GraphRunner,
  type GraphTensor,
  type GraphValue,
} from '../../adapters/graph-runner.js';
import { isOutOfMemory } from '../../adapters/onnx-failure.js';
import { OnnxGraph, type OnnxGraphOptions } from '../../adapters/onnx.js';
import { AppError } from '../../errors.js';
import {
  allFinite,
  BatchGraph,
  copyBatch,
  type Batch,
  type BoundGraph,
  type BoundValue,
} from '../faces/batch-graph.js';
import { describeGraph } from '../musetalk/models/model-set.js';
import { MEL_BANDS, MEL_SILENCE, WINDOW_FRAMES } from './wav2lip-mel.js';

/** Sides that Wav2Lip networks exist in; the first is the published one. */
const SIDES_PX = [96, 192, 256, 288, 384];
const MEL_DIMS = [1, MEL_BANDS, WINDOW_FRAMES];
const MEL_NAMES = ['mel', 'mel_spectrogram', 'mels', 'audio', 'audio_sequences', 'indiv_mels', 'source'];
const FACE_NAMES = ['vid', 'video_frames', 'face_sequences', 'faces', 'face', 'img', 'image', 'x', 'target'];
/** A sigmoid gives 0..1; more than rounding beyond it means that the file has another range. */
const RANGE_SLACK = 0.05;

/** A checked network. One `run` at a time. */
export class Wav2LipModel {
  /** Width and height of a face. */
  readonly sidePx: number;
  readonly #graph: BatchGraph;
  readonly #runner: GraphRunner;

  private constructor(graph: BoundGraph, sidePx: number) {
    this.#graph = new BatchGraph(graph);
    this.#runner = graph.runner;
    this.sidePx = sidePx;
  }

  /**
   * Loads and checks, with one trial run.
   * @throws AppError file-not-found, model-invalid, not-supported or no-capacity, in one sentence with what to do
   */
  static async load(path: string, options: OnnxGraphOptions = {}): Promise<Wav2LipModel> {
    return Wav2LipModel.check(path, await OnnxGraph.load(path, options));
  }

  /** The same for a graph that is loaded; it belongs to the model, and is closed if it does not fit. */
  static async check(path: string, runner: GraphRunner): Promise<Wav2LipModel> {
    try {
      const file = basename(path);
      const declared = bind(file, runner);
      const sidePx = await tryOut(file, declared);
      const dims = (channels: number): number[] => [channels, sidePx, sidePx];
      const graph: BoundGraph = {
        file: path,
        runner,
        fixedBatch: declared.fixedBatch,
        inputs: [boundValue(declared.mel, MEL_DIMS), boundValue(declared.face, dims(6))],
        output: boundValue(declared.output, dims(3)),
        timestep: undefined,
      };
      return new Wav2LipModel(graph, sidePx);
    } catch (error) {
      await runner.close();
      throw error;
    }
  }

  /**
   * @param mels [count, 80, 16], -4..4; only read
   * @param faces [count, 6, S, S], 0..1, the blanked face's channels first; only read
   * @returns [count, 3, S, S] in memory that the next call overwrites
   */
  run(mels: Float32Array, faces: Float32Array, count: number, padTo = count): Promise<Batch> {
    return this.#graph.run([mels, faces], count, padTo);
  }

  close(): Promise<void> {
    return this.#runner.close();
  }
}

/**
 * The side of a network's faces, without trying it out where the file declares the side.
 * @throws AppError as Wav2LipModel.load
 */
export async function wav2LipSidePx(path: string, options: OnnxGraphOptions = {}): Promise<number> {
  const runner = await OnnxGraph.load(path, options);
  try {
    const file = basename(path);
    const declared = bind(file, runner);
    return declared.sidePx ?? (await tryOut(file, declared));
  } finally {
    await runner.close();
  }
}

interface Declared {
  readonly runner: GraphRunner;
  readonly mel: GraphValue;
  readonly face: GraphValue;
  readonly output: GraphValue;
  readonly fixedBatch: number | undefined;
  /** Undefined if the file leaves it open. */
  readonly sidePx: number | undefined;
}

function bind(file: string, runner: GraphRunner): Declared {
  const wrong = (problem: string): AppError =>
    new AppError(
      'model-invalid',
      `${file} is not a Wav2Lip network: ${problem}; it declares ${describeGraph(runner)}, so give an export of Wav2Lip's generator`,
    );
  const mel = pick(runner.inputs, MEL_DIMS, MEL_NAMES);
  if (mel === undefined) throw wrong('no input for the sound [batch,1,80,16]');
  const rest = runner.inputs.filter((value) => value !== mel);
  const face = pick(rest, [6, undefined, undefined], FACE_NAMES);
  if (face === undefined) throw wrong('no input for the faces [batch,6,side,side]');
  const extra = rest.find((value) => value !== face);
  if (extra !== undefined) throw wrong(`the input ${extra.name} ${describeValue(extra)} is unknown`);
  const output = pick(runner.outputs, [3, undefined, undefined], []);
  if (output === undefined) throw wrong('no output for the faces [batch,3,side,side]');
  for (const value of [mel, face, output]) {
    if (value.type !== 'float32' && value.type !== 'float16')
      throw wrong(`${value.name} is ${value.type}, neither float32 nor float16`);
  }
  const fixed = (dims: readonly (number | string)[]): number[] => [
    ...new Set(dims.filter((dim) => typeof dim === 'number')),
  ];
  const sides = fixed([...face.dims.slice(2), ...output.dims.slice(2)]);
  if (sides.length > 1) throw wrong(`its faces have the sides ${sides.join(' and ')} instead of one`);
  const [sidePx] = sides;
  if (sidePx !== undefined && (sidePx < 32 || sidePx > 1024 || sidePx % 2 !== 0))
    throw wrong(
      `its faces have ${sidePx} pixels a side, which no Wav2Lip network has (known are ${SIDES_PX.join(', ')})`,
    );
  const batches = fixed([mel.dims[0]!, face.dims[0]!]);
  if (batches.length > 1) throw wrong(`its inputs have different fixed batches (${batches.join(' and ')})`);
  return { runner, mel, face, output, fixedBatch: batches[0], sidePx };
}

/** The value whose declared shape, after the batch, is this one; open sides fit. Names decide where the channels are open. */
function pick(
  values: readonly GraphValue[],
  shape: readonly (number | undefined)[],
  names: readonly string[],
): GraphValue | undefined {
  const fitting = values.filter(
    ({ dims }) =>
      dims.length === 4 &&
      shape.every(
        (side, axis) => side === undefined || typeof dims[axis + 1] !== 'number' || dims[axis + 1] === side,
      ),
  );
  return (
    fitting.find(({ dims }) => dims[1] === shape[0]) ??
    fitting.find(({ name }) => names.includes(name.toLowerCase())) ??
    fitting[0]
  );
}

/** Runs once on a grey face and silence: finds a side that the file leaves open, and checks what comes out. */
async function tryOut(file: string, declared: Declared): Promise<number> {
  let failure: unknown;
  for (const sidePx of declared.sidePx === undefined ? SIDES_PX : [declared.sidePx]) {
    let answer: GraphTensor;
    try {
      answer = await runOnce(declared, sidePx);
    } catch (error) {
      if (isOutOfMemory(error))
        throw new AppError(
          'no-capacity',
          `not even one face of ${file} fits in memory: close other programs`,
          {
            cause: error,
          },
        );
      failure = error;
      continue;
    }
    const size = declared.fixedBatch ?? 1;
    if (answer.dims.join() !== [size, 3, sidePx, sidePx].join()) {
      failure = new Error(`it answered ${sidePx} pixels with the shape [${answer.dims.join(',')}]`);
      continue;
    }
    checkRange(file, answer.data as Batch);
    return sidePx;
  }
  const reason = failure instanceof Error ? failure.message.split('\n', 1)[0] : String(failure);
  throw new AppError(
    'model-invalid',
    `${file} cannot be run as a Wav2Lip network of ${declared.sidePx ?? SIDES_PX.join(', ')} pixels: ${reason}; export it again`,
    { cause: failure },
  );
}

async function runOnce(
  { runner, mel, face, output, fixedBatch }: Declared,
  sidePx: number,
): Promise<GraphTensor> {
  const size = fixedBatch ?? 1;
  const feed = (value: GraphValue, dims: readonly number[], number: number): GraphTensor => {
    const length = dims.reduce((product, side) => product * side, size);
    const { type } = boundValue(value, dims);
    const data = type === 'float16' ? new Uint16Array(length) : new Float32Array(length);
    copyBatch(new Float32Array(length).fill(number), data);
    return { type, data, dims: [size, ...dims] };
  };
  const answers = await runner.run({
    [mel.name]: feed(mel, MEL_DIMS, MEL_SILENCE),
    [face.name]: feed(face, [6, sidePx, sidePx], 0.5),
  });
  return answers[output.name]!;
}

function checkRange(file: string, numbers: Batch): void {
  const values = new Float32Array(numbers.length);
  copyBatch(numbers, values);
  if (!allFinite(values))
    throw new AppError(
      'model-invalid',
      `${file} answers with numbers that are not finite: its half floats overflow, take the fp32 file`,
    );
  const least = values.reduce((a, b) => Math.min(a, b));
  const most = values.reduce((a, b) => Math.max(a, b));
  if (least < -RANGE_SLACK || most > 1 + RANGE_SLACK)
    throw new AppError(
      'model-invalid',
      `${file} gives faces from ${least.toFixed(2)} to ${most.toFixed(2)}, not from 0 to 1 as Wav2Lip does: export it without a scale of its own`,
    );
}

function boundValue(value: GraphValue, dims: readonly number[]): BoundValue {
  return { name: value.name, type: value.type === 'float16' ? 'float16' : 'float32', dims };
}

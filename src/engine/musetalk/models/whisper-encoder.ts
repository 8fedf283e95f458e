import { basename } from 'node:path';
import type { GraphRunner, GraphTensor, GraphValue } from '../../../adapters/graph-runner.js';
import { AppError } from '../../../errors.js';
import { floatsToHalves } from '../../../media/float16.js';
import { copyBatch, allFinite, type Batch } from '../../faces/batch-graph.js';
import { AUDIO_WIDTH, describeGraph } from './model-set.js';

export const MEL_BANDS = 80;
/** Mel frames of the 30 s that one run hears. */
export const MEL_FRAMES = 3000;
/** Rows of 20 ms that one run gives. */
export const HEARD_ROWS = 1500;
/** The input of the first layer and what each of the four layers gives, the last one normalised. */
export const HEARD_LAYERS = 5;
const ROW_VALUES = HEARD_LAYERS * AUDIO_WIDTH;

/**
 * The encoder of Whisper tiny with its hidden states as outputs. Exports lay the five states out differently: as
 * [1, 1500, 5, 384], as five blocks [5, 1, 1500, 384] or [1, 5, 1500, 384], or as five outputs [1, 1500, 384].
 */
export class WhisperEncoder {
  readonly #file: string;
  readonly #runner: GraphRunner;
  readonly #input: GraphValue;
  readonly #states: readonly GraphValue[];
  /** Time inside the network since creation. */
  runMs = 0;

  private constructor(file: string, runner: GraphRunner, input: GraphValue, states: readonly GraphValue[]) {
    this.#file = file;
    this.#runner = runner;
    this.#input = input;
    this.#states = states;
  }

  /** @throws AppError model-invalid, saying what the file declares */
  static bind(file: string, runner: GraphRunner): WhisperEncoder {
    const fits = (value: GraphValue, dims: readonly number[]): boolean =>
      (value.type === 'float32' || value.type === 'float16') &&
      value.dims.length === dims.length &&
      dims.every((want, i) => typeof value.dims[i] === 'string' || value.dims[i] === want);
    const [input, ...others] = runner.inputs;
    const one = runner.outputs.find((value) =>
      [
        [1, HEARD_ROWS, HEARD_LAYERS, AUDIO_WIDTH],
        [HEARD_LAYERS, 1, HEARD_ROWS, AUDIO_WIDTH],
        [1, HEARD_LAYERS, HEARD_ROWS, AUDIO_WIDTH],
        [HEARD_LAYERS, HEARD_ROWS, AUDIO_WIDTH],
        [1, HEARD_ROWS, ROW_VALUES],
      ].some((dims) => fits(value, dims) && !fits(value, [1, HEARD_ROWS, AUDIO_WIDTH])),
    );
    const single = runner.outputs.filter((value) => fits(value, [1, HEARD_ROWS, AUDIO_WIDTH]));
    const states = one ? [one] : single.length === HEARD_LAYERS ? single : undefined;
    if (!input || others.length > 0 || !fits(input, [1, MEL_BANDS, MEL_FRAMES]) || !states) {
      throw new AppError(
        'model-invalid',
        `${basename(file)} is not an encoder of Whisper tiny with its five hidden states ([1,80,3000] -> [1,1500,5,384]); it declares ${describeGraph(runner)}, so give the right file or export it again (models/export)`,
      );
    }
    return new WhisperEncoder(file, runner, input, states);
  }

  get type(): string {
    return this.#input.type;
  }

  get runner(): GraphRunner {
    return this.#runner;
  }

  /**
   * @param mel [80, 3000], band by band
   * @returns the first `rows` rows of 5 x 384, states in the order of the layers, in an array of the caller's own
   */
  async hear(mel: Float32Array, rows: number): Promise<Float32Array> {
    let data: Batch = mel;
    if (this.#input.type === 'float16') floatsToHalves(mel, (data = new Uint16Array(mel.length)));
    const feed: GraphTensor = {
      type: this.#input.type === 'float16' ? 'float16' : 'float32',
      data,
      dims: [1, MEL_BANDS, MEL_FRAMES],
    };
    const startedMs = performance.now();
    const results = await this.#runner.run({ [this.#input.name]: feed });
    this.runMs += performance.now() - startedMs;
    const heard = new Float32Array(rows * ROW_VALUES);
    if (this.#states.length === 1) this.#unpack(results[this.#states[0]!.name]!, heard, rows);
    else {
      this.#states.forEach((state, layer) => {
        const { data: values } = this.#require(results[state.name]!, HEARD_ROWS * AUDIO_WIDTH);
        copyLayer(values, 0, heard, layer, rows);
      });
    }
    if (!allFinite(heard)) {
      throw new AppError(
        'model-invalid',
        `${basename(this.#file)} answers with NaN: use the fp32 file of the Whisper encoder, or download it again`,
      );
    }
    return heard;
  }

  #unpack(result: GraphTensor, heard: Float32Array, rows: number): void {
    const { data, dims } = this.#require(result, HEARD_ROWS * ROW_VALUES);
    const long = dims.filter((dim) => dim !== 1);
    // Rows outermost: the layout that MuseTalk itself has.
    if (long[0] === HEARD_ROWS) copyBatch(data.subarray(0, heard.length), heard);
    else {
      for (let layer = 0; layer < HEARD_LAYERS; layer++) {
        copyLayer(data, layer * HEARD_ROWS * AUDIO_WIDTH, heard, layer, rows);
      }
    }
  }

  #require(result: GraphTensor, length: number): { data: Batch; dims: readonly number[] } {
    const { data, dims } = result;
    const outermost = dims.find((dim) => dim !== 1);
    const known = outermost === HEARD_ROWS || outermost === HEARD_LAYERS;
    if ((data instanceof Float32Array || data instanceof Uint16Array) && data.length === length && known) {
      return { data, dims };
    }
    throw new AppError(
      'model-invalid',
      `${basename(this.#file)} gave hidden states of shape [${dims.join(',')}], expected [1,1500,5,384]: export it again (models/export)`,
    );
  }
}

/** Copies one state's rows of 384, which stand together from `start` on, to their places between the other states. */
function copyLayer(source: Batch, start: number, heard: Float32Array, layer: number, rows: number): void {
  for (let row = 0; row < rows; row++) {
    const from = start + row * AUDIO_WIDTH;
    const to = row * ROW_VALUES + layer * AUDIO_WIDTH;
    copyBatch(source.subarray(from, from + AUDIO_WIDTH), heard.subarray(to, to + AUDIO_WIDTH));
  }
}

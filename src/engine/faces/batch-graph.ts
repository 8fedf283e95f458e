import type { GraphData, GraphRunner, GraphTensor, GraphValue } from '../../adapters/graph-runner.js';
import { floatsToHalves, halvesToFloats } from '../../media/float16.js';

/** A network whose declaration was checked, with its tensors found. */
export interface BoundGraph {
  readonly file: string;
  readonly runner: GraphRunner;
  /** Items a run takes, if the file fixes that; undefined takes any number. */
  readonly fixedBatch: number | undefined;
  /** In the order of the role: latents then audio for the UNet. */
  readonly inputs: readonly BoundValue[];
  readonly output: BoundValue;
  /** An input that is fed with zeros: the diffusion time step, which MuseTalk leaves at 0. */
  readonly timestep: { readonly value: GraphValue; readonly type: GraphTensor['type'] } | undefined;
}

export interface BoundValue {
  readonly name: string;
  readonly type: 'float32' | 'float16';
  /** Of one item, without the batch. */
  readonly dims: readonly number[];
}

/** Numbers of a batch, one item behind the other: floats, or the bit patterns of half floats. */
export type Batch = Float32Array | Uint16Array;

/**
 * Runs a checked network on any number of items: converts between float32 and float16, loops where the file fixes the
 * batch, fills a part batch up, and keeps its memory from run to run. One call at a time.
 */
export class BatchGraph {
  readonly graph: BoundGraph;
  /** Time inside the network since creation. */
  runMs = 0;
  readonly #inputValues: readonly number[];
  readonly #outputValues: number;
  readonly #staging: Batch[] = [];
  #output: Batch = new Float32Array(0);

  constructor(graph: BoundGraph) {
    this.graph = graph;
    this.#inputValues = graph.inputs.map((input) => countOf(input.dims));
    this.#outputValues = countOf(graph.output.dims);
  }

  /**
   * @param inputs one batch an input, `count` items each, only read
   * @param padTo items a run has at least, unless the file fixes them; the last item fills the places
   * @returns `count` items in memory that the next call overwrites
   */
  async run(inputs: readonly Batch[], count: number, padTo = count): Promise<Batch> {
    const size = this.graph.fixedBatch ?? Math.max(count, padTo);
    const output = this.#outputOf(Math.ceil(count / size) * size);
    for (let first = 0; first < count; first += size) {
      const here = Math.min(size, count - first);
      const feeds: Record<string, GraphTensor> = {};
      this.graph.inputs.forEach((bound, i) => {
        const data = this.#feed(i, bound, inputs[i]!, first, here, size);
        feeds[bound.name] = { type: bound.type, data, dims: [size, ...bound.dims] };
      });
      if (this.graph.timestep) feeds[this.graph.timestep.value.name] = zeros(this.graph.timestep, size);
      const { name, type, dims } = this.graph.output;
      const data = output.subarray(first * this.#outputValues, (first + size) * this.#outputValues);
      const startedMs = performance.now();
      try {
        await this.graph.runner.run(feeds, { [name]: { type, data, dims: [size, ...dims] } });
      } finally {
        this.runMs += performance.now() - startedMs;
      }
    }
    return output.subarray(0, count * this.#outputValues);
  }

  /** The caller's own memory where type and size fit as they are; a copy otherwise. */
  #feed(i: number, bound: BoundValue, input: Batch, first: number, here: number, size: number): Batch {
    const values = this.#inputValues[i]!;
    const part = input.subarray(first * values, (first + here) * values);
    const half = bound.type === 'float16';
    if (here === size && part instanceof Uint16Array === half) return part;
    let staging = this.#staging[i];
    if (!staging || staging.length < size * values) {
      staging = half ? new Uint16Array(size * values) : new Float32Array(size * values);
      this.#staging[i] = staging;
    }
    copyBatch(part, staging);
    for (let at = here; at < size; at++) staging.copyWithin(at * values, (here - 1) * values, here * values);
    return staging.subarray(0, size * values);
  }

  #outputOf(items: number): Batch {
    const length = items * this.#outputValues;
    if (this.#output.length < length) {
      this.#output =
        this.graph.output.type === 'float16' ? new Uint16Array(length) : new Float32Array(length);
    }
    return this.#output;
  }
}

/** Copies numbers, converting between floats and half floats as the arrays' types ask. */
export function copyBatch(source: Batch, target: Batch): void {
  if (source instanceof Float32Array) {
    if (target instanceof Float32Array) target.set(source);
    else floatsToHalves(source, target);
  } else if (target instanceof Uint16Array) target.set(source);
  else halvesToFloats(source, target);
}

/** Whether every number is finite. */
export function allFinite(batch: Batch): boolean {
  if (batch instanceof Uint16Array) return batch.every((bits) => (bits & 0x7c00) !== 0x7c00);
  let sum = 0;
  // 0 times infinity and 0 times NaN are NaN, and NaN stays.
  for (let i = 0; i < batch.length; i++) sum += batch[i]! * 0;
  return sum === 0;
}

function zeros(timestep: NonNullable<BoundGraph['timestep']>, size: number): GraphTensor {
  const dims = timestep.value.dims.map((dim) => (typeof dim === 'number' ? dim : size));
  const length = countOf(dims);
  const data: Record<GraphTensor['type'], () => GraphData> = {
    float32: () => new Float32Array(length),
    float16: () => new Uint16Array(length),
    int64: () => new BigInt64Array(length),
    int32: () => new Int32Array(length),
  };
  return { type: timestep.type, data: data[timestep.type](), dims };
}

function countOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

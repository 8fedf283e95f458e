import { InferenceSession, Tensor } from 'onnxruntime-node';
import { AppError } from '../errors.js';
import type { GraphRunner, GraphTensor, GraphValue } from './graph-runner.js';
import { explainLoadFailure, requireModelFile, type OnnxProvider } from './onnx-failure.js';

/** A dense float32 array with its shape, row-major. */
export interface FloatTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

export interface OnnxModelOptions {
  /** Threads inside one run; one by default, so that many models share the machine without a fight. */
  threads?: number;
}

/** One ONNX graph with float32 inputs and outputs, on the CPU. */
export class OnnxModel {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #session: InferenceSession;
  #closing: Promise<void> | undefined;

  private constructor(session: InferenceSession) {
    this.#session = session;
    this.inputNames = session.inputNames;
    this.outputNames = session.outputNames;
  }

  /** Fails with `model-invalid` if the file is absent or is not a graph that the runtime accepts. */
  static async load(path: string, options: OnnxModelOptions = {}): Promise<OnnxModel> {
    try {
      const session = await InferenceSession.create(path, {
        executionProviders: ['cpu'],
        intraOpNumThreads: options.threads ?? 1,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        logSeverityLevel: 3,
      });
      return new OnnxModel(session);
    } catch (error) {
      throw new AppError('model-invalid', `cannot load the model ${path}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /** The feeds are only read while the call runs; the returned arrays belong to the caller. */
  async run(feeds: Record<string, FloatTensor>): Promise<Record<string, FloatTensor>> {
    if (this.#closing) throw new AppError('internal', 'run was called on a closed model');
    const inputs: Record<string, Tensor> = {};
    for (const [name, tensor] of Object.entries(feeds)) {
      inputs[name] = new Tensor('float32', tensor.data, tensor.dims);
    }
    const results = await this.#session.run(inputs);
    const outputs: Record<string, FloatTensor> = {};
    for (const [name, tensor] of Object.entries(results)) {
      if (!(tensor.data instanceof Float32Array)) {
        throw new AppError('model-invalid', `output ${name} is ${tensor.type}, expected float32`);
      }
      outputs[name] = { data: tensor.data, dims: tensor.dims };
    }
    return outputs;
  }

  close(): Promise<void> {
    this.#closing ??= this.#session.release();
    return this.#closing;
  }
}

export interface OnnxGraphOptions {
  /** The CPU if left out. What a GPU cannot compute of a graph falls back to the CPU. */
  readonly provider?: OnnxProvider;
  /** CPU threads inside one run; 0 is one a core. One by default. */
  readonly threads?: number;
}

/** One ONNX graph of any of the types in graph-runner.ts, on the CPU or a GPU, with its declaration open to checks. */
export class OnnxGraph implements GraphRunner {
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
  readonly #session: InferenceSession;
  #closing: Promise<void> | undefined;

  private constructor(session: InferenceSession) {
    this.#session = session;
    this.inputs = session.inputMetadata.map(valueOf);
    this.outputs = session.outputMetadata.map(valueOf);
  }

  /**
   * Loads by path, so that weights in a data file beside the graph are found.
   * @throws AppError file-not-found for an absent file or data file; model-invalid for one that is cut off or no ONNX;
   *   not-supported where the provider is absent or lacks an operator; no-capacity when memory runs out
   */
  static async load(path: string, options: OnnxGraphOptions = {}): Promise<OnnxGraph> {
    await requireModelFile(path);
    const provider = options.provider ?? { provider: 'cpu' };
    try {
      const session = await InferenceSession.create(path, {
        executionProviders:
          provider.provider === 'cuda' ? [{ name: 'cuda', deviceId: provider.gpuId ?? 0 }, 'cpu'] : ['cpu'],
        intraOpNumThreads: options.threads ?? 1,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        // Threads that spin while they wait would take the encoders' and the clock's cores.
        extra: { session: { intra_op: { allow_spinning: '0' } } },
        // Failures come back as errors; what the runtime prints beside them helps nobody.
        logSeverityLevel: 4,
      });
      return new OnnxGraph(session);
    } catch (error) {
      throw await explainLoadFailure(path, provider, error);
    }
  }

  /** Errors of the runtime pass through as they are. */
  async run(
    feeds: Readonly<Record<string, GraphTensor>>,
    into?: Readonly<Record<string, GraphTensor>>,
  ): Promise<Record<string, GraphTensor>> {
    if (this.#closing) throw new AppError('internal', 'run was called on a closed model');
    const inputs = mapValues(feeds, toTensor);
    const results = into
      ? await this.#session.run(inputs, mapValues(into, toTensor))
      : await this.#session.run(inputs);
    // The runtime wrote to the caller's memory, but hands out tensors of its own making.
    return mapValues(results, (result, name) => into?.[name] ?? fromTensor(result, name));
  }

  close(): Promise<void> {
    this.#closing ??= this.#session.release();
    return this.#closing;
  }
}

function toTensor(tensor: GraphTensor): Tensor {
  return new Tensor(tensor.type, tensor.data as Float32Array, tensor.dims);
}

function fromTensor(tensor: Tensor, name: string): GraphTensor {
  const { type, dims, data } = tensor;
  if (type === 'float32') return { type, dims, data: data as Float32Array };
  if (type === 'int64') return { type, dims, data: data as BigInt64Array };
  if (type === 'int32') return { type, dims, data: data as Int32Array };
  if (type === 'float16') {
    // A Float16Array where the language has one.
    const view = data as Uint16Array;
    return { type, dims, data: new Uint16Array(view.buffer, view.byteOffset, view.length) };
  }
  throw new AppError('model-invalid', `output ${name} is ${type}, expected float32, float16, int64 or int32`);
}

function valueOf(value: InferenceSession.ValueMetadata): GraphValue {
  return value.isTensor
    ? { name: value.name, type: value.type, dims: value.shape }
    : { name: value.name, type: 'no tensor', dims: [] };
}

function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  map: (value: A, key: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

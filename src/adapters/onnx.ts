import { InferenceSession, Tensor } from 'onnxruntime-node';
import { AppError } from '../errors.js';

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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What the engines know of a network that runs: named tensors in and out. Implemented by `OnnxGraph`, faked in tests. */

export type GraphType = 'float32' | 'float16' | 'int64' | 'int32';

/** An input or output as the file declares it. */
export interface GraphValue {
  readonly name: string;
  /** A GraphType, or another ONNX type's name, which `run` refuses. */
  readonly type: string;
  /** A text is a dynamic dimension (its name, maybe empty). */
  readonly dims: readonly (number | string)[];
}

/** A dense array, row-major. Half floats are bit patterns in a Uint16Array (media/float16.ts). */
export interface GraphTensor {
  readonly type: GraphType;
  readonly data: GraphData;
  readonly dims: readonly number[];
}

export type GraphData = Float32Array | Uint16Array | BigInt64Array | Int32Array;

export interface GraphRunner {
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
  /**
   * The feeds are only read while the call runs. Without `into` every output is computed, new, and the caller's own.
   * With it only the outputs named there are, and written to those tensors' memory, whose shape must be the computed
   * one.
   */
  run(
    feeds: Readonly<Record<string, GraphTensor>>,
    into?: Readonly<Record<string, GraphTensor>>,
  ): Promise<Record<string, GraphTensor>>;
  close(): Promise<void>;
}

/** `float32 [batch,4,32,32]`, for messages. */
export function describeValue(value: GraphValue): string {
  return `${value.type} [${value.dims.map((dim) => (dim === '' ? '?' : dim)).join(',')}]`;
}

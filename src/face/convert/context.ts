import { AppError } from '../../errors.js';
import type { OnnxGraphBuilder } from './onnx-writer.js';
import { floatsOf } from './tflite-reader.js';
import type { TfliteGraph, TfliteOperator, TfliteTensor } from './tflite-reader.js';

const DEQUANTIZE = 6;

/** What the operator handlers see: the source graph, the ONNX graph being made and the names of its values. */
export class ConvertContext {
  readonly graph: OnnxGraphBuilder;
  readonly #source: TfliteGraph;
  readonly #names = new Map<number, string>();
  /** Where a tensor's constant data lies: itself, or the 16-bit constant that a DEQUANTIZE widens into it. */
  readonly #constantOrigin = new Map<number, number>();

  constructor(source: TfliteGraph, graph: OnnxGraphBuilder) {
    this.#source = source;
    this.graph = graph;
    source.tensors.forEach((tensor, index) => {
      if (tensor.bytes && tensor.bytes.length > 0) this.#constantOrigin.set(index, index);
    });
    for (const operator of source.operators) {
      const [from = -1] = operator.inputs;
      const [to = -1] = operator.outputs;
      if (operator.code === DEQUANTIZE && this.isConstant(from)) this.#constantOrigin.set(to, from);
    }
  }

  tensor(index: number | undefined): TfliteTensor {
    const tensor = index === undefined ? undefined : this.#source.tensors[index];
    if (!tensor)
      throw new AppError('model-invalid', `the model refers to tensor ${index}, which does not exist`);
    return tensor;
  }

  /** The source's shape; pictures are N, height, width, channels. */
  shape(index: number | undefined): readonly number[] {
    return this.tensor(index).shape;
  }

  /** The shape on the ONNX side: pictures become N, channels, height, width. */
  onnxDims(shape: readonly number[]): number[] {
    const [batch = 1, height = 1, width = 1, channels = 1] = shape;
    return shape.length === 4 ? [batch, channels, height, width] : [...shape];
  }

  isConstant(index: number | undefined): boolean {
    return index !== undefined && this.#constantOrigin.has(index);
  }

  constant(index: number | undefined): { data: Float32Array; shape: readonly number[] } {
    const origin = index === undefined ? undefined : this.#constantOrigin.get(index);
    return { data: floatsOf(this.tensor(origin ?? index)), shape: this.shape(index) };
  }

  name(index: number, name: string): void {
    this.#names.set(index, name);
  }

  /** The ONNX name of an operator's input that is computed. */
  input(operator: TfliteOperator, position: number): string {
    return this.valueName(operator.inputs[position]);
  }

  valueName(index: number | undefined): string {
    const name = index === undefined ? undefined : this.#names.get(index);
    if (name === undefined) {
      throw new AppError('model-invalid', `tensor ${this.tensor(index).name} is used before it is computed`);
    }
    return name;
  }
}

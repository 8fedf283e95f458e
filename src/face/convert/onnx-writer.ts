/** Writes the subset of ONNX (opset 16) that the converted face models need. Field numbers follow onnx.proto3. */
import { bytesField, floatField, intField, message, textField } from './protobuf-writer.js';

export type OnnxAttribute = number | string | readonly number[] | { readonly float: number };

export interface OnnxValue {
  readonly name: string;
  readonly dims: readonly number[];
}

interface OnnxNode {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

const ONNX_FLOAT = 1;
const ONNX_INT64 = 7;
const IR_VERSION = 8;
const OPSET = 16;

/** Gathers nodes and constants in order; names of intermediate values are made up here. */
export class OnnxGraphBuilder {
  readonly #nodes: OnnxNode[] = [];
  readonly #constants: Uint8Array[] = [];
  #nameCount = 0;

  /** Adds a node with one output and gives the output's name back. Number lists are `ints`, numbers are `int`. */
  node(
    type: string,
    inputs: readonly string[],
    attributes: Record<string, OnnxAttribute> = {},
    output?: string,
  ): string {
    const name = output ?? `v${this.#nameCount++}`;
    this.#nodes.push({ type, inputs, outputs: [name], attributes });
    return name;
  }

  floats(values: Float32Array | readonly number[], dims: readonly number[]): string {
    const bytes = new Uint8Array(values.length * 4);
    const view = new DataView(bytes.buffer);
    values.forEach((value: number, i: number) => view.setFloat32(4 * i, value, true));
    return this.#constant(bytes, dims, ONNX_FLOAT);
  }

  int64s(values: readonly number[]): string {
    const bytes = new Uint8Array(values.length * 8);
    const view = new DataView(bytes.buffer);
    values.forEach((value, i) => view.setBigInt64(8 * i, BigInt(value), true));
    return this.#constant(bytes, [values.length], ONNX_INT64);
  }

  /** The whole .onnx file. */
  build(graphName: string, inputs: readonly OnnxValue[], outputs: readonly OnnxValue[]): Uint8Array {
    const graph = message(
      ...this.#nodes.map((node) => bytesField(1, nodeMessage(node))),
      textField(2, graphName),
      ...this.#constants.map((constant) => bytesField(5, constant)),
      ...inputs.map((value) => bytesField(11, valueMessage(value))),
      ...outputs.map((value) => bytesField(12, valueMessage(value))),
    );
    return message(
      intField(1, IR_VERSION),
      textField(2, 'musecast'),
      bytesField(7, graph),
      bytesField(8, message(textField(1, ''), intField(2, OPSET))),
    );
  }

  #constant(bytes: Uint8Array, dims: readonly number[], dataType: number): string {
    const name = `c${this.#constants.length}`;
    this.#constants.push(
      message(
        ...dims.map((dim) => intField(1, dim)),
        intField(2, dataType),
        textField(8, name),
        bytesField(9, bytes),
      ),
    );
    return name;
  }
}

function nodeMessage(node: OnnxNode): Uint8Array {
  return message(
    ...node.inputs.map((name) => textField(1, name)),
    ...node.outputs.map((name) => textField(2, name)),
    textField(3, node.outputs[0] ?? ''),
    textField(4, node.type),
    ...Object.entries(node.attributes).map(([name, value]) => bytesField(5, attributeMessage(name, value))),
  );
}

function attributeMessage(name: string, value: OnnxAttribute): Uint8Array {
  const nameField = textField(1, name);
  if (typeof value === 'number') return message(nameField, intField(3, value), intField(20, 2));
  if (typeof value === 'string') return message(nameField, textField(4, value), intField(20, 3));
  if ('float' in value) return message(nameField, floatField(2, value.float), intField(20, 1));
  return message(nameField, ...value.map((item) => intField(8, item)), intField(20, 7));
}

function valueMessage(value: OnnxValue): Uint8Array {
  const shape = message(...value.dims.map((dim) => bytesField(1, intField(1, dim))));
  const tensorType = message(intField(1, ONNX_FLOAT), bytesField(2, shape));
  return message(textField(1, value.name), bytesField(2, bytesField(1, tensorType)));
}

/**
 * Writes small ONNX files for tests: any tensor type that the engines meet, named (dynamic) dimensions, nodes with
 * several outputs, constants inside the file or in an external data file. Field numbers follow onnx.proto3.
 */
import {
  bytesField,
  floatField,
  intField,
  message,
  textField,
} from '../../src/face/convert/protobuf-writer.js';
import { floatsToHalves } from '../../src/media/float16.js';

export type OnnxType = 'float32' | 'float16' | 'int64' | 'int32' | 'bool' | 'uint8' | 'float64';

export interface OnnxValueSpec {
  readonly name: string;
  /** float32 if left out. */
  readonly type?: OnnxType;
  /** A text is a dynamic dimension's name. */
  readonly dims: readonly (number | string)[];
}

export type OnnxAttributeSpec =
  number | string | readonly number[] | { readonly float: number } | { readonly floats: readonly number[] };

export interface OnnxNodeSpec {
  readonly type: string;
  /** An empty text leaves an optional input out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Numbers are `int`, texts `string`, lists `ints`; floats say so. */
  readonly attributes?: Readonly<Record<string, OnnxAttributeSpec>>;
  /** Operator set domain; the standard one if left out. */
  readonly domain?: string;
}

export interface OnnxInitializerSpec {
  readonly name: string;
  readonly type?: OnnxType;
  readonly dims: readonly number[];
  /** Values in row-major order; left out with `external`. */
  readonly data?: ArrayLike<number>;
  /** The values stand in another file beside the graph's. */
  readonly external?: { readonly location: string; readonly offset: number; readonly length: number };
}

export interface OnnxGraphSpec {
  readonly name?: string;
  readonly inputs: readonly OnnxValueSpec[];
  readonly outputs: readonly OnnxValueSpec[];
  readonly nodes: readonly OnnxNodeSpec[];
  readonly initializers?: readonly OnnxInitializerSpec[];
  /** 17 if left out. */
  readonly opset?: number;
}

const TYPE_NUMBER: Record<OnnxType, number> = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
};

/** The bytes of the .onnx file. */
export function onnxGraph(spec: OnnxGraphSpec): Uint8Array {
  const graph = message(
    ...spec.nodes.map((node) => bytesField(1, nodeMessage(node))),
    textField(2, spec.name ?? 'test'),
    ...(spec.initializers ?? []).map((initializer) => bytesField(5, tensorMessage(initializer))),
    ...spec.inputs.map((value) => bytesField(11, valueMessage(value))),
    ...spec.outputs.map((value) => bytesField(12, valueMessage(value))),
  );
  const domains = new Set(spec.nodes.map((node) => node.domain ?? ''));
  domains.add('');
  return message(
    intField(1, 8),
    textField(2, 'musecast-test'),
    bytesField(7, graph),
    ...[...domains].map((domain) =>
      bytesField(8, message(textField(1, domain), intField(2, domain === '' ? (spec.opset ?? 17) : 1))),
    ),
  );
}

/** Values as ONNX stores them: little-endian, row-major. */
export function tensorBytes(type: OnnxType, values: ArrayLike<number>): Uint8Array {
  switch (type) {
    case 'float32':
      return bytesOf(Float32Array.from(values));
    case 'float64':
      return bytesOf(Float64Array.from(values));
    case 'int32':
      return bytesOf(Int32Array.from(values));
    case 'int64':
      return bytesOf(BigInt64Array.from(Array.from(values, BigInt)));
    case 'bool':
    case 'uint8':
      return Uint8Array.from(values);
    case 'float16': {
      const halves = new Uint16Array(values.length);
      floatsToHalves(Float32Array.from(values), halves);
      return bytesOf(halves);
    }
  }
}

function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function tensorMessage(spec: OnnxInitializerSpec): Uint8Array {
  const type = spec.type ?? 'float32';
  const head = [
    ...spec.dims.map((dim) => intField(1, dim)),
    intField(2, TYPE_NUMBER[type]),
    textField(8, spec.name),
  ];
  if (!spec.external) return message(...head, bytesField(9, tensorBytes(type, spec.data ?? [])));
  const entries = Object.entries(spec.external).map(([key, value]) =>
    bytesField(13, message(textField(1, key), textField(2, String(value)))),
  );
  return message(...head, ...entries, intField(14, 1));
}

function nodeMessage(node: OnnxNodeSpec): Uint8Array {
  return message(
    ...node.inputs.map((name) => textField(1, name)),
    ...node.outputs.map((name) => textField(2, name)),
    textField(3, node.outputs[0] ?? ''),
    textField(4, node.type),
    ...Object.entries(node.attributes ?? {}).map(([name, value]) =>
      bytesField(5, attributeMessage(name, value)),
    ),
    ...(node.domain === undefined ? [] : [textField(7, node.domain)]),
  );
}

function attributeMessage(name: string, value: OnnxAttributeSpec): Uint8Array {
  const head = textField(1, name);
  if (typeof value === 'number') return message(head, intField(3, value), intField(20, 2));
  if (typeof value === 'string') return message(head, textField(4, value), intField(20, 3));
  if ('float' in value) return message(head, floatField(2, value.float), intField(20, 1));
  if ('floats' in value) {
    return message(head, ...value.floats.map((item) => floatField(7, item)), intField(20, 6));
  }
  return message(head, ...value.map((item) => intField(8, item)), intField(20, 7));
}

function valueMessage(value: OnnxValueSpec): Uint8Array {
  const shape = message(
    ...value.dims.map((dim) => bytesField(1, typeof dim === 'number' ? intField(1, dim) : textField(2, dim))),
  );
  const tensor = message(intField(1, TYPE_NUMBER[value.type ?? 'float32']), bytesField(2, shape));
  return message(textField(1, value.name), bytesField(2, bytesField(1, tensor)));
}

import { ByteBuffer } from 'flatbuffers';
import { toObject } from 'flatbuffers/js/flexbuffers.js';
import { AppError } from '../../errors.js';

/** Element types of the TensorFlow Lite schema that the face models hold. */
export const TFLITE_FLOAT32 = 0;
export const TFLITE_FLOAT16 = 1;
export const TFLITE_INT32 = 2;

export interface TfliteTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  /** Raw little-endian bytes of a constant; undefined for a value that is computed. */
  readonly bytes: Uint8Array | undefined;
}

export interface TfliteOperator {
  /** Builtin operator code; 32 is a custom operator, named by `customName`. */
  readonly code: number;
  readonly customName: string;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options: FlatTable | undefined;
  /** The decoded flexbuffer of a custom operator. */
  readonly customOptions: Record<string, unknown>;
}

export interface TfliteGraph {
  readonly tensors: readonly TfliteTensor[];
  readonly operators: readonly TfliteOperator[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

/** One table of a flatbuffer, read by field number (schema order, from 0). */
export class FlatTable {
  readonly #buffer: ByteBuffer;
  readonly #position: number;

  constructor(buffer: ByteBuffer, position: number) {
    this.#buffer = buffer;
    this.#position = position;
  }

  int8(field: number, fallback = 0): number {
    const offset = this.#offset(field);
    return offset === 0 ? fallback : this.#buffer.readInt8(this.#position + offset);
  }

  int32(field: number, fallback = 0): number {
    const offset = this.#offset(field);
    return offset === 0 ? fallback : this.#buffer.readInt32(this.#position + offset);
  }

  text(field: number): string {
    const offset = this.#offset(field);
    return offset === 0 ? '' : String(this.#buffer.__string(this.#position + offset));
  }

  table(field: number): FlatTable | undefined {
    const offset = this.#offset(field);
    if (offset === 0) return undefined;
    return new FlatTable(this.#buffer, this.#buffer.__indirect(this.#position + offset));
  }

  tables(field: number): FlatTable[] {
    return this.#vector(field, (at) => new FlatTable(this.#buffer, this.#buffer.__indirect(at)));
  }

  int32s(field: number): number[] {
    return this.#vector(field, (at) => this.#buffer.readInt32(at));
  }

  bytes(field: number): Uint8Array | undefined {
    const offset = this.#offset(field);
    if (offset === 0) return undefined;
    const start = this.#buffer.__vector(this.#position + offset);
    return this.#buffer.bytes().subarray(start, start + this.#buffer.__vector_len(this.#position + offset));
  }

  #offset(field: number): number {
    return this.#buffer.__offset(this.#position, 4 + 2 * field);
  }

  #vector<T>(field: number, read: (at: number) => T): T[] {
    const offset = this.#offset(field);
    if (offset === 0) return [];
    const start = this.#buffer.__vector(this.#position + offset);
    const length = this.#buffer.__vector_len(this.#position + offset);
    return Array.from({ length }, (_, i) => read(start + 4 * i));
  }
}

/** Reads the first subgraph of a .tflite file (schema version 3). Field numbers follow tensorflow's schema.fbs. */
export function readTflite(file: Uint8Array): TfliteGraph {
  const buffer = new ByteBuffer(file);
  if (file.length < 8 || !buffer.__has_identifier('TFL3')) {
    throw new AppError('model-invalid', 'not a TensorFlow Lite model: the identifier TFL3 is missing');
  }
  const model = new FlatTable(buffer, buffer.readInt32(0));
  const buffers = model.tables(4).map((table) => table.bytes(0));
  const codes = model.tables(1).map((table) => ({
    code: Math.max(table.int8(0), table.int32(3)),
    customName: table.text(1),
  }));
  const subgraph = model.tables(2)[0];
  if (!subgraph) throw new AppError('model-invalid', 'the TensorFlow Lite model holds no graph');
  return {
    tensors: subgraph.tables(0).map((table) => ({
      name: table.text(3),
      shape: table.int32s(0),
      type: table.int8(1),
      bytes: buffers[table.int32(2)],
    })),
    inputs: subgraph.int32s(1),
    outputs: subgraph.int32s(2),
    operators: subgraph.tables(3).map((table) => {
      const kind = codes[table.int32(0)];
      if (!kind) throw new AppError('model-invalid', `unknown operator index ${table.int32(0)}`);
      return {
        ...kind,
        inputs: table.int32s(1),
        outputs: table.int32s(2),
        options: table.table(4),
        customOptions: flexOptions(table.bytes(5)),
      };
    }),
  };
}

function flexOptions(bytes: Uint8Array | undefined): Record<string, unknown> {
  if (!bytes || bytes.length === 0) return {};
  // The reader addresses from the start of its ArrayBuffer, so the bytes need one of their own.
  const options = toObject(new Uint8Array(bytes).buffer);
  if (typeof options !== 'object' || options === null) {
    throw new AppError('model-invalid', 'the options of a custom operator are not a map');
  }
  return options as Record<string, unknown>;
}

/** The numbers of a constant tensor, 16-bit floats widened to 32 bits. */
export function floatsOf(tensor: TfliteTensor): Float32Array {
  const bytes = constantBytes(tensor);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (tensor.type === TFLITE_FLOAT32) {
    return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  }
  if (tensor.type === TFLITE_FLOAT16) {
    return Float32Array.from({ length: bytes.length / 2 }, (_, i) =>
      halfToFloat(view.getUint16(2 * i, true)),
    );
  }
  throw new AppError('model-invalid', `tensor ${tensor.name} has type ${tensor.type}, expected floats`);
}

export function int32sOf(tensor: TfliteTensor): number[] {
  const bytes = constantBytes(tensor);
  if (tensor.type !== TFLITE_INT32) {
    throw new AppError('model-invalid', `tensor ${tensor.name} has type ${tensor.type}, expected int32`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i, true));
}

function constantBytes(tensor: TfliteTensor): Uint8Array {
  if (!tensor.bytes) throw new AppError('model-invalid', `tensor ${tensor.name} is not a constant`);
  return tensor.bytes;
}

/** IEEE 754 binary16 to number, exact. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

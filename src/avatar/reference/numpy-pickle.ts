/** The few names by which NumPy pickles numbers and arrays; boxes computed from landmarks are such numbers. */
import { AppError } from '../../errors.js';
import type { PickleBuildable, PickleGlobal } from './pickle-reader.js';

/** An array read from a pickle: numbers, flat in the order of the file. */
export class NumpyArray implements PickleBuildable {
  dims: readonly number[] = [];
  values: readonly number[] = [];

  /** State: version, shape, dtype, column-major order, bytes. */
  build(state: unknown): void {
    const [, dims, dtype, columnMajor, bytes] = Array.isArray(state) ? (state as unknown[]) : [];
    this.fill(dims, dtype, columnMajor, bytes);
  }

  fill(dims: unknown, dtype: unknown, columnMajor: unknown, bytes: unknown): void {
    const shape = Array.isArray(dims) ? (dims as number[]) : [];
    const count = shape.reduce((product, side) => product * side, 1);
    if (
      !(dtype instanceof NumpyType) ||
      !(bytes instanceof Uint8Array) ||
      bytes.length !== count * dtype.sizeBytes
    )
      throw new AppError('media-undecodable', 'a NumPy array does not have the bytes of its shape');
    if (columnMajor === true && shape.length > 1)
      throw new AppError('media-undecodable', 'a NumPy array in column-major order is not understood');
    this.dims = shape;
    this.values = dtype.numbers(bytes);
  }
}

/** A NumPy dtype of plain numbers: integers, floats, booleans. */
class NumpyType implements PickleBuildable {
  readonly sizeBytes: number;
  readonly #kind: string;
  #littleEndian = true;

  constructor(code: unknown) {
    const [, kind, size] = /^([iufb])([1248])$/.exec(String(code)) ?? [];
    if (kind === undefined || (kind === 'f' && Number(size) < 4))
      throw new AppError(
        'media-undecodable',
        `the NumPy type ${String(code).slice(0, 20)} is not understood`,
      );
    this.#kind = kind;
    this.sizeBytes = Number(size);
  }

  /** State: version, byte order, and parts that plain numbers do not use. */
  build(state: unknown): void {
    this.#littleEndian = !(Array.isArray(state) && state[1] === '>');
  }

  numbers(bytes: Uint8Array): number[] {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const values: number[] = [];
    for (let at = 0; at < bytes.length; at += this.sizeBytes) values.push(this.#number(view, at));
    return values;
  }

  #number(view: DataView, at: number): number {
    const little = this.#littleEndian;
    switch (`${this.#kind}${this.sizeBytes}`) {
      case 'i1':
        return view.getInt8(at);
      case 'i2':
        return view.getInt16(at, little);
      case 'i4':
        return view.getInt32(at, little);
      case 'i8':
        return Number(view.getBigInt64(at, little));
      case 'u2':
        return view.getUint16(at, little);
      case 'u4':
        return view.getUint32(at, little);
      case 'u8':
        return Number(view.getBigUint64(at, little));
      case 'f4':
        return view.getFloat32(at, little);
      case 'f8':
        return view.getFloat64(at, little);
      default:
        return view.getUint8(at);
    }
  }
}

function scalar([dtype, bytes]: readonly unknown[]): number {
  if (!(dtype instanceof NumpyType) || !(bytes instanceof Uint8Array) || bytes.length !== dtype.sizeBytes)
    throw new AppError('media-undecodable', 'a NumPy number does not have the bytes of its type');
  return dtype.numbers(bytes)[0]!;
}

/** Protocols below 3 have no bytes and write them as Latin-1 text. */
function encode([text, encoding]: readonly unknown[]): Uint8Array {
  if (typeof text !== 'string' || encoding !== 'latin1')
    throw new AppError(
      'media-undecodable',
      `text in the encoding ${String(encoding).slice(0, 20)} is not understood`,
    );
  return Buffer.from(text, 'latin1');
}

/** Protocol 5's way of writing an array: bytes, dtype, shape, order. */
function fromBuffer([bytes, dtype, dims, order]: readonly unknown[]): NumpyArray {
  const array = new NumpyArray();
  array.fill(dims, dtype, order === 'F', bytes);
  return array;
}

// NumPy 2 moved its inner modules from `core` to `_core`.
const CORES = ['numpy.core', 'numpy._core'];

export const NUMPY_GLOBALS: readonly PickleGlobal[] = [
  { name: 'numpy.dtype', call: ([code]) => new NumpyType(code) },
  { name: 'numpy.ndarray' },
  { name: '_codecs.encode', call: encode },
  ...CORES.flatMap((core): PickleGlobal[] => [
    { name: `${core}.multiarray.scalar`, call: scalar },
    { name: `${core}.multiarray._reconstruct`, call: () => new NumpyArray() },
    { name: `${core}.numeric._frombuffer`, call: fromBuffer },
  ]),
];

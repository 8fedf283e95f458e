/**
 * Reads what torch.save wrote: a ZIP of `NAME/data.pkl` (the structure), `NAME/data/KEY` (the numbers of each storage)
 * and `NAME/byteorder`. Layout: torch/serialization.py. Nothing of the file is run.
 */
import { AppError } from '../../errors.js';
import { fromFloat16Bits } from '../../media/float16.js';
import { readPickle, type PickleGlobal } from './pickle-reader.js';
import { ZipReader } from './zip-reader.js';

/** Storages of torch, by the name in the file: how one number is read and how long it is. */
const STORAGES: Record<
  string,
  { sizeBytes: number; read: (view: DataView, at: number, little: boolean) => number }
> = {
  HalfStorage: { sizeBytes: 2, read: (view, at, little) => fromFloat16Bits(view.getUint16(at, little)) },
  BFloat16Storage: { sizeBytes: 2, read: (view, at, little) => bfloat16ToNumber(view.getUint16(at, little)) },
  FloatStorage: { sizeBytes: 4, read: (view, at, little) => view.getFloat32(at, little) },
  DoubleStorage: { sizeBytes: 8, read: (view, at, little) => view.getFloat64(at, little) },
};
/** A tensor larger than this (256 MB of float32) is not a prepared picture. */
const MAX_TENSOR_VALUES = 64 * 1024 * 1024;
const LEGACY_MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex');

/** A tensor of the file; its numbers are read on demand, as they may be many. */
export class TorchTensor {
  readonly dims: readonly number[];
  readonly #read: () => Float32Array;

  constructor(dims: readonly number[], read: () => Float32Array) {
    this.dims = dims;
    this.#read = read;
  }

  /** Row-major, a new array with each call. @throws AppError media-undecodable if the file lacks numbers for it */
  values(): Float32Array {
    return this.#read();
  }
}

/**
 * The value in a file of torch.save: lists and tuples as arrays, dictionaries as Maps, floating-point tensors as
 * TorchTensor; `bytes` has to stay as it is while tensors are read. `fileName` is for the sentences of errors.
 * @throws AppError media-undecodable
 */
export function readTorchFile(bytes: Uint8Array, fileName: string): unknown {
  const starts = (magic: Uint8Array): boolean => Buffer.from(bytes.subarray(0, magic.length)).equals(magic);
  if (starts(LEGACY_MAGIC) || isTar(bytes))
    throw new AppError(
      'not-supported',
      `${fileName} is in torch's format from before version 1.6: load it with torch and torch.save it again`,
    );
  if (!starts(Buffer.from('PK\x03\x04', 'latin1')))
    throw new AppError('media-undecodable', `${fileName} is not a file of torch.save`);
  const archive = new ZipReader(bytes, fileName);
  const pickleName = archive.names.find((name) => /^[^/]+\/data\.pkl$/.test(name));
  const pickle = pickleName === undefined ? undefined : archive.read(pickleName);
  if (pickleName === undefined || pickle === undefined)
    throw new AppError(
      'media-undecodable',
      `${fileName} is a ZIP but not one of torch.save: it holds no data.pkl`,
    );
  const folder = pickleName.slice(0, -'data.pkl'.length);
  const order = archive.read(`${folder}byteorder`);
  const little = order === undefined || Buffer.from(order).toString('latin1').trim() !== 'big';
  return readPickle(pickle, {
    fileName,
    globals: TORCH_GLOBALS,
    persistent: (id) => storageOf(id, fileName, little, (key) => archive.read(`${folder}data/${key}`)),
  });
}

function isTar(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(257, 262)).toString('latin1') === 'ustar';
}

interface Storage {
  readonly length: number;
  at(index: number): number;
}

class StorageHandle {
  /** Reads and checks the numbers when they are first wanted. */
  readonly open: () => Storage;

  constructor(open: () => Storage) {
    this.open = open;
  }
}

/** The persistent id of torch: 'storage', type, key of the entry, device, length. The device does not matter here. */
function storageOf(
  id: unknown,
  fileName: string,
  little: boolean,
  read: (key: string) => Uint8Array | undefined,
): StorageHandle {
  const [kind, type, key, , length] = Array.isArray(id) ? (id as unknown[]) : [];
  const typeName = (type as PickleGlobal | undefined)?.name?.replace(/^torch\./, '') ?? '';
  const format = Object.hasOwn(STORAGES, typeName) ? STORAGES[typeName] : undefined;
  if (kind !== 'storage' || format === undefined || typeof key !== 'string' || !Number.isSafeInteger(length))
    throw new AppError('media-undecodable', `${fileName} holds a tensor whose numbers are not understood`);
  let opened: Storage | undefined;
  return new StorageHandle(() => {
    if (opened !== undefined) return opened;
    const bytes = read(key);
    if (bytes === undefined || bytes.length !== (length as number) * format.sizeBytes)
      throw new AppError(
        'media-undecodable',
        `${fileName} is damaged: storage ${key} has ${bytes?.length ?? 'no'} bytes, not ${(length as number) * format.sizeBytes}; copy it again`,
      );
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    opened = { length: length as number, at: (index) => format.read(view, index * format.sizeBytes, little) };
    return opened;
  });
}

/** torch._utils._rebuild_tensor_v2: storage, offset, sizes, strides; what follows is for training. */
function rebuildTensor([storage, offset, sizes, strides]: readonly unknown[]): TorchTensor {
  const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  const wholes = (value: unknown): value is number[] => Array.isArray(value) && value.every(whole);
  if (!(storage instanceof StorageHandle) || !whole(offset) || !wholes(sizes) || !wholes(strides))
    throw new AppError('media-undecodable', 'a tensor of the file has a shape that is not understood');
  const count = sizes.reduce((product, side) => product * side, 1);
  const last = sizes.reduce((sum, side, axis) => sum + (side - 1) * (strides[axis] ?? NaN), offset);
  if (sizes.length !== strides.length || sizes.length > 16 || count > MAX_TENSOR_VALUES)
    throw new AppError(
      'media-undecodable',
      `a tensor of the file has the shape [${sizes.slice(0, 16).join(', ')}]`,
    );
  return new TorchTensor(sizes, () => {
    const numbers = storage.open();
    if (count > 0 && !(last < numbers.length))
      throw new AppError('media-undecodable', 'a tensor of the file reaches past the end of its numbers');
    const values = new Float32Array(count);
    const index = sizes.map(() => 0);
    let at = offset;
    for (let i = 0; i < count; i++) {
      values[i] = numbers.at(at);
      for (let axis = sizes.length - 1; axis >= 0; axis--) {
        at += strides[axis]!;
        if (++index[axis]! < sizes[axis]!) break;
        at -= strides[axis]! * sizes[axis]!;
        index[axis] = 0;
      }
    }
    return values;
  });
}

const TORCH_GLOBALS: readonly PickleGlobal[] = [
  { name: 'torch._utils._rebuild_tensor_v2', call: rebuildTensor },
  { name: 'collections.OrderedDict', call: () => new Map() },
  ...Object.keys(STORAGES).map((name) => ({ name: `torch.${name}` })),
];

const WORD = new DataView(new ArrayBuffer(4));

/** bfloat16 is the upper half of a float32. */
function bfloat16ToNumber(bits: number): number {
  WORD.setUint32(0, bits << 16);
  return WORD.getFloat32(0);
}

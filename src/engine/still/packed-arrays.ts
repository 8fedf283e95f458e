/**
 * Plain data with typed arrays in it as one piece of bytes: a line of JSON, in which every array is told by its type,
 * length and place, then the arrays themselves. Numbers come back to the bit. Little-endian, as the machine.
 */

const TYPES = { Uint8Array, Float32Array } as const;
type TypeName = keyof typeof TYPES;

/** Stands for an array in the JSON; `at` in bytes behind its line. */
interface Place {
  readonly array: TypeName;
  readonly at: number;
  readonly length: number;
}

/** Every array begins at a multiple of this. */
const ALIGNED = 8;

export function packArrays(value: unknown): Uint8Array {
  const arrays: { at: number; bytes: Uint8Array }[] = [];
  let end = 0;
  const json = JSON.stringify(value, (_key, entry: unknown) => {
    if (!ArrayBuffer.isView(entry)) return entry;
    const array = entry.constructor.name as TypeName;
    if (!(array in TYPES)) throw new TypeError(`${array} cannot be packed`);
    const place: Place = { array, at: end, length: (entry as Uint8Array | Float32Array).length };
    arrays.push({ at: end, bytes: new Uint8Array(entry.buffer, entry.byteOffset, entry.byteLength) });
    end = aligned(end + entry.byteLength);
    return place;
  });
  const line = Buffer.from(`${json}\n`);
  const first = aligned(line.length);
  const packed = new Uint8Array(first + end);
  packed.set(line);
  for (const { at, bytes } of arrays) packed.set(bytes, first + at);
  return packed;
}

/** The arrays are views of `packed`, where it allows that. @throws Error if this is not what packArrays makes */
export function unpackArrays(packed: Uint8Array<ArrayBuffer>): unknown {
  const bytes = packed.byteOffset % ALIGNED === 0 ? packed : new Uint8Array(packed);
  const lineEnd = bytes.indexOf(0x0a);
  const line = Buffer.from(bytes.buffer, bytes.byteOffset, Math.max(0, lineEnd)).toString();
  const first = bytes.byteOffset + aligned(lineEnd + 1);
  return JSON.parse(line, (_key, entry: unknown) => {
    if (!isPlace(entry)) return entry;
    const type = TYPES[entry.array];
    if (first + entry.at + entry.length * type.BYTES_PER_ELEMENT > bytes.byteOffset + bytes.length)
      throw new RangeError('an array ends behind the last byte');
    return new type(bytes.buffer, first + entry.at, entry.length);
  });
}

function isPlace(entry: unknown): entry is Place {
  return typeof entry === 'object' && entry !== null && 'array' in entry;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNED) * ALIGNED;
}

/** EBML (RFC 8794): the elements that a Matroska file is made of. Sizes take eight bytes unless told otherwise. */

const ID_VOID = 0xec;
const VOID_HEAD_BYTES = 9;

/** All ones in an 8-byte size: unknown, the element ends with the stream (RFC 8794 section 6.2). */
export const UNKNOWN_SIZE = Buffer.from('01ffffffffffffff', 'hex');
export const SIZE_BYTES = 8;

export function idBytes(id: number): Buffer {
  return Buffer.from(id.toString(16), 'hex');
}

export function sizeBytes(size: number): Buffer {
  const bytes = Buffer.alloc(SIZE_BYTES);
  bytes.writeBigUInt64BE((1n << 56n) | BigInt(size));
  return bytes;
}

/** The same in as few bytes as it takes: for elements that there are many of. */
export function shortSizeBytes(size: number): Buffer {
  for (let length = 1; length < 5; length += 1) {
    // All ones would mean "unknown".
    if (size >= 2 ** (7 * length) - 1) continue;
    const bytes = Buffer.alloc(length);
    bytes.writeUIntBE(2 ** (7 * length) + size, 0, length);
    return bytes;
  }
  return sizeBytes(size);
}

export function element(id: number, ...body: readonly Uint8Array[]): Buffer {
  const size = body.reduce((sum, { length }) => sum + length, 0);
  return Buffer.concat([idBytes(id), sizeBytes(size), ...body]);
}

export function unsigned(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

export function signed(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

export function float(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

/** Latin letters only. */
export function text(value: string): Buffer {
  return Buffer.from(value, 'latin1');
}

/** Room that something may be written into later; 9 bytes or more. */
export function filler(totalBytes: number): Buffer {
  return element(ID_VOID, Buffer.alloc(totalBytes - VOID_HEAD_BYTES));
}

/** An element's head, read back. */
export interface ElementHead {
  readonly id: number;
  /** Undefined: unknown, until the stream ends. */
  readonly sizeBytes: number | undefined;
  /** Where its content begins. */
  readonly bodyAt: number;
}

/** Undefined where the bytes do not hold a whole head, or none that could be one. */
export function readHead(bytes: Buffer, at: number): ElementHead | undefined {
  const idLength = Math.clz32(bytes[at] ?? 0) - 23;
  const sizeAt = at + idLength;
  const sizeLength = Math.clz32(bytes[sizeAt] ?? 0) - 23;
  if (idLength > 4 || sizeLength > 8 || sizeAt + sizeLength > bytes.length) return undefined;
  let size = BigInt(bytes[sizeAt] ?? 0) & ((1n << BigInt(8 - sizeLength)) - 1n);
  for (const byte of bytes.subarray(sizeAt + 1, sizeAt + sizeLength)) size = (size << 8n) | BigInt(byte);
  const isUnknown = size === (1n << BigInt(7 * sizeLength)) - 1n;
  return {
    id: bytes.readUIntBE(at, idLength),
    sizeBytes: isUnknown ? undefined : Number(size),
    bodyAt: sizeAt + sizeLength,
  };
}

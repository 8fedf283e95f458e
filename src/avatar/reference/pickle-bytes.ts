import { AppError } from '../../errors.js';

/** An integer longer than this is no coordinate and no size. */
const MAX_INTEGER_BYTES = 64;

/** The bytes of a pickle as its opcodes read them. Every read is checked against the end. */
export class PickleBytes {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fileName: string;
  #at = 0;

  constructor(bytes: Uint8Array, fileName: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fileName = fileName;
  }

  get at(): number {
    return this.#at;
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  /** Eight bytes that count something; more than 2^53 runs past the end of any file. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true));
  }

  /** Big-endian, as pickles have it. */
  float64(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** A view of the pickle, not a copy. */
  take(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  utf8(length: number): string {
    return Buffer.from(this.take(length)).toString('utf8');
  }

  latin1(length: number): string {
    return Buffer.from(this.take(length)).toString('latin1');
  }

  /** The text up to the next line feed, which is eaten. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#endsEarly();
    const text = this.latin1(end - this.#at);
    this.#at = end + 1;
    return text;
  }

  /** Little-endian two's complement of any length: a number where it fits exactly, else a bigint. */
  integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES)
      throw new AppError('media-undecodable', `${this.#fileName} holds an integer of ${length} bytes`);
    let value = 0n;
    const bytes = this.take(length);
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return narrow(BigInt.asIntN(8 * length, value));
  }

  #advance(length: number): number {
    const start = this.#at;
    if (!(length >= 0 && start + length <= this.#bytes.length)) throw this.#endsEarly();
    this.#at += length;
    return start;
  }

  #endsEarly(): AppError {
    return new AppError('media-undecodable', `${this.#fileName} ends early: it was cut off, copy it again`);
  }
}

/** A bigint as a number where that is exact. */
export function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Text as protocol 0 writes it: Latin-1 with \uXXXX and \UXXXXXXXX for the rest. */
export function unescapeUnicode(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short?: string, long?: string) =>
    String.fromCodePoint(Math.min(0x10ffff, Number.parseInt(short ?? long ?? '0', 16))),
  );
}

/** Python 2's quoted string of protocol 0; undefined if it is none. */
export function unquote(text: string): string | undefined {
  const inner = /^(['"])(.*)\1$/s.exec(text)?.[2];
  const named: Record<string, string> = { n: '\n', r: '\r', t: '\t' };
  return inner?.replace(/\\(?:x([0-9a-fA-F]{2})|(.))/gs, (_, hex?: string, plain?: string) =>
    hex === undefined ? (named[plain ?? ''] ?? plain ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

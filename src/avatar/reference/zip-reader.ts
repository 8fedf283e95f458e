/**
 * Reads ZIP archives whose entries are stored without compression, as torch.save writes them (PKWARE APPNOTE 6.3:
 * end record 4.3.16, its 64-bit form 4.3.14-15, central directory 4.3.12, 64-bit sizes 4.5.3).
 */
import { crc32 } from 'node:zlib';
import { AppError } from '../../errors.js';

const END_RECORD = 0x06054b50;
const END_RECORD_BYTES = 22;
const END_LOCATOR_64 = 0x07064b50;
const END_LOCATOR_64_BYTES = 20;
const END_RECORD_64 = 0x06064b50;
const CENTRAL_ENTRY = 0x02014b50;
const CENTRAL_ENTRY_BYTES = 46;
const LOCAL_ENTRY = 0x04034b50;
const LOCAL_ENTRY_BYTES = 30;
const EXTRA_64 = 0x0001;
const MAX_COMMENT_BYTES = 0xffff;
/** A 32-bit field of this value stands in the 64-bit extra field instead. */
const IN_EXTRA_64 = 0xffffffff;

interface ZipEntry {
  readonly sizeBytes: number;
  readonly crc: number;
  readonly headerAt: number;
}

/** An archive in memory. Entries are views of it. */
export class ZipReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fileName: string;
  readonly #entries = new Map<string, ZipEntry>();

  /** @throws AppError media-undecodable if it is cut off, damaged, encrypted or compressed; `fileName` is for the sentence */
  constructor(bytes: Uint8Array, fileName: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fileName = fileName;
    this.#readDirectory();
  }

  get names(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** The bytes of an entry, its checksum verified; undefined if there is none of the name. */
  read(name: string): Uint8Array | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const { headerAt, sizeBytes } = entry;
    this.#need(headerAt, LOCAL_ENTRY_BYTES);
    if (this.#view.getUint32(headerAt, true) !== LOCAL_ENTRY)
      throw this.#damaged(`${name} is not where it should be`);
    // The lengths differ from those in the directory: torch pads each entry to a round address here.
    const nameBytes = this.#view.getUint16(headerAt + 26, true);
    const extraBytes = this.#view.getUint16(headerAt + 28, true);
    const start = headerAt + LOCAL_ENTRY_BYTES + nameBytes + extraBytes;
    this.#need(start, sizeBytes);
    const bytes = this.#bytes.subarray(start, start + sizeBytes);
    if (crc32(bytes) !== entry.crc) throw this.#damaged(`${name} has another checksum than it should`);
    return bytes;
  }

  #readDirectory(): void {
    const { at: directoryAt, count } = this.#directory();
    let at = directoryAt;
    for (let i = 0; i < count; i++) {
      this.#need(at, CENTRAL_ENTRY_BYTES);
      if (this.#view.getUint32(at, true) !== CENTRAL_ENTRY)
        throw this.#damaged('its list of entries breaks off');
      const flags = this.#view.getUint16(at + 8, true);
      const method = this.#view.getUint16(at + 10, true);
      const nameBytes = this.#view.getUint16(at + 28, true);
      const extraBytes = this.#view.getUint16(at + 30, true);
      const commentBytes = this.#view.getUint16(at + 32, true);
      const nameAt = at + CENTRAL_ENTRY_BYTES;
      this.#need(nameAt, nameBytes + extraBytes + commentBytes);
      const name = Buffer.from(this.#bytes.subarray(nameAt, nameAt + nameBytes)).toString('utf8');
      if (method !== 0 || (flags & 1) !== 0)
        throw new AppError(
          'media-undecodable',
          `${this.#fileName} is ${method === 0 ? 'encrypted' : 'compressed'}, which torch.save never does: save it again with torch.save`,
        );
      this.#entries.set(name, this.#entry(at, nameAt + nameBytes, extraBytes));
      at = nameAt + nameBytes + extraBytes + commentBytes;
    }
  }

  /** Where the central directory starts and how many entries it has. */
  #directory(): { at: number; count: number } {
    const last = this.#bytes.length - END_RECORD_BYTES;
    let end = last;
    while (end >= 0 && end >= last - MAX_COMMENT_BYTES && this.#view.getUint32(end, true) !== END_RECORD)
      end--;
    if (end < 0 || end < last - MAX_COMMENT_BYTES)
      throw new AppError('media-undecodable', `${this.#fileName} has no end: it was cut off, copy it again`);
    const locator = end - END_LOCATOR_64_BYTES;
    if (locator >= 0 && this.#view.getUint32(locator, true) === END_LOCATOR_64) {
      const record = this.#uint64(locator + 8);
      this.#need(record, 56);
      if (this.#view.getUint32(record, true) !== END_RECORD_64)
        throw this.#damaged('its 64-bit end record is not there');
      return { count: this.#uint64(record + 32), at: this.#uint64(record + 48) };
    }
    return { count: this.#view.getUint16(end + 10, true), at: this.#view.getUint32(end + 16, true) };
  }

  #entry(at: number, extraAt: number, extraBytes: number): ZipEntry {
    const packed = this.#view.getUint32(at + 20, true);
    let sizeBytes = this.#view.getUint32(at + 24, true);
    let headerAt = this.#view.getUint32(at + 42, true);
    // The 64-bit field holds, in this order, only those values that do not fit above.
    for (
      let field = extraAt;
      field + 4 <= extraAt + extraBytes;
      field += 4 + this.#view.getUint16(field + 2, true)
    ) {
      if (this.#view.getUint16(field, true) !== EXTRA_64) continue;
      let value = field + 4;
      if (sizeBytes === IN_EXTRA_64) {
        sizeBytes = this.#uint64(value);
        value += 8;
      }
      if (packed === IN_EXTRA_64) value += 8;
      if (headerAt === IN_EXTRA_64) headerAt = this.#uint64(value);
    }
    return { sizeBytes, crc: this.#view.getUint32(at + 16, true), headerAt };
  }

  #uint64(at: number): number {
    this.#need(at, 8);
    return Number(this.#view.getBigUint64(at, true));
  }

  #need(at: number, length: number): void {
    if (at + length > this.#bytes.length) throw this.#damaged('it points past its end');
  }

  #damaged(what: string): AppError {
    return new AppError('media-undecodable', `${this.#fileName} is damaged: ${what}; copy it again`);
  }
}

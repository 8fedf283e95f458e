/**
 * Cuts a stream of JPEGs laid end to end into pictures by walking the markers (ITU T.81 annex B). Searching for the
 * bytes FF D9 alone would cut inside a table or a comment; lengths are followed there, and inside entropy-coded data
 * a stuffed zero or a restart marker after FF does not end the picture.
 */

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const MAX_PICTURE_BYTES = 32 * 1024 * 1024;

export class JpegSplitter {
  #onPicture: (data: Uint8Array) => void;
  #pending: Buffer = Buffer.alloc(0);
  /** Where the walk goes on in `#pending`; everything before it is understood. */
  #at = 0;
  #inScan = false;

  constructor(onPicture: (data: Uint8Array) => void) {
    this.#onPicture = onPicture;
  }

  /** Throws an Error on bytes that are no JPEG. */
  push(bytes: Uint8Array): void {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    for (;;) {
      const end = this.#walk();
      if (end === undefined) break;
      const picture = new Uint8Array(this.#pending.subarray(0, end));
      this.#pending = this.#pending.subarray(end);
      this.#at = 0;
      this.#inScan = false;
      this.#onPicture(picture);
    }
    if (this.#pending.length > MAX_PICTURE_BYTES) throw new Error('a JPEG without end');
  }

  get atBoundary(): boolean {
    return this.#pending.length === 0;
  }

  /** The offset after the end marker, or undefined if more bytes are needed. */
  #walk(): number | undefined {
    const bytes = this.#pending;
    for (;;) {
      if (this.#inScan) {
        const mark = bytes.indexOf(0xff, this.#at);
        if (mark < 0 || mark + 1 >= bytes.length) {
          this.#at = mark < 0 ? bytes.length : mark;
          return undefined;
        }
        const code = bytes.readUInt8(mark + 1);
        if (code === 0x00 || (code >= 0xd0 && code <= 0xd7)) {
          this.#at = mark + 2;
          continue;
        }
        this.#at = mark;
        this.#inScan = false;
      }
      if (this.#at + 2 > bytes.length) return undefined;
      if (bytes.readUInt8(this.#at) !== 0xff) throw new Error(`no JPEG marker at byte ${this.#at}`);
      const code = bytes.readUInt8(this.#at + 1);
      if (this.#at === 0 && code !== SOI) throw new Error('a JPEG does not begin with its start marker');
      if (code === 0xff) {
        this.#at += 1; // fill byte
        continue;
      }
      if (code === EOI) return this.#at + 2;
      if (code === SOI || code === 0x01 || (code >= 0xd0 && code <= 0xd7)) {
        this.#at += 2;
        continue;
      }
      if (this.#at + 4 > bytes.length) return undefined;
      this.#at += 2 + bytes.readUInt16BE(this.#at + 2);
      this.#inScan = code === SOS;
    }
  }
}

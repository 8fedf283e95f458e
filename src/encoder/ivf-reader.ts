/** IVF: a file head, then per frame a 32-bit size, a 64-bit time stamp and the bytes; all little-endian. */

const FRAME_HEAD_BYTES = 12;
const MIN_HEAD_BYTES = 32;
/** No VP8 frame of ours comes near; a larger size means that the stream is not IVF any more. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024;

export interface IvfFrame {
  /** In units of the encoder's time base. */
  readonly pts: number;
  /** A buffer of its own, the caller's to keep. */
  readonly data: Uint8Array;
}

/** Cuts an IVF byte stream, however it is chopped, into frames. Throws an Error on bytes that are not IVF. */
export class IvfReader {
  #onFrame: (frame: IvfFrame) => void;
  #pending: Buffer = Buffer.alloc(0);
  #headRead = false;

  constructor(onFrame: (frame: IvfFrame) => void) {
    this.#onFrame = onFrame;
  }

  push(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let rest = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    if (!this.#headRead) {
      if (rest.length < MIN_HEAD_BYTES) {
        this.#pending = Buffer.from(rest);
        return;
      }
      const headBytes = rest.readUInt16LE(6);
      if (rest.toString('latin1', 0, 4) !== 'DKIF' || headBytes < MIN_HEAD_BYTES)
        throw new Error('the stream is not IVF');
      if (rest.length < headBytes) {
        this.#pending = Buffer.from(rest);
        return;
      }
      rest = rest.subarray(headBytes);
      this.#headRead = true;
    }
    while (rest.length >= FRAME_HEAD_BYTES) {
      const sizeBytes = rest.readUInt32LE(0);
      if (sizeBytes > MAX_FRAME_BYTES) throw new Error(`an IVF frame claims ${sizeBytes} bytes`);
      if (rest.length < FRAME_HEAD_BYTES + sizeBytes) break;
      const pts = Number(rest.readBigUInt64LE(4));
      const data = new Uint8Array(rest.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + sizeBytes));
      rest = rest.subarray(FRAME_HEAD_BYTES + sizeBytes);
      this.#onFrame({ pts, data });
    }
    this.#pending = Buffer.from(rest);
  }

  /** True if the stream may end here without a frame being cut short. */
  get atBoundary(): boolean {
    return this.#pending.length === 0;
  }
}

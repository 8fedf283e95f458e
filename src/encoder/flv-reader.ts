/**
 * FLV with one stream of H.264 (Adobe FLV specification 10.1, annex E): a file head, then tags, each with a time stamp in
 * milliseconds and its size, followed by that size once more.
 */

const FILE_HEAD_BYTES = 9;
const TAG_HEAD_BYTES = 11;
const SIZE_AGAIN_BYTES = 4;
const VIDEO_TAG = 9;
const AVC = 7;
/** Codec, kind of packet, and an offset in time that stands for pictures out of order, which there are none of. */
const VIDEO_HEAD_BYTES = 5;

export interface FlvSinks {
  /** AVCDecoderConfigurationRecord (ISO 14496-15 section 5.3.3.1); comes before the first picture. */
  onConfig(record: Uint8Array): void;
  /** NAL units, each behind its length. All data is in a buffer of its own. */
  onPicture(picture: { readonly timeMs: number; readonly data: Uint8Array }): void;
}

/** Cuts an FLV byte stream, however it is chopped, into pictures. Throws an Error on bytes that are not FLV of H.264. */
export class FlvReader {
  readonly #sinks: FlvSinks;
  #pending: Buffer = Buffer.alloc(0);
  #headRead = false;

  constructor(sinks: FlvSinks) {
    this.#sinks = sinks;
  }

  push(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let rest = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    if (!this.#headRead && rest.length >= FILE_HEAD_BYTES + SIZE_AGAIN_BYTES) {
      if (rest.toString('latin1', 0, 3) !== 'FLV') throw new Error('the stream is not FLV');
      rest = rest.subarray(rest.readUInt32BE(5) + SIZE_AGAIN_BYTES);
      this.#headRead = true;
    }
    while (this.#headRead && rest.length >= TAG_HEAD_BYTES) {
      const end = TAG_HEAD_BYTES + rest.readUIntBE(1, 3);
      if (rest.length < end + SIZE_AGAIN_BYTES) break;
      if (rest.readUInt32BE(end) !== end) throw new Error('an FLV tag ends elsewhere than it said');
      // The upper byte of the time stamp comes last.
      const timeMs = rest.readUIntBE(4, 3) + rest.readUInt8(7) * 2 ** 24;
      if (rest.readUInt8(0) === VIDEO_TAG) this.#take(rest.subarray(TAG_HEAD_BYTES, end), timeMs);
      rest = rest.subarray(end + SIZE_AGAIN_BYTES);
    }
    this.#pending = Buffer.from(rest);
  }

  #take(tag: Buffer, timeMs: number): void {
    if (tag.length < VIDEO_HEAD_BYTES || (tag.readUInt8(0) & 0x0f) !== AVC)
      throw new Error('an FLV tag holds no H.264');
    const kind = tag.readUInt8(1);
    const data = new Uint8Array(tag.subarray(VIDEO_HEAD_BYTES));
    if (kind === 0) this.#sinks.onConfig(data);
    else if (kind === 1) this.#sinks.onPicture({ timeMs, data });
  }
}

import { AppError } from '../errors.js';

/** Strips the head from a WAV that comes in pieces (RIFF: chunks of a 4-letter name, a 32-bit size, a body). */
export class WavHead {
  /** Known once the head is complete. */
  channels: number | undefined;
  #head: Buffer = Buffer.alloc(0);

  /** The sample bytes in `bytes`; empty while the head is incomplete. */
  push(bytes: Uint8Array): Uint8Array {
    if (this.channels !== undefined) return bytes;
    this.#head = Buffer.concat([this.#head, bytes]);
    const head = this.#head;
    let channels: number | undefined;
    for (let at = 12; at + 8 <= head.length;) {
      const name = head.toString('latin1', at, at + 4);
      const sizeBytes = head.readUInt32LE(at + 4);
      if (name === 'data') {
        if (channels !== 1 && channels !== 2)
          throw new AppError('ffmpeg-failed', `ffmpeg gave ${channels ?? 'no'} channels`);
        this.channels = channels;
        this.#head = Buffer.alloc(0);
        return head.subarray(at + 8);
      }
      if (name === 'fmt ' && at + 12 <= head.length) channels = head.readUInt16LE(at + 10);
      at += 8 + sizeBytes + (sizeBytes % 2);
    }
    return head.subarray(head.length);
  }
}

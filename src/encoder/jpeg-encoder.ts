import type { Ffmpeg } from '../adapters/ffmpeg.js';
import type { EncodedPicture, I420Frame } from '../media/frame.js';
import { JpegSplitter } from './jpeg-splitter.js';
import { RawVideoPipe } from './raw-video-pipe.js';

export interface JpegEncoderOptions {
  readonly ffmpeg: Ffmpeg;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly fps: number;
  /** ffmpeg's quantiser: 2 (best) .. 31; default 4. */
  readonly quality?: number;
  /** In order, one whole JPEG a picture pushed; `key` is always true. */
  onPicture(picture: EncodedPicture): void;
  onFailed(error: Error): void;
}

/** Motion JPEG by an ffmpeg pipe; the counterpart of LiveEncoder for viewers without WebRTC. */
export class JpegEncoder {
  #pipe: RawVideoPipe;
  /** Indices of the pictures inside ffmpeg. JPEGs carry no time stamp, but they come out one for one and in order. */
  #inside: number[];

  private constructor(pipe: RawVideoPipe, inside: number[]) {
    this.#pipe = pipe;
    this.#inside = inside;
  }

  static create(options: JpegEncoderOptions): Promise<JpegEncoder> {
    const { fps, ffmpeg, widthPx, heightPx } = options;
    const inside: number[] = [];
    const splitter = new JpegSplitter((data) => {
      const index = inside.shift();
      if (index === undefined) throw new Error('more JPEGs came out than pictures went in');
      options.onPicture({ index, key: true, data });
    });
    const pipe = new RawVideoPipe({
      ...{ ffmpeg, widthPx, heightPx, fps },
      outputArgs: [
        // One thread: mjpeg codes in frame threads otherwise, each of which holds a picture back.
        ...['-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p', '-threads', '1', '-q:v', String(options.quality ?? 4)],
        ...[...ffmpeg.vsyncArgs, '-flush_packets', '1', '-f', 'image2pipe', 'pipe:1'],
      ],
      onBytes: (bytes) => splitter.push(bytes),
      onFailed: (error) => options.onFailed(error),
    });
    return Promise.resolve(new JpegEncoder(pipe, inside));
  }

  /** As LiveEncoder.push; every JPEG stands alone, so `key` is without effect. */
  async push(frame: I420Frame, index: number, _key = true): Promise<void> {
    this.#inside.push(index);
    try {
      await this.#pipe.push(frame, index, false);
    } catch (error) {
      const at = this.#inside.lastIndexOf(index);
      if (at >= 0) this.#inside.splice(at, 1);
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#pipe.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

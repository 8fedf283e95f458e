import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { AppError } from '../errors.js';
import type { EncodedPicture, I420Frame } from '../media/frame.js';
import { RawVideoPipe } from './raw-video-pipe.js';

const WARM_UP_LIMIT_MS = 10_000;

export interface LiveEncoderOptions {
  readonly ffmpeg: Ffmpeg;
  /** Of the pictures pushed; even. */
  readonly widthPx: number;
  /** Even. */
  readonly heightPx: number;
  /** Size to code in, even; default: that of the pictures. */
  readonly coded?: { readonly widthPx: number; readonly heightPx: number };
  readonly fps: number;
  readonly bitrateBps: number;
  /**
   * A picture to start the encoder with: `create` then waits until ffmpeg has coded it (a cold start takes up to half a
   * second) and throws the result away. The first picture pushed is a key picture all the same.
   */
  readonly warmUp?: I420Frame;
  /** In order, one call a picture pushed; the data is the receiver's to keep. */
  onPicture(picture: EncodedPicture): void;
  /** Once, if the encoder dies before it is closed. */
  onFailed(error: Error): void;
}

/** A picture as ffmpeg hands it out; its time stamp counts half frames. */
export interface CodedFrame {
  readonly halfFrames: number;
  readonly key: boolean;
  readonly data: Uint8Array;
}

/** What an ffmpeg pipe needs to know of a codec. */
export interface LiveCodec {
  /** The codec's name for ffmpeg and its settings, without a frame of delay and without key pictures of its own accord. */
  codecArgs(rates: { readonly bitrateBps: number; readonly fps: number }): string[];
  /** Muxer and its settings. */
  readonly muxerArgs: readonly string[];
  /** Takes ffmpeg's output as it comes. Throws an Error on bytes that make no sense. */
  reader(halfFramesPerSecond: number, onFrame: (frame: CodedFrame) => void): (bytes: Uint8Array) => void;
}

/**
 * A real-time encoder in an ffmpeg pipe, without a frame of delay. A key picture is asked for in the time stamp: a
 * picture half a frame late has an odd count of half frames, and ffmpeg is told to make odd ones key.
 */
export class LiveEncoder {
  #pipe: RawVideoPipe;
  /** What to add to a caller's index: the pipe counts a warm-up picture as 0. */
  #shift: number | undefined;
  #warmed: boolean;

  private constructor(codec: LiveCodec, options: LiveEncoderOptions, onWarm: () => void) {
    const { fps, ffmpeg, widthPx, heightPx, bitrateBps } = options;
    const halfFramesPerSecond = 2 * fps;
    this.#warmed = options.warmUp !== undefined;
    const read = codec.reader(halfFramesPerSecond, ({ halfFrames, key, data }) => {
      const counted = Math.floor(halfFrames / 2) + (this.#pipe.firstIndex ?? 0);
      if (this.#warmed && counted === 0) onWarm();
      else options.onPicture({ index: counted - (this.#shift ?? 0), key, data });
    });
    this.#pipe = new RawVideoPipe({
      ...{ ffmpeg, widthPx, heightPx, fps },
      outputArgs: [
        ...scaling({ widthPx, heightPx }, options.coded ?? { widthPx, heightPx }),
        ...[...codec.codecArgs({ bitrateBps, fps }), ...ffmpeg.vsyncArgs],
        ...['-enc_time_base', timeBase(halfFramesPerSecond)],
        ...['-force_key_frames', `expr:mod(round(t*${halfFramesPerSecond}),2)`],
        ...['-flush_packets', '1', ...codec.muxerArgs, 'pipe:1'],
      ],
      onBytes: read,
      onFailed: (error) => options.onFailed(error),
    });
  }

  /** @throws ffmpeg-failed or timeout if ffmpeg does not code the warm-up picture. */
  static async open(codec: LiveCodec, options: LiveEncoderOptions): Promise<LiveEncoder> {
    let warm = () => {};
    let fail: (error: Error) => void = (error) => options.onFailed(error);
    const encoder = new LiveEncoder(codec, { ...options, onFailed: (error) => fail(error) }, () => warm());
    if (options.warmUp === undefined) return encoder;
    let limit: NodeJS.Timeout | undefined;
    const coded = new Promise<void>((resolve, reject) => {
      warm = resolve;
      fail = reject;
      limit = setTimeout(
        () => reject(new AppError('timeout', `an encoder was not warm within ${WARM_UP_LIMIT_MS} ms`)),
        WARM_UP_LIMIT_MS,
      );
    });
    try {
      await Promise.all([coded, encoder.#pipe.push(options.warmUp, 0, false)]);
    } catch (error) {
      await encoder.abort();
      throw error;
    } finally {
      clearTimeout(limit);
    }
    fail = (error) => options.onFailed(error);
    return encoder;
  }

  /**
   * Codes picture `index`; indices rise but may skip. Resolves when the picture has left the caller's buffer, which
   * is the backpressure: push one at a time. `key` asks for a key picture (the first is one in any case).
   */
  push(frame: I420Frame, index: number, key: boolean): Promise<void> {
    const first = this.#shift === undefined;
    this.#shift ??= this.#warmed ? 1 - index : 0;
    return this.#pipe.push(frame, index + this.#shift, key || (first && this.#warmed));
  }

  /** Resolves when every pushed picture was handed out and ffmpeg is gone. */
  close(): Promise<void> {
    return this.#pipe.close();
  }

  /** Ends ffmpeg at once: what was not handed out is lost, pending pushes reject, `onFailed` is not called. */
  abort(): Promise<void> {
    return this.#pipe.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** By area: as fast as bilinear here (both below the noise beside the encoder), without its flicker at a third. */
function scaling(
  from: { readonly widthPx: number; readonly heightPx: number },
  to: { readonly widthPx: number; readonly heightPx: number },
): string[] {
  if (from.widthPx === to.widthPx && from.heightPx === to.heightPx) return [];
  if (to.widthPx % 2 !== 0 || to.heightPx % 2 !== 0 || to.widthPx < 2 || to.heightPx < 2)
    throw new AppError(
      'invalid-argument',
      `pictures are coded in even sides, not ${to.widthPx}x${to.heightPx}`,
    );
  return ['-vf', `scale=${to.widthPx}:${to.heightPx}:flags=area`];
}

/** `1:rate`, with a whole denominator also for rates such as 29.97. */
function timeBase(rate: number): string {
  return Number.isInteger(rate) ? `1:${rate}` : `1000:${Math.round(rate * 1000)}`;
}

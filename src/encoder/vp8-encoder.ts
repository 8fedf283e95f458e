import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { AppError } from '../errors.js';
import type { EncodedPicture, I420Frame } from '../media/frame.js';
import { IvfReader } from './ivf-reader.js';
import { RawVideoPipe } from './raw-video-pipe.js';

const WARM_UP_LIMIT_MS = 10_000;

export interface Vp8EncoderOptions {
  readonly ffmpeg: Ffmpeg;
  /** Of the pictures pushed; even. */
  readonly widthPx: number;
  /** Even. */
  readonly heightPx: number;
  /** Size to code in, even; default: that of the pictures. */
  readonly coded?: { readonly widthPx: number; readonly heightPx: number };
  readonly fps: number;
  /** Default: {@link defaultBitrateBps} of the coded size. */
  readonly bitrateBps?: number;
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

/** 800 kbit/s for 512x512, 1.5 Mbit/s for 1280x720: grows with the side, not the area. Rounded to 10 kbit/s. */
export function defaultBitrateBps(widthPx: number, heightPx: number): number {
  return Math.max(150_000, Math.round(80 * Math.sqrt((widthPx * heightPx) / (512 * 512))) * 10_000);
}

/**
 * Real-time VP8 by libvpx in an ffmpeg pipe, without a frame of delay. A key picture is asked for in the time stamp:
 * a picture half a frame late has an odd count of half frames, and ffmpeg is told to make odd ones key.
 */
export class Vp8Encoder {
  #pipe: RawVideoPipe;
  /** What to add to a caller's index: the pipe counts a warm-up picture as 0. */
  #shift: number | undefined;
  #warmed: boolean;

  private constructor(options: Vp8EncoderOptions, onWarm: () => void, onFailed: (error: Error) => void) {
    const { fps, ffmpeg, widthPx, heightPx } = options;
    const coded = options.coded ?? { widthPx, heightPx };
    const bitrateBps = options.bitrateBps ?? defaultBitrateBps(coded.widthPx, coded.heightPx);
    const halfFramesPerSecond = 2 * fps;
    this.#warmed = options.warmUp !== undefined;
    const reader = new IvfReader(({ pts, data }) => {
      const counted = Math.floor(pts / 2) + (this.#pipe.firstIndex ?? 0);
      if (this.#warmed && counted === 0) {
        onWarm();
        return;
      }
      // RFC 6386 section 9.1: the lowest bit of a frame is 0 on a key frame.
      const key = ((data[0] ?? 1) & 1) === 0;
      options.onPicture({ index: counted - (this.#shift ?? 0), key, data });
    });
    this.#pipe = new RawVideoPipe({
      ...{ ffmpeg, widthPx, heightPx, fps },
      outputArgs: [
        ...scaling({ widthPx, heightPx }, coded),
        ...['-c:v', 'libvpx', '-deadline', 'realtime', '-lag-in-frames', '0', '-auto-alt-ref', '0'],
        // Negative: a fixed speed; positive values adapt to the load of the machine.
        ...['-threads', '1', '-cpu-used', '-8', '-error-resilient', 'default', '-static-thresh', '0'],
        ...rateControl(bitrateBps),
        ...['-g', '9999', '-keyint_min', '0', ...ffmpeg.vsyncArgs],
        ...['-enc_time_base', timeBase(halfFramesPerSecond)],
        ...['-force_key_frames', `expr:mod(round(t*${halfFramesPerSecond}),2)`],
        ...['-flush_packets', '1', '-f', 'ivf', 'pipe:1'],
      ],
      onBytes: (bytes) => reader.push(bytes),
      onFailed,
    });
  }

  /** @throws ffmpeg-failed or timeout if ffmpeg does not code the warm-up picture. */
  static async create(options: Vp8EncoderOptions): Promise<Vp8Encoder> {
    let warm = () => {};
    let fail: (error: Error) => void = (error) => options.onFailed(error);
    const encoder = new Vp8Encoder(
      options,
      () => warm(),
      (error) => fail(error),
    );
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

/**
 * A constant rate that a link of little more than that carries. The short buffer (0.3 s) and the coarsest quantiser cost
 * 0.001 of SSIM at usual rates; without them quick movement overshoots a low rate by a fifth, and key pictures are a
 * quarter larger. Dropping pictures (-drop-threshold) brought nothing on top.
 */
function rateControl(bitrateBps: number): string[] {
  const rate = String(bitrateBps);
  return [
    ...['-b:v', rate, '-minrate', rate, '-maxrate', rate, '-bufsize', String(Math.round(0.3 * bitrateBps))],
    ...[
      '-undershoot-pct',
      '95',
      '-overshoot-pct',
      '15',
      '-max-intra-rate',
      '300',
      '-qmin',
      '4',
      '-qmax',
      '63',
    ],
  ];
}

/** `1:rate`, with a whole denominator also for rates such as 29.97. */
function timeBase(rate: number): string {
  return Number.isInteger(rate) ? `1:${rate}` : `1000:${Math.round(rate * 1000)}`;
}

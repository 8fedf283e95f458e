import { runFfmpeg, type Ffmpeg, type FfmpegProcess } from '../adapters/ffmpeg.js';
import { AppError, toAppError } from '../errors.js';
import { i420SizeBytes, type I420Frame } from '../media/frame.js';
import { matroskaHeader, matroskaPictureHead } from './matroska-writer.js';

/** Time to code what was pushed before `close` gives up on it. */
const DRAIN_LIMIT_MS = 4000;

export interface RawVideoPipeOptions {
  readonly ffmpeg: Ffmpeg;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly fps: number;
  /** Everything after the input: filters, codec, muxer, `pipe:1`. */
  readonly outputArgs: readonly string[];
  /** ffmpeg's standard output as it comes. An exception counts as failure of the encoder. */
  onBytes(bytes: Uint8Array): void;
  /** Once, if ffmpeg leaves before `close` or its output makes no sense. */
  onFailed(error: Error): void;
}

/**
 * One ffmpeg that eats raw pictures and is asked nothing else. Time stamps count half frames from the first picture
 * (ffmpeg moves the first one to 0 in any case), so that an odd one can carry a flag.
 */
export class RawVideoPipe {
  #options: RawVideoPipeOptions;
  #process: FfmpegProcess;
  #firstIndex: number | undefined;
  #lastIndex = -1;
  #closing: Promise<void> | undefined;
  #failed: AppError | undefined;

  constructor(options: RawVideoPipeOptions) {
    const { widthPx, heightPx, fps } = options;
    if (widthPx % 2 !== 0 || heightPx % 2 !== 0 || widthPx < 2 || heightPx < 2) {
      throw new AppError(
        'invalid-argument',
        `an encoder needs even picture sides, got ${widthPx}x${heightPx}`,
      );
    }
    if (!(fps > 0 && fps <= 240))
      throw new AppError('invalid-argument', `an encoder needs 0 < fps <= 240, got ${fps}`);
    this.#options = options;
    this.#process = runFfmpeg(options.ffmpeg, [
      // Not `-fflags nobuffer`: it throws the probed first picture away.
      ...['-probesize', '32', '-analyzeduration', '0', '-f', 'matroska', '-i', 'pipe:0', '-an'],
      ...options.outputArgs,
    ]);
    this.#process.stdout.on('data', (bytes: Buffer) => {
      if (this.#failed !== undefined) return;
      try {
        options.onBytes(bytes);
      } catch (error) {
        this.#fail(
          new AppError('ffmpeg-failed', 'the encoder wrote something that cannot be read', { cause: error }),
        );
      }
    });
    this.#process.done.then(
      () => {
        if (this.#closing === undefined)
          this.#fail(new AppError('ffmpeg-failed', 'the encoder left before its input ended'));
      },
      (error: unknown) => this.#fail(toAppError(error)),
    );
    this.#process.stdin.write(matroskaHeader(widthPx, heightPx));
  }

  /** Index of the first picture pushed; undefined before. */
  get firstIndex(): number | undefined {
    return this.#firstIndex;
  }

  /**
   * Writes the picture through and resolves when the pipe has taken its last byte: nothing is copied, and the
   * caller may draw into the buffer again. While it waits, ffmpeg is busy with the picture before.
   */
  async push(frame: I420Frame, index: number, flagged: boolean): Promise<void> {
    const { widthPx, heightPx, fps } = this.#options;
    if (this.#failed !== undefined) throw this.#failed;
    if (this.#closing !== undefined)
      throw new AppError('session-closed', `picture ${index} came after the encoder was closed`);
    const sizeBytes = i420SizeBytes(widthPx, heightPx);
    if (frame.widthPx !== widthPx || frame.heightPx !== heightPx || frame.data.length !== sizeBytes) {
      throw new AppError(
        'invalid-argument',
        `picture ${index} is ${frame.widthPx}x${frame.heightPx} (${frame.data.length} bytes), the encoder takes ${widthPx}x${heightPx}`,
      );
    }
    if (!Number.isInteger(index) || index <= this.#lastIndex) {
      throw new AppError('invalid-argument', `picture ${index} does not follow picture ${this.#lastIndex}`);
    }
    this.#lastIndex = index;
    // The first picture is a key picture anyway; a flag on it would be subtracted from all later ones.
    const half = flagged && this.#firstIndex !== undefined ? 1 : 0;
    this.#firstIndex ??= index;
    const { stdin } = this.#process;
    stdin.cork();
    stdin.write(matroskaPictureHead((2 * (index - this.#firstIndex) + half) / (2 * fps), sizeBytes));
    const taken = new Promise<void>((resolve, reject) => {
      stdin.write(frame.data, (error) => {
        if (error == null) resolve();
        else
          reject(
            this.#failed ??
              new AppError('ffmpeg-failed', `the encoder did not take picture ${index}`, { cause: error }),
          );
      });
    });
    stdin.uncork();
    await taken;
  }

  /** Codes what was pushed, hands it out, ends ffmpeg. Never rejects: a failure was told through `onFailed`. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  /** Ends ffmpeg at once and drops what is inside, also after `close`. Pending pushes reject; `onFailed` is not called. */
  abort(): Promise<void> {
    this.#failed ??= new AppError('session-closed', 'the encoder was given up');
    this.#closing ??= Promise.resolve();
    return this.#process.kill();
  }

  async #end(): Promise<void> {
    this.#process.stdin.end();
    const limit = setTimeout(() => void this.#process.kill(), DRAIN_LIMIT_MS);
    await this.#process.done.catch(() => {});
    clearTimeout(limit);
  }

  #fail(error: AppError): void {
    if (this.#failed !== undefined) return;
    this.#failed = error;
    void this.#process.kill();
    this.#options.onFailed(error);
  }
}

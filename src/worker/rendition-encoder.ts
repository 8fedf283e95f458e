import { setTimeout as pause } from 'node:timers/promises';
import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { H264 } from '../encoder/h264-encoder.js';
import { LiveEncoder } from '../encoder/live-encoder.js';
import type { RenditionRequest } from '../encoder/renditions.js';
import { VP8 } from '../encoder/vp8-encoder.js';
import { AppError, toAppError } from '../errors.js';
import type { Log } from '../lib/log.js';
import type { EncodedPicture, I420Frame, RenditionName } from '../media/frame.js';

/** An encoder that died is started again after this, doubling to the longest. */
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
/** One that lived this long starts the pauses anew. */
const HEALTHY_MS = 10_000;
const TAKE_OVER_LIMIT_MS = 500;

export interface RenditionEncoderOptions {
  ffmpeg: Ffmpeg;
  /** Of the pictures pushed; what is coded may be smaller. */
  widthPx: number;
  heightPx: number;
  fps: number;
  /** A picture of that size to warm an encoder up with, in a buffer of its own. */
  warmUp(): I420Frame;
  /** Indices rise, whichever encoder made the picture; the first of each encoder is a key picture. */
  onPicture(picture: EncodedPicture): void;
  /** Another encoder codes from the next picture pushed on. */
  onTakeOver?(rendition: RenditionName): void;
  /** The encoder at work died. What was inside is lost; pictures are ignored until `restart` has another one ready. */
  onLost(error: Error): void;
  /** Default 500: how long the pictures of a new encoder wait for the last ones of the old. */
  takeOverLimitMs?: number;
  log: Log;
}

/** One ffmpeg and what it still has inside. */
interface Run {
  encoder: LiveEncoder | undefined;
  startedMs: number;
  lastPushed: number;
  lastOut: number;
  /** It gets no more pictures. */
  retired: boolean;
  /** It hands out no more pictures. */
  over: boolean;
  /** Pictures that wait for those of the run before. */
  held: EncodedPicture[];
}

/**
 * The stream of one rendition. Another size or bit rate needs another ffmpeg: it is warmed while the present one goes on,
 * and takes over at a picture's boundary, so no picture is lost, doubled or late.
 */
export class RenditionEncoder {
  readonly #options: RenditionEncoderOptions;
  #wanted: RenditionRequest;
  /** What the newest warm encoder was made for. */
  #made: RenditionRequest | undefined;
  /** Warm; takes over with the next picture. */
  #ready: Run | undefined;
  /** Those with pictures inside, oldest first; the last is at work unless it is retired. */
  #line: Run[] = [];
  #warming = false;
  #pauseMs = 0;
  #keyWanted = false;
  readonly #closing = new AbortController();
  readonly #leaving = new Set<Promise<void>>();

  private constructor(options: RenditionEncoderOptions, request: RenditionRequest) {
    this.#options = options;
    this.#wanted = request;
  }

  /** Resolves when the encoder is warm. @throws ffmpeg-failed, invalid-argument */
  static async open(options: RenditionEncoderOptions, request: RenditionRequest): Promise<RenditionEncoder> {
    const rendition = new RenditionEncoder(options, request);
    rendition.#ready = await rendition.#start(request);
    rendition.#made = request;
    return rendition;
  }

  /** Does not wait: the first picture pushed after the encoder is warm is the first one coded. */
  static start(options: RenditionEncoderOptions, request: RenditionRequest): RenditionEncoder {
    const rendition = new RenditionEncoder(options, request);
    void rendition.#keepReady();
    return rendition;
  }

  /** Whether a picture pushed now would be coded. */
  get takesPictures(): boolean {
    return this.#ready !== undefined || this.#atWork !== undefined;
  }

  change(request: RenditionRequest): void {
    const { widthPx, heightPx, bitrateBps } = this.#wanted;
    const same =
      request.widthPx === widthPx && request.heightPx === heightPx && request.bitrateBps === bitrateBps;
    if (same) return;
    this.#wanted = request;
    void this.#keepReady();
  }

  /** The next picture pushed shall be a key picture. */
  requestKeyframe(): void {
    this.#keyWanted = true;
  }

  /** As LiveEncoder.push: resolves when the picture has left the caller's buffer. */
  async push(frame: I420Frame, index: number): Promise<void> {
    this.#takeOver();
    const run = this.#atWork;
    if (run === undefined) return;
    const key = this.#keyWanted;
    this.#keyWanted = false;
    run.lastPushed = index;
    await run.encoder?.push(frame, index, key);
  }

  /** Gives the encoder at work up, dead or not, and starts another after a pause unless one is ready. */
  restart(): void {
    const run = this.#atWork ?? this.#line.at(-1);
    if (run !== undefined) {
      if (performance.now() - run.startedMs > HEALTHY_MS) this.#pauseMs = 0;
      run.retired = true;
      this.#end(run);
      this.#leave(run.encoder?.abort());
    }
    if (this.#ready === undefined) this.#again();
  }

  /** Hands out nothing more. Resolves when every ffmpeg is gone. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const run of [...this.#line, this.#ready]) this.#leave(run?.encoder?.abort());
    // One that is being warmed ends when it is warm, and leaves then.
    while (this.#leaving.size > 0) await Promise.all(this.#leaving);
  }

  get #atWork(): Run | undefined {
    const last = this.#line.at(-1);
    return last === undefined || last.retired || last.over ? undefined : last;
  }

  /** The old encoder gets no more pictures, but those inside it come out before any of the new one's. */
  #takeOver(): void {
    const next = this.#ready;
    if (next === undefined) return;
    const old = this.#atWork;
    this.#ready = undefined;
    this.#line.push(next);
    this.#options.onTakeOver?.(this.#wanted.name);
    if (old?.encoder === undefined) return;
    old.retired = true;
    const limitMs = this.#options.takeOverLimitMs ?? TAKE_OVER_LIMIT_MS;
    const limit = setTimeout(() => this.#leave(old.encoder?.abort()), limitMs);
    this.#leave(
      old.encoder.close().then(() => {
        clearTimeout(limit);
        this.#end(old);
      }),
    );
    this.#advance();
  }

  /** Has an encoder for what is wanted, however often that changes meanwhile and however often it fails. */
  async #keepReady(): Promise<void> {
    if (this.#warming) return;
    this.#warming = true;
    const { signal } = this.#closing;
    while (!signal.aborted && this.#made !== this.#wanted) {
      const goal = this.#wanted;
      try {
        if (this.#pauseMs > 0) await pause(this.#pauseMs, undefined, { signal });
        const run = await this.#start(goal);
        if (signal.aborted || goal !== this.#wanted) {
          this.#leave(run.encoder?.abort());
          continue;
        }
        this.#leave(this.#ready?.encoder?.abort());
        this.#ready = run;
        this.#made = goal;
      } catch (error) {
        if (signal.aborted) break;
        const { log } = this.#options;
        log.warn({ err: toAppError(error), rendition: goal.name }, 'an encoder did not start');
        this.#slowDown();
      }
    }
    this.#warming = false;
  }

  /** Resolves with a warm encoder. */
  async #start(goal: RenditionRequest): Promise<Run> {
    const { ffmpeg, widthPx, heightPx, fps, warmUp } = this.#options;
    const run: Run = {
      ...{ encoder: undefined, startedMs: performance.now(), lastPushed: -1, lastOut: -1 },
      ...{ retired: false, over: false, held: [] },
    };
    const creating = LiveEncoder.open(goal.name === 'h264' ? H264 : VP8, {
      ...{ ffmpeg, widthPx, heightPx, fps, coded: goal, bitrateBps: goal.bitrateBps, warmUp: warmUp() },
      onPicture: (picture) => this.#out(run, { ...picture, rendition: goal.name }),
      onFailed: (error) => this.#died(run, error),
    });
    // Who closes waits for an encoder that is starting, too.
    this.#leave(creating.then(() => {}));
    run.encoder = await creating;
    if (run.over) throw new AppError('ffmpeg-failed', 'the encoder died as soon as it was warm');
    if (this.#closing.signal.aborted) this.#leave(run.encoder.abort());
    return run;
  }

  #out(run: Run, picture: EncodedPicture): void {
    if (this.#closing.signal.aborted) return;
    run.lastOut = picture.index;
    if (this.#line[0] === run) this.#options.onPicture(picture);
    else run.held.push(picture);
    this.#advance();
  }

  /** Lets the next run's pictures go when the first one owes nothing more. */
  #advance(): void {
    for (let first = this.#line[0]; first !== undefined; first = this.#line[0]) {
      const drained = first.over || (first.retired && first.lastOut >= first.lastPushed);
      if (!drained) return;
      this.#line.shift();
      for (const picture of this.#line[0]?.held.splice(0) ?? []) this.#options.onPicture(picture);
    }
  }

  #died(run: Run, error: Error): void {
    if (this.#closing.signal.aborted) return;
    if (this.#ready === run) {
      this.#ready = undefined;
      this.#again();
      return;
    }
    const atWork = this.#atWork === run;
    if (atWork && performance.now() - run.startedMs > HEALTHY_MS) this.#pauseMs = 0;
    this.#end(run);
    if (atWork) this.#options.onLost(error);
  }

  #end(run: Run): void {
    run.over = true;
    this.#advance();
  }

  #again(): void {
    this.#slowDown();
    this.#made = undefined;
    void this.#keepReady();
  }

  #slowDown(): void {
    this.#pauseMs = Math.min(Math.max(2 * this.#pauseMs, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
  }

  #leave(end: Promise<void> | undefined): void {
    if (end === undefined) return;
    const left = end.catch(() => {}).finally(() => this.#leaving.delete(left));
    this.#leaving.add(left);
  }
}

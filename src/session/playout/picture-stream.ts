import type { RenditionRequest } from '../../encoder/renditions.js';
import type { MouthTuning } from '../../engine/engine.js';
import { AppError, toAppError } from '../../errors.js';
import type { Clock } from '../../lib/clock.js';
import type { Log } from '../../lib/log.js';
import type { YuvColour } from '../../media/colour.js';
import {
  frameToSamples,
  MEDIA_RATE,
  ENGINE_RATE,
  msToSamples,
  samplesToFrame,
  samplesToMs,
} from '../../media/timeline.js';
import type { WorkerStream, WorkerStreamOptions } from '../../worker/host.js';
import type { Shown } from '../../worker/shows.js';

/** A new stream takes over this far ahead of what is fed, so that it has time to open. */
const TAKE_OVER_AHEAD_MS = 500;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
const RATE_RATIO = MEDIA_RATE / ENGINE_RATE;

export interface PictureStreamOptions extends Omit<WorkerStreamOptions, 'firstIndex' | 'epoch' | 'onLost'> {
  /** The session's. */
  id: string;
  openStream(options: WorkerStreamOptions): Promise<WorkerStream>;
  /** The session's present epoch. */
  epoch(): number;
  /** Media time of the end of the sound that was fed. */
  fedSamples(): number;
  /** A stream is there, the first or another one. */
  onOpened(stream: WorkerStream): void;
  /** The present one is gone, and another is being opened. */
  onLost?(): void;
  clock: Clock;
  log: Log;
}

/**
 * A session's place in a worker, whichever worker that is: when one is lost, another is opened at a picture's start a
 * little ahead of the sound, which goes on meanwhile.
 */
export class PictureStream {
  readonly #options: PictureStreamOptions;
  #current: WorkerStream | undefined;
  /** Media time of the present stream's own first sample. */
  #startSamples = 0;
  /** 16 kHz samples to drop so that a new stream's sound starts at a picture's start. */
  #trimSamples = 0;
  #closed = false;
  #renditions: readonly RenditionRequest[] | undefined;
  #tuning: MouthTuning | undefined;
  #rateFps: number | undefined;
  #avatarId: string;
  #background: YuvColour | undefined;
  /** Of the first stream's pictures: those of all others have it, too, whichever avatar they begin with. */
  #sizePx: { widthPx: number; heightPx: number } | undefined;
  /** Streams that were lost. */
  lost = 0;

  constructor(options: PictureStreamOptions) {
    this.#options = options;
    this.#avatarId = options.avatarId;
  }

  /** The worker's stream; undefined while a new one is being opened. */
  get current(): WorkerStream | undefined {
    return this.#current;
  }

  /** Opens the first one, whose sound begins at media time 0. @throws what the worker says */
  open(): Promise<void> {
    return this.#open(() => 0);
  }

  /** Media time as the present stream counts it. */
  ownMs(samples: number): number {
    return samplesToMs(samples - this.#startSamples);
  }

  /** The next 16 kHz samples of the session, copied; lost while there is no stream. */
  pushSound(mono: Float32Array): void {
    if (this.#current === undefined) return;
    const cut = Math.min(this.#trimSamples, mono.length);
    this.#trimSamples -= cut;
    if (cut < mono.length) this.#current.pushSound(mono.slice(cut));
  }

  /** As WorkerStream.cut, from a media time of the session on. */
  cut(epoch: number, fromSamples: number): void {
    this.#current?.cut(epoch, this.ownMs(fromSamples));
  }

  /** As WorkerStream.tune; a stream that is opened later moves so, too. */
  tune(tuning: MouthTuning): void {
    this.#tuning = tuning;
    this.#current?.tune(tuning);
  }

  /** As WorkerStream.show; a stream that is opened later begins with that avatar. */
  async show(avatarId: string, background?: YuvColour): Promise<Shown> {
    const shown = await this.#running().show(avatarId, background);
    this.#avatarId = avatarId;
    this.#background = background;
    return shown;
  }

  /** As WorkerStream.act; a stream that is opened later does not go on with it. */
  act(name: string, times: number): Promise<Shown> {
    return this.#running().act(name, times);
  }

  stopActing(): void {
    this.#current?.stopActing();
  }

  #running(): WorkerStream {
    if (this.#current !== undefined) return this.#current;
    throw new AppError('worker-died', 'the picture is being brought back; try again in a moment');
  }

  /** As WorkerStream.setRate; a stream that is opened later has it, too. */
  setRate(fps: number): void {
    this.#rateFps = fps;
    this.#current?.setRate(fps);
  }

  /** As WorkerStream.setRenditions; a stream that is opened later gets them, too. */
  setRenditions(wanted: readonly RenditionRequest[]): void {
    this.#renditions = wanted;
    this.#current?.setRenditions(wanted);
  }

  /** Does not wait for a stream that is being opened: that one closes when it is there. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#current?.close();
  }

  /** `firstIndex` is asked for when the worker is there, which may take minutes. */
  async #open(firstIndex: () => number): Promise<void> {
    const { fps, onPicture, onJpeg, onStats, onActOver, onCodedAnew, id, log } = this.#options;
    const high = this.#renditions?.find(({ name }) => name === 'high');
    const bitrateBps = high?.bitrateBps ?? this.#options.bitrateBps;
    let epoch = 0;
    const stream = await this.#options.openStream({
      ...{ avatarId: this.#avatarId, fps, bitrateBps, onPicture, onJpeg, onStats, firstIndex },
      ...(onCodedAnew === undefined ? {} : { onCodedAnew }),
      ...(onActOver === undefined ? {} : { onActOver }),
      ...(this.#background === undefined ? {} : { background: this.#background }),
      ...(this.#sizePx === undefined ? {} : { sizePx: this.#sizePx }),
      epoch: () => (epoch = this.#options.epoch()),
      onLost: (reason) => {
        log.warn({ session: id, reason }, 'picture stream lost, opening another');
        this.#current = undefined;
        this.lost += 1;
        this.#options.onLost?.();
        void this.#reopen();
      },
    });
    if (this.#closed) {
      await stream.close();
      return;
    }
    this.#current = stream;
    this.#sizePx ??= { widthPx: stream.widthPx, heightPx: stream.heightPx };
    // There was a cut while it was being opened.
    if (epoch !== this.#options.epoch()) this.cut(this.#options.epoch(), this.#options.fedSamples());
    if (this.#renditions !== undefined) stream.setRenditions(this.#renditions);
    if (this.#tuning !== undefined) stream.tune(this.#tuning);
    if (this.#rateFps !== undefined) stream.setRate(this.#rateFps);
    this.#options.onOpened(stream);
  }

  async #reopen(): Promise<void> {
    const { id, fps, fedSamples, clock, log } = this.#options;
    for (let pauseMs = FIRST_PAUSE_MS; !this.#closed; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        await this.#open(() => {
          const index = samplesToFrame(fedSamples() + msToSamples(TAKE_OVER_AHEAD_MS), fps);
          this.#startSamples = frameToSamples(index, fps);
          return index;
        });
        this.#align(fedSamples() - this.#startSamples);
        return;
      } catch (error) {
        log.warn({ session: id, err: toAppError(error) }, 'picture stream could not be reopened');
        await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
      }
    }
  }

  /** Fills up what the stream came late for, or holds sound back until its first picture. */
  #align(lateSamples: number): void {
    this.#trimSamples = Math.round(Math.max(0, -lateSamples) / RATE_RATIO);
    if (lateSamples > 0) this.#current?.pushSound(new Float32Array(Math.round(lateSamples / RATE_RATIO)));
  }
}

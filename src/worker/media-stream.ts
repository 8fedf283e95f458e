import { tmpdir } from 'node:os';
import type { Ffmpeg } from '../adapters/ffmpeg.js';
import type { AvatarStore } from '../avatar/store.js';
import { JpegEncoder } from '../encoder/jpeg-encoder.js';
import type { RenditionRequest } from '../encoder/renditions.js';
import { toAppError } from '../errors.js';
import type { Engine, MouthTuning, Take } from '../engine/engine.js';
import type { Log } from '../lib/log.js';
import { Scope } from '../lib/scope.js';
import type { YuvColour } from '../media/colour.js';
import type { I420Frame, RenditionName } from '../media/frame.js';
import { ENGINE_RATE } from '../media/timeline.js';
import { ExtraRendition } from './extra-rendition.js';
import { readSpeech } from './read-speech.js';
import type { FromWorker } from './protocol.js';
import { PictureNumbers } from './picture-numbers.js';
import { RenditionEncoder, type RenditionEncoderOptions } from './rendition-encoder.js';
import { Director } from './stage/director.js';
import { openAvatar } from './stage/open-avatar.js';
import { Stage } from './stage/stage.js';

interface MediaStreamOptions {
  streamId: number;
  avatarId: string;
  fps: number;
  bitrateBps: number;
  /** Frame number of the first picture; later than 0 when a new worker takes over a running session. */
  firstIndex: number;
  /** The epoch that its first pictures belong to; default 0. */
  epoch?: number;
  /** Of the pictures; the avatar's own if absent. */
  sizePx?: { widthPx: number; heightPx: number };
  background?: YuvColour;
  store: AvatarStore;
  engine: Engine;
  ffmpeg: Ffmpeg;
  send(message: FromWorker): void;
  log: Log;
}

/** Pictures that may wait to be drawn before some are left out. */
const MAX_WAITING_PICTURES = 3;

/** One session inside a worker: sound in, pictures drawn, coded in the renditions that are wanted (and JPEG while it is) out. */
export class MediaStream {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Says which avatar is seen. */
  readonly director: Director;
  readonly #options: MediaStreamOptions;
  readonly #engine: Stage;
  readonly #encoding: RenditionEncoderOptions;
  /** `high` sets the pace of the drawing, and the stream ends with it; the others must not disturb either. */
  #high: RenditionEncoder | undefined;
  readonly #extras = new Map<RenditionName, ExtraRendition>();
  readonly #leaving = new Set<Promise<void>>();
  readonly #scope: Scope;
  readonly #rehearsals = new Map<number, { abort: AbortController; take: Promise<Take> }>();
  readonly #cues: Promise<void>[] = [];
  #pending: Float32Array[] = [];
  #pendingSamples = 0;
  #receivedSamples = 0;
  #running: Promise<void> = Promise.resolve();
  #busy = false;
  #closed = false;
  #nextIndex: number;
  /** What the next picture is to the encoders. */
  #serial: number;
  readonly #numbers: PictureNumbers;
  /** Pictures that are drawn once more after a cut, and are no sign of falling behind. */
  #again = 0;
  /** How many of the session's pictures a second are drawn. */
  #rateFps: number;
  #jpeg: JpegEncoder | undefined;
  #jpegWanted = false;
  #stats = newStats();

  private constructor(
    options: MediaStreamOptions,
    engine: Stage,
    encoding: RenditionEncoderOptions,
    high: RenditionEncoder,
    numbers: PictureNumbers,
    scope: Scope,
  ) {
    this.#options = options;
    this.#engine = engine;
    this.#encoding = encoding;
    this.#high = high;
    this.#scope = scope;
    this.#nextIndex = options.firstIndex;
    this.#serial = options.firstIndex;
    this.#numbers = numbers;
    this.#rateFps = options.fps;
    this.widthPx = engine.widthPx;
    this.heightPx = engine.heightPx;
    this.director = new Director({ ...options, stage: engine });
  }

  static async create(options: MediaStreamOptions): Promise<MediaStream> {
    const scope = new Scope();
    try {
      const { streamId, fps, send } = options;
      const look = options.background === undefined ? {} : { background: options.background };
      const opened = await openAvatar(options.store, options.avatarId, options.engine, { fps, ...look });
      const engine = new Stage(opened, { fps, ...options.sizePx });
      scope.defer(() => engine.close());
      const { widthPx, heightPx } = engine;
      const warmUp = engine.still();
      const numbers = new PictureNumbers(options.epoch ?? 0);
      const encoding: RenditionEncoderOptions = {
        ...{ ffmpeg: options.ffmpeg, widthPx, heightPx, fps, log: options.log },
        warmUp: () => ({ ...warmUp, data: warmUp.data.slice() }),
        onPicture: ({ rendition = 'high', index, key, data }) =>
          send({ type: 'picture', streamId, rendition, ...numbers.of(index), key, data }),
        onTakeOver: (rendition) => send({ type: 'coded-anew', streamId, rendition }),
        onLost: (error) => send({ type: 'stream-failed', streamId, message: error.message }),
      };
      const { bitrateBps } = options;
      const high = await RenditionEncoder.open(encoding, { name: 'high', widthPx, heightPx, bitrateBps });
      return new MediaStream(options, engine, encoding, high, numbers, scope);
    } catch (error) {
      await scope.close();
      throw error;
    }
  }

  get lookaheadMs(): number {
    return this.#engine.lookaheadMs;
  }

  /** Takes ownership of `pcm`. The server paces the sound, so what waits here stays short. */
  pushSound(pcm: Float32Array): void {
    if (this.#closed) return;
    this.#pending.push(pcm);
    this.#pendingSamples += pcm.length;
    this.#receivedSamples += pcm.length;
    if (!this.#busy) this.#running = this.#drain();
  }

  /** What is encoded from now on; see WorkerStream.setRenditions. */
  setRenditions(wanted: readonly RenditionRequest[]): void {
    if (this.#closed) return;
    const requests = new Map(wanted.map((request) => [request.name, request]));
    const high = requests.get('high');
    requests.delete('high');
    if (high === undefined) {
      this.#leave(this.#high?.close());
      this.#high = undefined;
    } else if (this.#high === undefined) this.#high = RenditionEncoder.start(this.#encoding, high);
    else this.#high.change(high);
    for (const [name, extra] of this.#extras) {
      if (requests.has(name)) continue;
      this.#extras.delete(name);
      this.#leave(extra.close());
    }
    for (const [name, request] of requests) {
      const extra = this.#extras.get(name);
      if (extra === undefined) this.#extras.set(name, new ExtraRendition(this.#encoding, request));
      else extra.change(request);
    }
  }

  /** The next picture of this rendition, or of all, shall be a key picture. */
  requestKeyframe(rendition?: RenditionName): void {
    if (rendition === undefined || rendition === 'high') this.#high?.requestKeyframe();
    for (const [name, extra] of this.#extras)
      if (rendition === undefined || rendition === name) extra.requestKeyframe();
  }

  setJpeg(wanted: boolean): void {
    this.#jpegWanted = wanted;
  }

  /** See WorkerStream.setRate. */
  setRate(fps: number): void {
    this.#rateFps = fps;
  }

  tune(tuning: MouthTuning): void {
    this.#engine.tune?.(tuning);
  }

  /** Makes the faces of a sound file ahead of its play and tells how far it is. */
  rehearse(rehearsalId: number, audioPath: string): void {
    const { streamId, engine, ffmpeg, fps, send } = this.#options;
    const abort = new AbortController();
    const make = async (): Promise<Take> => {
      if (engine.rehearse === undefined) throw new Error(`the ${engine.name} engine does not rehearse`);
      const pcm = await readSpeech(ffmpeg, audioPath, abort.signal);
      let told = 0;
      return engine.rehearse(this.#engine.avatar, pcm, {
        fps,
        folder: tmpdir(),
        signal: abort.signal,
        onProgress(fraction) {
          if (fraction < 1 && fraction - told < 0.01) return;
          told = fraction;
          send({ type: 'rehearsing', streamId, rehearsalId, fraction });
        },
      });
    };
    const take = make();
    this.#rehearsals.set(rehearsalId, { abort, take });
    take.then(
      () => send({ type: 'rehearsed', streamId, rehearsalId }),
      (error: unknown) => {
        const { code, message } = toAppError(error);
        this.#rehearsals.delete(rehearsalId);
        if (!abort.signal.aborted) send({ type: 'rehearsed', streamId, rehearsalId, code, message });
      },
    );
  }

  dropRehearsal(rehearsalId: number): void {
    const rehearsal = this.#rehearsals.get(rehearsalId);
    this.#rehearsals.delete(rehearsalId);
    rehearsal?.abort.abort();
    rehearsal?.take.then(
      (take) => take.close(),
      () => {},
    );
  }

  /** The rehearsed faces are shown from media time `atMs` (of this stream) on; the engine closes them. */
  cue(rehearsalId: number, atMs: number): void {
    const rehearsal = this.#rehearsals.get(rehearsalId);
    if (rehearsal === undefined) return;
    const cue = async (): Promise<void> => {
      const take = await rehearsal.take;
      // Dropped meanwhile, it was closed.
      if (this.#rehearsals.delete(rehearsalId)) this.#engine.cue?.(take, atMs);
    };
    // The sound behind this message waits for its turn in #drain, so the take is in place before it is pushed.
    this.#cues.push(cue().catch(() => {}));
  }

  /** See `cut` in protocol.ts. */
  cut(epoch: number, fromMs: number): void {
    const untilMs = (this.#receivedSamples * 1000) / ENGINE_RATE;
    if (this.#engine.rewind !== undefined) {
      const { fps, firstIndex } = this.#options;
      const first = Math.max(0, Math.ceil((fromMs * fps) / 1000 - 1e-6));
      const back = Math.max(0, this.#nextIndex - firstIndex - first);
      this.#engine.rewind(back);
      this.#engine.cut?.(untilMs);
      this.#begin(epoch, back);
      // What is drawn again needs no more sound.
      this.pushSound(new Float32Array(0));
      return;
    }
    // Behind the sound that came before this message.
    void this.#running.then(() => {
      this.#engine.cut?.(untilMs);
      this.#begin(epoch, 0);
    });
  }

  #begin(epoch: number, back: number): void {
    this.#numbers.cut(this.#serial, back, epoch);
    this.#nextIndex -= back;
    this.#again = back;
    this.requestKeyframe();
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    try {
      for (let pcm = this.#pending.shift(); pcm !== undefined && !this.#closed; pcm = this.#pending.shift()) {
        this.#pendingSamples -= pcm.length;
        await Promise.all(this.#cues.splice(0));
        this.#catchUp();
        let mark = performance.now();
        for await (const frame of this.#engine.push(pcm)) {
          if (this.#closed) return;
          const drawn = performance.now();
          this.#nextIndex += 1;
          this.#again = Math.max(0, this.#again - 1);
          const serial = this.#serial++;
          for (const extra of this.#extras.values()) extra.push(frame, serial);
          await Promise.all([this.#high?.push(frame, serial), this.#pushJpeg(frame, serial)]);
          this.#count(drawn - mark, performance.now() - drawn);
          this.#leaveOut();
          mark = performance.now();
        }
      }
    } catch (error) {
      if (!this.#closed) {
        this.#options.log.error({ err: error, streamId: this.#options.streamId }, 'drawing failed');
        this.#options.send({
          type: 'stream-failed',
          streamId: this.#options.streamId,
          message: error instanceof Error ? error.message : String(error),
        });
      }
    } finally {
      this.#busy = false;
    }
  }

  /**
   * Leaves pictures out when more of them could be drawn than a moment's delay explains, so that the mouth stays with
   * the sound. Counted in pictures whose sound has come, look-ahead included: the burst of sound with which a session
   * begins only fills the look-ahead.
   */
  #catchUp(): void {
    const { fps, firstIndex } = this.#options;
    const receivedMs = (this.#receivedSamples * 1000) / ENGINE_RATE;
    const drawable = Math.floor(((receivedMs - this.#engine.lookaheadMs) * fps) / 1000) + 1;
    const waiting = drawable - (this.#nextIndex - firstIndex);
    if (waiting <= MAX_WAITING_PICTURES + this.#again) return;
    const behind = waiting - 1;
    this.#engine.skip(behind);
    this.#nextIndex += behind;
    this.#serial += behind;
    this.#stats.skipped += behind;
  }

  /** Pictures that the session's present rate has no place for. */
  #leaveOut(): void {
    const { fps } = this.#options;
    if (this.#rateFps >= fps) return;
    const place = (index: number): number => Math.floor((index * this.#rateFps) / fps + 1e-9);
    let count = 0;
    while (place(this.#nextIndex + count) === place(this.#nextIndex + count - 1)) count += 1;
    if (count === 0) return;
    this.#engine.skip(count);
    this.#nextIndex += count;
    this.#serial += count;
  }

  async #pushJpeg(frame: I420Frame, index: number): Promise<void> {
    if (!this.#jpegWanted) {
      this.#leave(this.#jpeg?.close());
      this.#jpeg = undefined;
      return;
    }
    const { streamId, fps, ffmpeg, send, log } = this.#options;
    this.#jpeg ??= await JpegEncoder.create({
      ffmpeg,
      widthPx: this.widthPx,
      heightPx: this.heightPx,
      fps,
      onPicture: ({ index, data }) => send({ type: 'jpeg', streamId, ...this.#numbers.of(index), data }),
      onFailed: (error) => log.warn({ err: error, streamId }, 'jpeg encoder failed'),
    });
    try {
      await this.#jpeg.push(frame, index, true);
    } catch {
      // Told by onFailed. The WebRTC viewers of this stream must not lose their picture over it, and the next
      // `<img>` viewer starts another.
      this.#jpeg = undefined;
      this.#jpegWanted = false;
    }
  }

  #count(renderMs: number, encodeMs: number): void {
    const stats = this.#stats;
    stats.frames += 1;
    stats.renderMs += renderMs;
    stats.encodeMs += encodeMs;
    if (performance.now() - stats.since < 1000) return;
    this.#options.send({
      type: 'stats',
      streamId: this.#options.streamId,
      frames: stats.frames,
      skipped: stats.skipped,
      renderMs: stats.renderMs / stats.frames,
      encodeMs: stats.encodeMs / stats.frames,
      backlogMs: (this.#pendingSamples * 1000) / ENGINE_RATE,
      ...this.#extraStats(),
    });
    this.#stats = newStats();
  }

  #extraStats(): { renditionDrops: number; renditionRestarts: number } {
    const sum = { renditionDrops: 0, renditionRestarts: 0 };
    for (const extra of this.#extras.values()) {
      sum.renditionDrops += extra.dropped;
      sum.renditionRestarts += extra.restarts;
      extra.dropped = 0;
      extra.restarts = 0;
    }
    return sum;
  }

  /** Lets an encoder end in its own time; `close` waits for it. */
  #leave(end: Promise<void> | undefined): void {
    if (end === undefined) return;
    const left = end.catch(() => {}).finally(() => this.#leaving.delete(left));
    this.#leaving.add(left);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#pending = [];
    for (const id of [...this.#rehearsals.keys()]) this.dropRehearsal(id);
    // Both at once: what draws may wait for a face, which the engine's stream gives up when it is closed.
    await Promise.allSettled([this.#engine.close(), this.#running]);
    for (const encoder of [this.#jpeg, this.#high, ...this.#extras.values()]) this.#leave(encoder?.close());
    await Promise.all(this.#leaving);
    await this.#scope.close();
  }
}

function newStats() {
  return { frames: 0, skipped: 0, renderMs: 0, encodeMs: 0, since: performance.now() };
}

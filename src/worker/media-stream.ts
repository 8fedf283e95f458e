import { tmpdir } from 'node:os';
import type { Ffmpeg } from '../adapters/ffmpeg.js';
import type { AvatarStore } from '../avatar/store.js';
import { JpegEncoder } from '../encoder/jpeg-encoder.js';
import { Vp8Encoder } from '../encoder/vp8-encoder.js';
import { toAppError } from '../errors.js';
import type { AvatarSource, Engine, EngineStream, Take } from '../engine/engine.js';
import type { Log } from '../lib/log.js';
import { Scope } from '../lib/scope.js';
import { i420SizeBytes } from '../media/frame.js';
import { ENGINE_RATE } from '../media/timeline.js';
import { readSpeech } from './read-speech.js';
import type { FromWorker } from './protocol.js';

interface MediaStreamOptions {
  streamId: number;
  avatarId: string;
  fps: number;
  bitrateBps: number;
  /** Frame number of the first picture; later than 0 when a new worker takes over a running session. */
  firstIndex: number;
  store: AvatarStore;
  engine: Engine;
  ffmpeg: Ffmpeg;
  send(message: FromWorker): void;
  log: Log;
}

/** Pictures that may wait to be drawn before some are left out. */
const MAX_WAITING_PICTURES = 3;

/** One session inside a worker: sound in, pictures drawn, VP8 (and JPEG while wanted) out. */
export class MediaStream {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly #options: MediaStreamOptions;
  readonly #engine: EngineStream;
  readonly #vp8: Vp8Encoder;
  readonly #scope: Scope;
  readonly #avatar: AvatarSource;
  readonly #rehearsals = new Map<number, { abort: AbortController; take: Promise<Take> }>();
  readonly #cues: Promise<void>[] = [];
  #pending: Float32Array[] = [];
  #pendingSamples = 0;
  #receivedSamples = 0;
  #running: Promise<void> = Promise.resolve();
  #busy = false;
  #closed = false;
  #nextIndex: number;
  #keyWanted = false;
  #jpeg: JpegEncoder | undefined;
  #jpegWanted = false;
  #stats = { frames: 0, skipped: 0, renderMs: 0, encodeMs: 0, since: performance.now() };

  private constructor(
    options: MediaStreamOptions,
    engine: EngineStream,
    vp8: Vp8Encoder,
    avatar: AvatarSource,
    scope: Scope,
  ) {
    this.#options = options;
    this.#engine = engine;
    this.#vp8 = vp8;
    this.#scope = scope;
    this.#nextIndex = options.firstIndex;
    this.#avatar = avatar;
    this.widthPx = avatar.widthPx;
    this.heightPx = avatar.heightPx;
  }

  static async create(options: MediaStreamOptions): Promise<MediaStream> {
    const scope = new Scope();
    try {
      const { streamId, fps, send } = options;
      const avatar = await options.store.open(options.avatarId);
      scope.defer(() => avatar.close());
      const engine = await options.engine.open(avatar, { fps });
      scope.defer(() => engine.close());
      const { widthPx, heightPx } = avatar;
      const first = new Uint8Array(i420SizeBytes(widthPx, heightPx));
      avatar.readFrame(0, first);
      const vp8 = await Vp8Encoder.create({
        warmUp: { widthPx, heightPx, data: first },
        ffmpeg: options.ffmpeg,
        widthPx,
        heightPx,
        fps,
        bitrateBps: options.bitrateBps,
        onPicture: ({ index, key, data }) => send({ type: 'picture', streamId, index, key, data }),
        onFailed: (error) => send({ type: 'stream-failed', streamId, message: error.message }),
      });
      scope.defer(() => vp8.close());
      return new MediaStream(options, engine, vp8, avatar, scope);
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

  requestKeyframe(): void {
    this.#keyWanted = true;
  }

  setJpeg(wanted: boolean): void {
    this.#jpegWanted = wanted;
  }

  /** Makes the faces of a sound file ahead of its play and tells how far it is. */
  rehearse(rehearsalId: number, audioPath: string): void {
    const { streamId, engine, ffmpeg, fps, send } = this.#options;
    const abort = new AbortController();
    const make = async (): Promise<Take> => {
      if (engine.rehearse === undefined) throw new Error(`the ${engine.name} engine does not rehearse`);
      const pcm = await readSpeech(ffmpeg, audioPath, abort.signal);
      let told = 0;
      return engine.rehearse(this.#avatar, pcm, {
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

  cut(): void {
    // Behind the sound that came before this message.
    void this.#running.then(() => this.#engine.cut?.());
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
          const index = this.#nextIndex++;
          const key = this.#keyWanted;
          this.#keyWanted = false;
          await this.#vp8.push(frame, index, key);
          await this.#pushJpeg(frame, index);
          this.#count(drawn - mark, performance.now() - drawn);
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
    if (waiting <= MAX_WAITING_PICTURES) return;
    const behind = waiting - 1;
    this.#engine.skip(behind);
    this.#nextIndex += behind;
    this.#stats.skipped += behind;
  }

  async #pushJpeg(frame: Parameters<Vp8Encoder['push']>[0], index: number): Promise<void> {
    if (!this.#jpegWanted) {
      const old = this.#jpeg;
      this.#jpeg = undefined;
      await old?.close();
      return;
    }
    const { streamId, fps, ffmpeg, send, log } = this.#options;
    this.#jpeg ??= await JpegEncoder.create({
      ffmpeg,
      widthPx: this.widthPx,
      heightPx: this.heightPx,
      fps,
      onPicture: (picture) => send({ type: 'jpeg', streamId, index: picture.index, data: picture.data }),
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
    });
    this.#stats = { frames: 0, skipped: 0, renderMs: 0, encodeMs: 0, since: performance.now() };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#pending = [];
    for (const id of [...this.#rehearsals.keys()]) this.dropRehearsal(id);
    // Both at once: what draws may wait for a face, which the engine's stream gives up when it is closed.
    await Promise.allSettled([this.#engine.close(), this.#running]);
    await this.#jpeg?.close();
    this.#jpeg = undefined;
    await this.#scope.close();
  }
}

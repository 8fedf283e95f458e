import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AppError, type ErrorCode } from '../errors.js';
import type { MouthTuning } from '../engine/engine.js';
import type { CostMode } from '../engine/faces/cost-model.js';
import type { Log } from '../lib/log.js';
import type { RenditionRequest } from '../encoder/renditions.js';
import type { YuvColour } from '../media/colour.js';
import type { EncodedPicture, RenditionName } from '../media/frame.js';
import { HostEars, type EarEvents, type WorkerEar } from './host-ears.js';
import { Rehearsals } from './rehearsals.js';
import { Shows, type Shown } from './shows.js';
import type { FaceReadiness, FromWorker, ToWorker, WorkerSettings } from './protocol.js';

const READY_LIMIT_MS = 20_000;
/** Gigabytes of networks are read, warmed up and timed. */
const FACE_READY_LIMIT_MS = 600_000;
const OPEN_LIMIT_MS = 15_000;
const CLOSE_LIMIT_MS = 3_000;
const FIRST_RESPAWN_MS = 200;
const MAX_RESPAWN_MS = 10_000;
/** A worker that lived this long starts its back-off anew. */
const HEALTHY_MS = 30_000;

export interface WorkerStreamOptions {
  avatarId: string;
  fps: number;
  /** Of `high`, with which the stream begins. */
  bitrateBps: number;
  /** Number of the first picture; asked for when the worker is there. */
  firstIndex(): number;
  /** The epoch that it begins in; 0 if absent. Asked for when the worker is there. */
  epoch?(): number;
  /** Of the pictures; the avatar's own if absent. */
  sizePx?: { widthPx: number; heightPx: number };
  /** Behind the person of a photo; its own if absent. */
  background?: YuvColour;
  /** Of all renditions; within each, indices rise and every picture before the next key picture needs the one before. */
  onPicture(picture: EncodedPicture & { readonly rendition: RenditionName }): void;
  onJpeg(picture: EncodedPicture): void;
  onStats(stats: WorkerStreamStats): void;
  /** The stream is gone (worker died, encoder failed); not called after close(). */
  onLost(reason: string): void;
  /** The next picture of this rendition is the first of another encoder, as after setRenditions. */
  onCodedAnew?(rendition: RenditionName): void;
  /** An action ends: what follows is first seen in picture `fromIndex`. */
  onActOver?(showId: number, over: { fromIndex: number; interrupted: boolean }): void;
}

/** Of about the last second. */
export interface WorkerStreamStats {
  skipped: number;
  renderMs: number;
  encodeMs: number;
  backlogMs: number;
  /** Pictures that renditions beside `high` left out because their encoders were behind. */
  renditionDrops: number;
  /** Encoders of such renditions that died or stood still and were started again. */
  renditionRestarts: number;
}

/** One session's place in a media worker. */
export interface WorkerStream {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly lookaheadMs: number;
  pushSound(pcm: Float32Array): void;
  /**
   * What is encoded from now on (at first: `high`). A rendition that was not wanted before begins with a key picture some
   * 0.2 s later; one of another size or bit rate goes on without a gap until its new encoder takes over with a key
   * picture; one that is left out ends.
   */
  setRenditions(wanted: readonly RenditionRequest[]): void;
  /** The next picture of this rendition, or of all, shall be a key picture. */
  requestKeyframe(rendition?: RenditionName): void;
  setJpeg(wanted: boolean): void;
  /**
   * Makes the faces of a sound file before it plays. Resolves with what `cue` takes; rejects with the worker's reason,
   * with worker-died, or when the signal aborts. Only where the engine rehearses.
   */
  rehearse(
    audioPath: string,
    options: { onProgress(fraction: number): void; signal: AbortSignal },
  ): Promise<number>;
  /** The rehearsed sound begins at media time `atMs` since the stream's own first sample. */
  cue(rehearsalId: number, atMs: number): void;
  /** A rehearsal that will not be cued. */
  drop(rehearsalId: number): void;
  /** How the mouth moves; without effect where the engine cannot. */
  tune(tuning: MouthTuning): void;
  /**
   * Another avatar, or the same before another background, takes the place of what is seen. Rejects with avatar-not-found, avatar-not-ready, not-supported,
   * superseded (by a newer request), worker-died.
   */
  show(avatarId: string, background?: YuvColour): Promise<Shown>;
  /** The avatar plays an action, and onActOver is told when it ends. Rejects as `show`. */
  act(name: string, times: number): Promise<Shown>;
  stopActing(): void;
  /** Draws so many pictures a second from now on, evenly, and leaves the others out; at most the stream's `fps`. */
  setRate(fps: number): void;
  /** The speech was interrupted: from `fromMs` (since the stream's own first sample) on it is not to be seen. */
  cut(epoch: number, fromMs: number): void;
  close(): Promise<void>;
}

interface Entry {
  options: WorkerStreamOptions;
  opened: {
    resolve(size: { widthPx: number; heightPx: number; lookaheadMs: number }): void;
    reject(error: Error): void;
  };
  closed: (() => void) | undefined;
  rehearsals: Rehearsals;
  shows: Shows;
}

let nextStreamId = 1;

/** Whoever waits for something of this stream is told that it will not come. */
function giveUp({ rehearsals, shows }: Entry, reason: AppError): void {
  rehearsals.close(reason);
  shows.close(reason);
}

/** One media worker process: started, supervised, restarted with back-off when it dies. */
export class WorkerHost {
  readonly #settings: WorkerSettings;
  readonly #log: Log;
  #child: ChildProcess | undefined;
  #ready: Promise<void> = Promise.resolve();
  #entries = new Map<number, Entry>();
  readonly #ears = new HostEars((message) => this.#send(message));
  #closing: Promise<void> | undefined;
  #respawnMs = FIRST_RESPAWN_MS;
  #respawnTimer: NodeJS.Timeout | undefined;
  /** Rejects when the host is closed, so that nobody waits for a worker that will not come. */
  readonly #abandoned: Promise<never>;
  #abandon: (reason: AppError) => void = () => {};
  #unusable: AppError | undefined;
  #mode: CostMode | undefined;
  restarts = 0;
  /** What the worker measured of its engine; undefined for the CPU engine, and while the networks load. */
  faces: FaceReadiness | undefined;
  /** Why the latest process did not become ready; undefined while that is open and once one is. */
  failure: AppError | undefined;

  private constructor(settings: WorkerSettings, log: Log) {
    this.#settings = settings;
    this.#log = log;
    this.#abandoned = new Promise((_, reject) => (this.#abandon = reject));
    this.#abandoned.catch(() => {});
  }

  /** Starts the process and does not wait for it: `ready` tells. */
  static start(settings: WorkerSettings, log: Log): WorkerHost {
    const host = new WorkerHost(settings, log);
    host.#spawn();
    return host;
  }

  static async create(settings: WorkerSettings, log: Log): Promise<WorkerHost> {
    const host = WorkerHost.start(settings, log);
    try {
      await host.ready;
    } catch (error) {
      await host.close();
      throw error;
    }
    return host;
  }

  /** Rejects with the reason why this worker cannot be used. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** The worker said that it cannot be built, so no other one will be started. */
  get isUnusable(): boolean {
    return this.#unusable !== undefined;
  }

  get load(): number {
    return this.#entries.size;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async open(options: WorkerStreamOptions): Promise<WorkerStream> {
    await Promise.race([this.#ready, this.#abandoned]);
    const streamId = nextStreamId++;
    const size = await new Promise<{ widthPx: number; heightPx: number; lookaheadMs: number }>(
      (resolve, reject) => {
        const limit = setTimeout(
          () =>
            reject(
              new AppError('timeout', `avatar ${options.avatarId} did not open within ${OPEN_LIMIT_MS} ms`),
            ),
          OPEN_LIMIT_MS,
        );
        const settle =
          <T>(callback: (value: T) => void) =>
          (value: T) => {
            clearTimeout(limit);
            callback(value);
          };
        this.#entries.set(streamId, {
          options,
          opened: { resolve: settle(resolve), reject: settle(reject) },
          closed: undefined,
          rehearsals: new Rehearsals((message) => this.#send({ ...message, streamId })),
          shows: new Shows(),
        });
        const { avatarId, fps, bitrateBps, sizePx, background } = options;
        const epoch = options.epoch?.() ?? 0;
        const firstIndex = options.firstIndex();
        const look = {
          ...(sizePx === undefined ? {} : { sizePx }),
          ...(background === undefined ? {} : { background }),
        };
        this.#send({ type: 'open', streamId, avatarId, fps, bitrateBps, firstIndex, epoch, ...look });
      },
    ).catch((error: unknown) => {
      this.#entries.delete(streamId);
      this.#send({ type: 'close', streamId });
      throw error;
    });
    let closing: Promise<void> | undefined;
    const ask = (request: (showId: number) => ToWorker): Promise<Shown> => {
      const shows = this.#entries.get(streamId)?.shows;
      if (shows === undefined)
        return Promise.reject(new AppError('worker-died', 'the picture stream is gone'));
      return shows.ask((showId) => this.#send(request(showId)));
    };
    return {
      ...size,
      pushSound: (pcm) => this.#send({ type: 'sound', streamId, pcm }),
      setRenditions: (wanted) => this.#send({ type: 'renditions', streamId, wanted }),
      requestKeyframe: (rendition) =>
        this.#send({ type: 'keyframe', streamId, ...(rendition === undefined ? {} : { rendition }) }),
      setJpeg: (wanted) => this.#send({ type: 'jpeg', streamId, wanted }),
      rehearse: (audioPath, rehearseOptions) =>
        this.#entries.get(streamId)?.rehearsals.start(audioPath, rehearseOptions) ??
        Promise.reject(new AppError('worker-died', 'the picture stream is gone')),
      cue: (rehearsalId, atMs) => this.#send({ type: 'cue', streamId, rehearsalId, atMs }),
      drop: (rehearsalId) => this.#send({ type: 'drop-rehearsal', streamId, rehearsalId }),
      tune: (tuning) => this.#send({ type: 'tune', streamId, tuning }),
      show: (avatarId, background) =>
        ask((showId) => ({
          ...{ type: 'show', streamId, showId, avatarId },
          ...(background === undefined ? {} : { background }),
        })),
      act: (name, times) => ask((showId) => ({ type: 'act', streamId, showId, name, times })),
      setRate: (rate) => this.#send({ type: 'rate', streamId, fps: rate }),
      stopActing: () => this.#send({ type: 'stop-acting', streamId }),
      cut: (epoch, fromMs) => this.#send({ type: 'cut', streamId, epoch, fromMs }),
      close: () => (closing ??= this.#closeStream(streamId)),
    };
  }

  /** Listens to somebody who is not spoken for. */
  listen(events: EarEvents): WorkerEar {
    return this.#ears.open(events);
  }

  #send(message: ToWorker): void {
    // A dead worker's messages are dropped on purpose: its streams are told by onLost.
    if (this.#child?.connected) this.#child.send(message, undefined, undefined, () => {});
  }

  #spawn(): void {
    const child = fork(
      fileURLToPath(new URL('./child.js', import.meta.url)),
      [JSON.stringify(this.#settingsNow())],
      {
        serialization: 'advanced',
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      },
    );
    const bornMs = performance.now();
    this.#child = child;
    this.#ready = new Promise((resolve, reject) => {
      const limitMs = this.#settings.face === undefined ? READY_LIMIT_MS : FACE_READY_LIMIT_MS;
      let settled = false;
      const settle = (failure?: AppError) => {
        if (settled) return;
        settled = true;
        clearTimeout(limit);
        this.failure = failure;
        if (failure === undefined) resolve();
        else reject(failure);
      };
      const limit = setTimeout(
        () => settle(new AppError('timeout', `a media worker was not ready within ${limitMs} ms`)),
        limitMs,
      );
      child.on('message', (raw) => {
        const message = raw as FromWorker;
        if (message.type === 'ready') {
          this.faces = message.faces;
          this.#mode ??= message.faces?.plan.mode;
          settle();
        } else if (message.type === 'unusable') {
          this.#unusable = new AppError(message.code as ErrorCode, message.message);
          settle(this.#unusable);
        } else this.#receive(message);
      });
      child.once('exit', (code, signal) => {
        const how = signal ?? `exit code ${code}`;
        settle(new AppError('worker-died', `a media worker ended before it was ready (${how})`));
        this.#exited(child, bornMs, how);
      });
    });
    this.#ready.catch(() => {});
  }

  /** A later process keeps the first one's mode, which sessions go by: measured anew, it might come out otherwise. */
  #settingsNow(): WorkerSettings {
    const { face } = this.#settings;
    if (face === undefined || this.#mode === undefined || this.#mode === 'unfit') return this.#settings;
    return { ...this.#settings, face: { ...face, mode: this.#mode } };
  }

  #exited(child: ChildProcess, bornMs: number, how: string): void {
    const lost = [...this.#entries.values()];
    this.#entries.clear();
    this.#ears.lost();
    this.faces = undefined;
    if (this.#closing === undefined && this.#unusable === undefined) {
      this.#log.error({ pid: child.pid, how, sessions: lost.length }, 'media worker died');
      if (performance.now() - bornMs > HEALTHY_MS) this.#respawnMs = FIRST_RESPAWN_MS;
      // Whoever opens a stream now waits for the new worker instead of failing at once.
      this.#ready = new Promise((resolve, reject) => {
        this.#respawnTimer = setTimeout(() => {
          this.restarts += 1;
          this.#spawn();
          this.#ready.then(resolve, reject);
        }, this.#respawnMs);
      });
      this.#ready.catch(() => {});
      this.#respawnMs = Math.min(this.#respawnMs * 2, MAX_RESPAWN_MS);
    }
    for (const entry of lost) {
      giveUp(entry, new AppError('worker-died', `the media worker ended (${how})`));
      entry.opened.reject(new AppError('worker-died', `the media worker ended (${how})`));
      if (entry.closed) entry.closed();
      else entry.options.onLost(`the media worker ended (${how})`);
    }
  }

  #receive(message: FromWorker): void {
    if (message.type === 'ready' || message.type === 'unusable') return;
    if (message.type === 'voice') {
      this.#ears.receive(message);
      return;
    }
    const entry = this.#entries.get(message.streamId);
    if (entry === undefined) return;
    switch (message.type) {
      case 'opened':
        entry.opened.resolve(message);
        return;
      case 'open-failed':
        entry.opened.reject(new AppError(message.code as ErrorCode, message.message));
        return;
      case 'picture':
        if (!entry.closed) entry.options.onPicture(message);
        return;
      case 'coded-anew':
        if (!entry.closed) entry.options.onCodedAnew?.(message.rendition);
        return;
      case 'jpeg':
        if (!entry.closed)
          entry.options.onJpeg({ index: message.index, epoch: message.epoch, key: true, data: message.data });
        return;
      case 'stats':
        entry.options.onStats(message);
        return;
      case 'shown':
      case 'show-failed':
        entry.shows.receive(message);
        return;
      case 'act-over':
        if (!entry.closed) entry.options.onActOver?.(message.showId, message);
        return;
      case 'rehearsing':
      case 'rehearsed':
        entry.rehearsals.receive(message);
        return;
      case 'stream-failed':
        if (entry.closed) return;
        this.#entries.delete(message.streamId);
        giveUp(entry, new AppError('worker-died', message.message));
        this.#send({ type: 'close', streamId: message.streamId });
        entry.options.onLost(message.message);
        return;
      case 'closed':
        this.#entries.delete(message.streamId);
        entry.closed?.();
        return;
      default:
        message satisfies never;
    }
  }

  async #closeStream(streamId: number): Promise<void> {
    const entry = this.#entries.get(streamId);
    if (entry === undefined) return;
    giveUp(entry, new AppError('session-closed', 'the session ended'));
    await new Promise<void>((resolve) => {
      const limit = setTimeout(resolve, CLOSE_LIMIT_MS);
      entry.closed = () => {
        clearTimeout(limit);
        resolve();
      };
      this.#send({ type: 'close', streamId });
      if (!this.#child?.connected) entry.closed();
    });
    this.#entries.delete(streamId);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#abandon(new AppError('session-closed', 'the server stops'));
      clearTimeout(this.#respawnTimer);
      const child = this.#child;
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      await new Promise<void>((resolve) => {
        const kill = setTimeout(() => child.kill('SIGKILL'), CLOSE_LIMIT_MS);
        child.once('exit', () => {
          clearTimeout(kill);
          resolve();
        });
        this.#send({ type: 'shutdown' });
      });
    })();
    return this.#closing;
  }
}

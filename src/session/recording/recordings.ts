import { randomUUID } from 'node:crypto';
import { statfs } from 'node:fs/promises';
import type { Ffmpeg } from '../../adapters/ffmpeg.js';
import { AppError, toAppError } from '../../errors.js';
import type { Clock } from '../../lib/clock.js';
import type { Log } from '../../lib/log.js';
import { Mp4Copies, type Mp4State } from './mp4-copies.js';
import type { EndReason } from './recording-manifest.js';
import type { RecordingStore, StoredRecording } from './recording-store.js';
import { RunningRecording, type RecordedSession } from './running-recording.js';

/** Recordings leave so much of the disk to others. */
export const KEPT_FREE_BYTES = 256 * 2 ** 20;
/** With less left there is no point in beginning. */
const LEAST_ROOM_BYTES = 2 ** 20;
const LOOK_AT_DISK_MS = 5000;

export interface RecordingsOptions {
  readonly store: RecordingStore;
  /** @throws session-not-found */
  session(id: string): RecordedSession;
  readonly ffmpeg: Ffmpeg;
  /** Of each recording, at most. */
  readonly maxMs: number;
  readonly maxBytes: number;
  /** Of all recordings and their MP4 copies together. */
  readonly budgetBytes: number;
  /** What the disk of the store has free; tests put another one in. */
  freeBytes?(folder: string): Promise<number>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RecordingView {
  readonly id: string;
  readonly session: string;
  readonly avatar: string;
  /** `recovered`: the server died while it was written. */
  readonly state: 'recording' | 'finished' | 'recovered';
  readonly reason?: EndReason | undefined;
  readonly createdAtUnixS: number;
  readonly startMediaMs?: number | undefined;
  readonly fps: number;
  readonly widthPx?: number | undefined;
  readonly heightPx?: number | undefined;
  readonly durationMs: number;
  readonly sizeBytes: number;
  /** Absent until somebody asks for it. */
  readonly mp4?: Mp4State;
}

/** A file to be handed out. */
export interface RecordingFileView {
  readonly path: string;
  readonly type: 'video/webm' | 'video/mp4';
  /** Its name for who keeps it. */
  readonly name: string;
}

/** The recordings of all sessions, those that run and those that are over. */
export class Recordings {
  readonly #options: RecordingsOptions;
  readonly #running = new Map<string, RunningRecording | 'starting'>();
  readonly #mp4: Mp4Copies;
  #freeBytes = Infinity;
  #stopTimer: () => void = () => {};

  constructor(options: RecordingsOptions) {
    this.#options = options;
    const { store, ffmpeg, log } = options;
    this.#mp4 = new Mp4Copies({ store, ffmpeg, roomBytes: () => this.#roomBytes(), log });
  }

  /**
   * Records what leaves a session from its next key picture on; `maxLengthS` and `maxBytes` count where they are below the
   * server's own. @throws session-not-found, session-closed, recording-exists, storage-full
   */
  async start(
    sessionId: string,
    asked: { maxLengthS?: number; maxBytes?: number } = {},
  ): Promise<RecordingView> {
    const { store, maxMs, maxBytes, clock, log } = this.#options;
    const session = this.#options.session(sessionId);
    if (this.#running.has(sessionId))
      throw new AppError('recording-exists', `session ${sessionId} is being recorded already`);
    this.#running.set(sessionId, 'starting');
    try {
      await this.#lookAtDisk();
      this.#assertRoom();
      const running = await RunningRecording.start({
        manifest: {
          ...{ version: 1, id: randomUUID(), session: sessionId, avatar: session.avatarId },
          ...{ createdAtUnixS: clock.wall() / 1000, fps: session.fps, state: 'recording' },
          ...{ durationMs: 0, sizeBytes: 0, pid: process.pid },
        },
        ...{ session, store, log },
        maxMs: Math.min(maxMs, (asked.maxLengthS ?? Infinity) * 1000),
        maxBytes: Math.min(maxBytes, asked.maxBytes ?? Infinity),
        hasRoom: (bytes) => this.#roomBytes() >= bytes,
        onEnded: () => this.#running.delete(sessionId),
      });
      this.#running.set(sessionId, running);
      this.#watchDisk();
      return this.get(running.id);
    } catch (error) {
      this.#running.delete(sessionId);
      throw error;
    }
  }

  /** The one that runs in a session, or the newest of it. @throws recording-not-found */
  ofSession(sessionId: string): RecordingView {
    const running = this.#running.get(sessionId);
    if (running instanceof RunningRecording) return this.get(running.id);
    const newest = this.#options.store.list().find(({ session }) => session === sessionId);
    if (newest === undefined)
      throw new AppError('recording-not-found', `session ${sessionId.slice(0, 80)} has no recording`);
    return this.get(newest.id);
  }

  /** Resolves when the file is whole. Of one that is over it is told how it ended. @throws recording-not-found */
  async stop(sessionId: string): Promise<RecordingView> {
    const running = this.#running.get(sessionId);
    if (!(running instanceof RunningRecording)) return this.ofSession(sessionId);
    return this.get((await running.stop('stopped')).id);
  }

  /** Newest first. */
  list(sessionId?: string): RecordingView[] {
    return this.#options.store
      .list()
      .filter(({ session }) => sessionId === undefined || session === sessionId)
      .map(({ id }) => this.get(id));
  }

  /** @throws recording-not-found */
  get(id: string): RecordingView {
    for (const running of this.#running.values())
      if (running instanceof RunningRecording && running.id === id) running.note();
    return viewOf(this.#options.store.get(id), this.#mp4.state(id));
  }

  /** One that runs is handed out as far as it is written. @throws recording-not-found, file-not-found if it is empty */
  webm(id: string): RecordingFileView {
    const { sizeBytes, session } = this.#options.store.get(id);
    if (sizeBytes === 0) throw new AppError('file-not-found', `recording ${id} holds no picture`);
    return {
      path: this.#options.store.webmPath(id),
      type: 'video/webm',
      name: `${nameOf(session, id)}.webm`,
    };
  }

  /**
   * The same as H.264 and AAC. Undefined while it is being made, which the first call begins. @throws recording-not-found,
   * recording-running, not-supported, storage-full, no-capacity, ffmpeg-failed, timeout
   */
  mp4(id: string): RecordingFileView | undefined {
    const { state, sizeBytes, session } = this.#options.store.get(id);
    if (state === 'recording')
      throw new AppError('recording-running', `recording ${id} is still running: stop it first`);
    if (sizeBytes === 0) throw new AppError('file-not-found', `recording ${id} holds no picture`);
    const path = this.#mp4.file(id);
    return path === undefined ? undefined : { path, type: 'video/mp4', name: `${nameOf(session, id)}.mp4` };
  }

  /** @throws recording-not-found, recording-running */
  async delete(id: string): Promise<void> {
    const { state } = this.#options.store.get(id);
    if (state === 'recording')
      throw new AppError('recording-running', `recording ${id} is still running: stop it first`);
    await this.#mp4.drop(id);
    await this.#options.store.delete(id);
  }

  /** After the sessions, which end their recordings. */
  async close(): Promise<void> {
    this.#stopTimer();
    await this.#mp4.close();
  }

  #roomBytes(): number {
    const { store, budgetBytes } = this.#options;
    const usedBytes = store.usedBytes + this.#mp4.makingBytes;
    return Math.min(budgetBytes - usedBytes, this.#freeBytes - KEPT_FREE_BYTES);
  }

  #assertRoom(): void {
    const { store, budgetBytes } = this.#options;
    if (this.#roomBytes() >= LEAST_ROOM_BYTES) return;
    const [used, budget] = [store.usedBytes, budgetBytes].map((bytes) => Math.round(bytes / 2 ** 20));
    throw new AppError(
      'storage-full',
      this.#freeBytes - KEPT_FREE_BYTES < LEAST_ROOM_BYTES
        ? 'the disk is full: delete something'
        : `recordings take ${used} of the ${budget} MiB that they may have: delete some`,
    );
  }

  /** While something is recorded. */
  #watchDisk(): void {
    this.#stopTimer();
    this.#stopTimer = this.#options.clock.after(LOOK_AT_DISK_MS, () => {
      void this.#lookAtDisk().then(() => {
        if (this.#running.size > 0) this.#watchDisk();
      });
    });
  }

  async #lookAtDisk(): Promise<void> {
    const { store, freeBytes = freeOf, log } = this.#options;
    try {
      this.#freeBytes = await freeBytes(store.folder);
    } catch (error) {
      log.warn({ err: toAppError(error) }, 'the free room of the disk is not known');
    }
  }
}

async function freeOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function nameOf(session: string, id: string): string {
  return `${session.replaceAll(/[^\w.-]/g, '_').slice(0, 40)}-${id.slice(0, 8)}`;
}

function viewOf(stored: StoredRecording, mp4: Mp4State | undefined): RecordingView {
  const { id, session, avatar, state, reason, createdAtUnixS, startMediaMs, fps } = stored;
  const { widthPx, heightPx, durationMs, sizeBytes } = stored;
  const known = { id, session, avatar, state, reason, createdAtUnixS, startMediaMs, fps };
  return { ...known, widthPx, heightPx, durationMs, sizeBytes, ...(mp4 === undefined ? {} : { mp4 }) };
}

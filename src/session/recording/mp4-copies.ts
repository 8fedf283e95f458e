import { rename, rm, stat } from 'node:fs/promises';
import { runFfmpeg, type Ffmpeg } from '../../adapters/ffmpeg.js';
import { AppError, toAppError } from '../../errors.js';
import type { Log } from '../../lib/log.js';
import type { RecordingStore } from './recording-store.js';

/** Made one by one; more that wait are refused. */
const MAX_WAITING = 16;
const LEAST_ROOM_BYTES = 2 ** 20;
/** A minute, and four times as long as it plays. */
const TIME_LIMIT_MS = 60_000;
const TIME_LIMIT_FACTOR = 4;
const LOWEST_PRIORITY = 19;

export interface Mp4State {
  readonly state: 'making' | 'ready' | 'failed';
  /** 0..1. */
  readonly progress: number;
  readonly sizeBytes?: number;
  /** Why it failed. */
  readonly message?: string;
}

export interface Mp4CopiesOptions {
  readonly store: RecordingStore;
  readonly ffmpeg: Ffmpeg;
  /** What the disk takes more. */
  roomBytes(): number;
  readonly log: Log;
}

interface Making {
  readonly abort: AbortController;
  readonly done: Promise<void>;
  progress: number;
  /** Written so far. */
  bytes: number;
}

/** MP4 copies of recordings, made by ffmpeg at the lowest priority when they are asked for, and kept beside them. */
export class Mp4Copies {
  readonly #options: Mp4CopiesOptions;
  readonly #making = new Map<string, Making>();
  readonly #failed = new Map<string, AppError>();
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: Mp4CopiesOptions) {
    this.#options = options;
  }

  /** What the ones in the making take of the disk. */
  get makingBytes(): number {
    return [...this.#making.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Undefined if nobody asked for one. @throws recording-not-found */
  state(id: string): Mp4State | undefined {
    const { mp4Bytes } = this.#options.store.get(id);
    if (mp4Bytes > 0) return { state: 'ready', progress: 1, sizeBytes: mp4Bytes };
    const making = this.#making.get(id);
    if (making !== undefined) return { state: 'making', progress: Number(making.progress.toFixed(3)) };
    const failed = this.#failed.get(id);
    return failed && { state: 'failed', progress: 0, message: failed.message };
  }

  /**
   * Where it lies; undefined while it is being made. That it failed is told once, then it is tried again. @throws
   * recording-not-found, not-supported, storage-full, no-capacity, and what making it failed with
   */
  file(id: string): string | undefined {
    const { store, ffmpeg, roomBytes } = this.#options;
    if (store.get(id).mp4Bytes > 0) return store.mp4Path(id);
    if (this.#making.has(id)) return undefined;
    const failed = this.#failed.get(id);
    if (failed !== undefined) {
      this.#failed.delete(id);
      throw failed;
    }
    if (!ffmpeg.codesH264)
      throw new AppError('not-supported', 'the ffmpeg of this server has no H.264 encoder');
    if (roomBytes() < LEAST_ROOM_BYTES)
      throw new AppError('storage-full', 'recordings may take no more of the disk: delete some');
    if (this.#closed || this.#making.size >= MAX_WAITING)
      throw new AppError('no-capacity', `${MAX_WAITING} MP4 copies are waiting to be made`);
    this.#begin(id);
    return undefined;
  }

  /** Gives up making it. */
  async drop(id: string): Promise<void> {
    const making = this.#making.get(id);
    making?.abort.abort();
    await making?.done;
    this.#failed.delete(id);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { abort } of this.#making.values()) abort.abort();
    await this.#queue;
  }

  #begin(id: string): void {
    const { store, log } = this.#options;
    const abort = new AbortController();
    const making: Making = {
      abort,
      progress: 0,
      bytes: 0,
      done: this.#queue.then(async () => {
        try {
          if (!abort.signal.aborted) await this.#make(id, making);
        } catch (error) {
          const failed = toAppError(error);
          this.#failed.set(id, failed);
          log.warn({ recording: id, err: failed }, 'no MP4 copy could be made');
        } finally {
          this.#making.delete(id);
          await rm(store.partPath(id), { force: true }).catch(() => {});
        }
      }),
    };
    this.#making.set(id, making);
    this.#queue = making.done;
  }

  async #make(id: string, making: Making): Promise<void> {
    const { store, ffmpeg, roomBytes, log } = this.#options;
    const { durationMs, widthPx = 0, heightPx = 0 } = store.get(id);
    const part = store.partPath(id);
    const maxBytes = Math.max(0, Math.floor(roomBytes()));
    const startedMs = performance.now();
    const run = runFfmpeg(
      ffmpeg,
      [...mp4Args(store.webmPath(id), { widthPx, heightPx, maxBytes }), ...ffmpeg.vsyncArgs, `file:${part}`],
      {
        signal: making.abort.signal,
        niceness: LOWEST_PRIORITY,
        timeLimitMs: TIME_LIMIT_MS + TIME_LIMIT_FACTOR * durationMs,
      },
    );
    run.stdin.end();
    run.stdout.setEncoding('utf8').on('data', (told: string) => {
      const [, us] = /out_time_ms=(\d+)/.exec(told) ?? []; // microseconds, whatever its name says
      if (us !== undefined) making.progress = Math.min(0.99, Number(us) / 1000 / durationMs);
      const [, bytes] = /total_size=(\d+)/.exec(told) ?? [];
      if (bytes !== undefined) making.bytes = Number(bytes);
    });
    await run.done;
    if (making.abort.signal.aborted) return;
    const { size } = await stat(part);
    // ffmpeg stops at the size without a word.
    if (size >= maxBytes) throw new AppError('storage-full', 'recordings may take no more of the disk');
    await rename(part, store.mp4Path(id));
    store.note(id, { mp4Bytes: size });
    log.info(
      { recording: id, sizeBytes: size, tookMs: Math.round(performance.now() - startedMs) },
      'MP4 made',
    );
  }
}

/** A picture may change its size where the avatar or the rendition did: all get the size of the first. */
function mp4Args(
  from: string,
  { widthPx, heightPx, maxBytes }: { widthPx: number; heightPx: number; maxBytes: number },
): string[] {
  return [
    // Its times as they are: sound before time 0, which is not played, would move all else.
    ...['-y', '-copyts', '-protocol_whitelist', 'file,pipe', '-f', 'matroska', '-i', `file:${from}`],
    ...['-map', '0:v:0', '-map', '0:a:0?', '-vf', `scale=${widthPx}:${heightPx}`],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '20', '-pix_fmt', 'yuv420p', '-threads', '2'],
    // Ours is BT.601, also where a player would guess otherwise from the size.
    ...['-colorspace', 'smpte170m', '-color_primaries', 'smpte170m', '-color_trc', 'smpte170m'],
    ...['-color_range', 'tv', '-c:a', 'aac', '-b:a', '128k', '-fs', String(maxBytes)],
    ...['-movflags', '+faststart', '-progress', 'pipe:1', '-f', 'mp4'],
  ];
}

import { toAppError } from '../../errors.js';
import type { Log } from '../../lib/log.js';
import type { EncodedPicture, RenditionName } from '../../media/frame.js';
import { samplesToMs } from '../../media/timeline.js';
import type { EventLog } from '../events/event-log.js';
import type { OutputTap } from '../playout/output-tap.js';
import type { SoundPacket } from '../viewers/fan-out.js';
import { Recorder } from './recorder.js';
import { RecordingFile } from './recording-file.js';
import type { EndReason, RecordingManifest } from './recording-manifest.js';
import type { RecordingStore, StoredRecording } from './recording-store.js';

/** A session that ends waits so long for its file; a disk that hangs must not hold it up. */
const END_LIMIT_MS = 5000;

/** What a recording needs of its session. */
export interface RecordedSession {
  readonly id: string;
  readonly avatarId: string;
  readonly fps: number;
  readonly events: Pick<EventLog, 'add'>;
  /** @throws session-closed */
  tap(tap: OutputTap): { requestKeyframe(rendition: RenditionName): void; remove(): void };
}

export interface RunningOptions {
  readonly manifest: RecordingManifest;
  readonly session: RecordedSession;
  readonly store: RecordingStore;
  readonly maxMs: number;
  readonly maxBytes: number;
  /** Whether the disk takes so many bytes more, within what recordings may have. */
  hasRoom(bytes: number): boolean;
  /** Its file is closed. */
  onEnded(): void;
  readonly log: Log;
}

/** One recording while it grows: from its session through the recorder into its file. */
export class RunningRecording implements OutputTap {
  readonly #options: RunningOptions;
  readonly #recorder: Recorder;
  #file: RecordingFile | undefined;
  #session: ReturnType<RecordedSession['tap']> | undefined;
  #writtenBytes = 0;
  #stopping: Promise<StoredRecording> | undefined;

  private constructor(options: RunningOptions) {
    this.#options = options;
    const { manifest, session, store, maxMs, maxBytes } = options;
    this.#recorder = new Recorder({
      ...{ fps: session.fps, createdAtMs: manifest.createdAtUnixS * 1000, maxMs, maxBytes },
      onKeyframeNeeded: (rendition) => this.#session?.requestKeyframe(rendition),
      onBegan: ({ mediaSamples, ...size }) => {
        const mediaMs = Number(samplesToMs(mediaSamples).toFixed(2));
        void store.change(manifest.id, { ...size, startMediaMs: mediaMs }).catch(() => {});
        session.events.add({ event: 'recording.started', data: { recordingId: manifest.id, mediaMs } });
      },
      onBytes: (bytes) => this.#append(bytes),
      onLimit: (reason) => void this.stop(reason),
    });
  }

  /** @throws session-closed, storage-full, internal: nothing is left then */
  static async start(options: RunningOptions): Promise<RunningRecording> {
    const { manifest, store, session } = options;
    const running = new RunningRecording(options);
    await store.add(manifest);
    try {
      running.#file = await RecordingFile.create(store.webmPath(manifest.id), {
        onFault: (fault, error) => running.#faulty(fault, error),
      });
      running.#session = session.tap(running);
      return running;
    } catch (error) {
      await running.#file?.close(undefined).catch(() => {});
      await store.delete(manifest.id);
      throw error;
    }
  }

  get id(): string {
    return this.#options.manifest.id;
  }

  /** Brings what is known of it up to date. */
  note(): void {
    if (this.#stopping !== undefined) return;
    const { durationMs, sizeBytes } = this.#recorder;
    this.#options.store.note(this.id, { durationMs, sizeBytes });
  }

  /** Ends it and makes its file whole; the first reason counts. Never rejects. */
  stop(reason: EndReason): Promise<StoredRecording> {
    this.#stopping ??= this.#stop(reason);
    return this.#stopping;
  }

  demand(top: RenditionName): readonly RenditionName[] {
    return this.#recorder.demand(top);
  }

  sound(sound: SoundPacket, mediaSamples: number): void {
    this.#recorder.sound(sound, mediaSamples);
  }

  picture(renditions: readonly EncodedPicture[]): void {
    this.#recorder.picture(renditions);
  }

  async ended(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, END_LIMIT_MS)));
    await Promise.race([this.stop('session-ended'), late]);
    clearTimeout(timer);
  }

  #append(bytes: Buffer): void {
    if (this.#options.hasRoom(bytes.length)) {
      this.#writtenBytes += bytes.length;
      this.#file?.append(bytes);
      this.#options.store.note(this.id, { sizeBytes: this.#writtenBytes });
      return;
    }
    this.#file?.seal();
    if (this.#stopping === undefined) this.#faulty('storage-full');
  }

  #faulty(reason: EndReason, error?: unknown): void {
    const { log, session } = this.#options;
    const err = error === undefined ? undefined : toAppError(error);
    log.warn({ session: session.id, recording: this.id, reason, err }, 'recording ends early');
    void this.stop(reason);
  }

  async #stop(reason: EndReason): Promise<StoredRecording> {
    // A turn later: a limit is found within the recorder's own work.
    await Promise.resolve();
    const { store, session, log } = this.#options;
    this.#session?.remove();
    const whole = this.#recorder.end();
    const told = { recordingId: this.id, reason };
    try {
      const closed = await this.#file!.close(whole);
      const durationMs = Number((closed.durationMs ?? whole?.durationMs ?? 0).toFixed(2));
      const { sizeBytes } = closed;
      const stored = await store.change(this.id, { state: 'finished', reason, durationMs, sizeBytes });
      log.info({ session: session.id, ...told, durationMs, sizeBytes }, 'recording ended');
      session.events.add({ event: 'recording.ended', data: { ...told, durationMs, sizeBytes } });
      return stored;
    } catch (error) {
      // On disk it is still one that runs: the next start mends it.
      store.note(this.id, { state: 'finished', reason: 'disk-failed' });
      log.error({ session: session.id, ...told, err: toAppError(error) }, 'a recording could not be closed');
      const { durationMs, sizeBytes } = store.get(this.id);
      const data = { ...told, reason: 'disk-failed', durationMs, sizeBytes };
      session.events.add({ event: 'recording.ended', data });
      return store.get(this.id);
    } finally {
      this.#options.onEnded();
    }
  }
}

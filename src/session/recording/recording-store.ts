import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { AppError, toAppError } from '../../errors.js';
import type { Log } from '../../lib/log.js';
import { repairFile } from './recording-file.js';
import { manifestSchema, type RecordingManifest } from './recording-manifest.js';

/** A file that somebody still writes was changed this short a time ago (a cluster is written every second). */
const ALIVE_MS = 10_000;

/** Size of the MP4 beside a recording; 0 if there is none. */
export interface StoredRecording extends RecordingManifest {
  readonly mp4Bytes: number;
}

/**
 * The recordings of a folder: `<id>.webm`, `<id>.json`, and `<id>.mp4` where one was asked for. All are known in memory, so
 * that no name from outside gets near the disk.
 */
export class RecordingStore {
  readonly #folder: string;
  readonly #log: Log;
  readonly #known = new Map<string, StoredRecording>();
  /** Writes of each manifest, one behind the other. */
  readonly #writing = new Map<string, Promise<void>>();

  private constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#log = log;
  }

  /** Reads what is there, and mends what a server that died left behind. */
  static async open(folder: string, log: Log): Promise<RecordingStore> {
    const store = new RecordingStore(folder, log);
    await mkdir(folder, { recursive: true });
    for (const name of await readdir(folder)) {
      const file = path.join(folder, name);
      if (PART.test(name)) await rm(file, { force: true });
      if (!name.endsWith('.json')) continue;
      try {
        await store.#read(name);
      } catch (error) {
        log.warn({ file: name, err: toAppError(error) }, 'not a recording that can be read; left alone');
      }
    }
    return store;
  }

  /** Newest first. */
  list(): StoredRecording[] {
    return [...this.#known.values()].reverse().sort((a, b) => b.createdAtUnixS - a.createdAtUnixS);
  }

  /** @throws recording-not-found */
  get(id: string): StoredRecording {
    const found = this.#known.get(id);
    if (found === undefined)
      throw new AppError('recording-not-found', `there is no recording ${id.slice(0, 80)}`);
    return found;
  }

  /** Of all files, those that grow as far as they were noted. */
  get usedBytes(): number {
    let sum = 0;
    for (const { sizeBytes, mp4Bytes } of this.#known.values()) sum += sizeBytes + mp4Bytes;
    return sum;
  }

  webmPath(id: string): string {
    return path.join(this.#folder, `${this.get(id).id}.webm`);
  }

  mp4Path(id: string): string {
    return path.join(this.#folder, `${this.get(id).id}.mp4`);
  }

  /** Where an MP4 is made; swept away at the next start. */
  partPath(id: string): string {
    return path.join(this.#folder, `.${this.get(id).id}.part.mp4`);
  }

  get folder(): string {
    return this.#folder;
  }

  /** A new one, on disk when it returns. */
  async add(manifest: RecordingManifest): Promise<void> {
    this.#known.set(manifest.id, { ...manifest, mp4Bytes: 0 });
    await this.#save(manifest.id);
  }

  /** In memory only: what changes all the time. */
  note(id: string, change: Partial<StoredRecording>): void {
    const known = this.#known.get(id);
    if (known !== undefined) this.#known.set(id, { ...known, ...change });
  }

  async change(id: string, change: Partial<StoredRecording>): Promise<StoredRecording> {
    this.note(id, change);
    await this.#save(id);
    return this.get(id);
  }

  /** Gone at once; whoever reads a file of it reads on. @throws recording-not-found */
  async delete(id: string): Promise<void> {
    const files = [this.#manifestPath(id), this.webmPath(id), this.mp4Path(id), this.partPath(id)];
    this.#known.delete(id);
    await this.#writing.get(id);
    await Promise.all(files.map((file) => rm(file, { force: true })));
  }

  #manifestPath(id: string): string {
    return path.join(this.#folder, `${this.get(id).id}.json`);
  }

  /** By one rename, so that a crash leaves the old or the new one. */
  #save(id: string): Promise<void> {
    const file = this.#manifestPath(id);
    const fresh = `${file}.part`;
    const before = this.#writing.get(id) ?? Promise.resolve();
    const writing = before
      .catch(() => {})
      .then(async () => {
        const known = this.#known.get(id);
        if (known === undefined) return;
        await writeFile(fresh, `${JSON.stringify(manifestSchema.parse(known), null, 2)}\n`);
        await rename(fresh, file);
      });
    this.#writing.set(id, writing);
    const done = () => {
      if (this.#writing.get(id) === writing) this.#writing.delete(id);
    };
    writing.then(done, done);
    return writing;
  }

  async #read(name: string): Promise<void> {
    const text = await readFile(path.join(this.#folder, name), 'utf8');
    const manifest = manifestSchema.parse(JSON.parse(text));
    const { id } = manifest;
    if (name !== `${id}.json`) throw new AppError('invalid-argument', `${name} is about ${id}`);
    const webm = await stat(path.join(this.#folder, `${id}.webm`));
    const mp4 = await stat(path.join(this.#folder, `${id}.mp4`)).catch(() => undefined);
    if (manifest.state === 'recording' && isWritten(manifest.pid, webm.mtimeMs)) return;
    this.#known.set(id, { ...manifest, sizeBytes: webm.size, mp4Bytes: mp4?.size ?? 0 });
    if (manifest.state === 'recording') await this.#recover(id);
  }

  async #recover(id: string): Promise<void> {
    try {
      const repaired = (await repairFile(this.webmPath(id))) ?? { sizeBytes: 0, durationMs: 0 };
      await this.change(id, { ...repaired, state: 'recovered', reason: 'server-died' });
      this.#log.info({ recording: id, ...repaired }, 'recording recovered');
    } catch (error) {
      this.#log.warn({ recording: id, err: toAppError(error) }, 'a recording could not be recovered');
    }
  }
}

const PART = /(\.part\.mp4|\.json\.part)$/;

/** By another server that shares the folder and is alive. */
function isWritten(pid: number, changedMs: number): boolean {
  if (pid === process.pid || Date.now() - changedMs > ALIVE_MS) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

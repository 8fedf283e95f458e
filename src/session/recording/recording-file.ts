import { open, type FileHandle } from 'node:fs/promises';
import { repairOf } from '../../encoder/matroska/webm-repair.js';
import type { WebmTail } from '../../encoder/matroska/webm-writer.js';

/** What may wait for the disk: 40 s of a usual recording. */
export const MAX_WAITING_BYTES = 8 * 2 ** 20;

export type FileFault = 'disk-slow' | 'disk-failed';

export interface RecordingFileOptions {
  /** Default 8 MiB. */
  readonly maxWaitingBytes?: number;
  /** Once, when the file takes nothing any more: `close` then keeps what is whole. */
  onFault(fault: FileFault, error?: unknown): void;
}

/**
 * A WebM file that grows. `append` never waits: what is appended is written in order, each piece at one stroke, and a disk
 * that cannot keep up ends the recording, not the session.
 */
export class RecordingFile {
  readonly #path: string;
  readonly #handle: Pick<FileHandle, 'write' | 'close'>;
  readonly #options: RecordingFileOptions;
  #queue: Buffer[] = [];
  #waitingBytes = 0;
  #writtenBytes = 0;
  #faulty = false;
  #working: Promise<void> = Promise.resolve();
  #isWorking = false;

  /** Takes ownership of the handle, whose position is the end of the file `path`. */
  constructor(path: string, handle: Pick<FileHandle, 'write' | 'close'>, options: RecordingFileOptions) {
    this.#path = path;
    this.#handle = handle;
    this.#options = options;
  }

  /** A new file. @throws what the file system says, EEXIST included */
  static async create(path: string, options: RecordingFileOptions): Promise<RecordingFile> {
    return new RecordingFile(path, await open(path, 'wx'), options);
  }

  /** What was appended and is not written. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Takes ownership of the bytes. */
  append(bytes: Buffer): void {
    if (this.#faulty) return;
    const { maxWaitingBytes = MAX_WAITING_BYTES } = this.#options;
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > maxWaitingBytes) {
      this.#fail('disk-slow');
      return;
    }
    this.#queue.push(bytes);
    if (!this.#isWorking) this.#working = this.#work();
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        await writeAll(this.#handle, next, this.#writtenBytes);
        this.#writtenBytes += next.length;
        this.#waitingBytes -= next.length;
      }
    } catch (error) {
      this.#fail('disk-failed', error);
    } finally {
      this.#isWorking = false;
    }
  }

  /** Takes nothing any more; what was appended is written and kept. */
  seal(): void {
    this.#faulty = true;
  }

  #fail(fault: FileFault, error?: unknown): void {
    if (this.#faulty) return;
    this.#faulty = true;
    this.#queue = [];
    this.#options.onFault(fault, error);
  }

  /**
   * Waits for what was appended, makes the file whole and closes it; a file at fault or sealed is repaired instead. Resolves with what
   * it has then. @throws what the file system says; the file can be repaired later
   */
  async close(tail: WebmTail | undefined): Promise<{ sizeBytes: number; durationMs?: number }> {
    await this.#working;
    try {
      if (!this.#faulty && tail !== undefined) {
        await writeAll(this.#handle, tail.tail, this.#writtenBytes);
        await writeAll(this.#handle, tail.front, 0);
        return { sizeBytes: this.#writtenBytes + tail.tail.length };
      }
    } finally {
      await this.#handle.close();
    }
    return (await repairFile(this.#path)) ?? { sizeBytes: 0, durationMs: 0 };
  }
}

/** Makes a file whole that was not closed, at what it has of whole clusters. Undefined if it has none. */
export async function repairFile(
  path: string,
): Promise<{ sizeBytes: number; durationMs: number } | undefined> {
  const handle = await open(path, 'r+');
  try {
    const { size } = await handle.stat();
    const repair = await repairOf(async (at, length) => {
      const bytes = Buffer.alloc(length);
      const { bytesRead } = await handle.read(bytes, 0, length, at);
      return bytes.subarray(0, bytesRead);
    }, size);
    if (repair === undefined) return undefined;
    const { keptBytes, tail, front, durationMs } = repair;
    await handle.truncate(keptBytes);
    await writeAll(handle, tail, keptBytes);
    await writeAll(handle, front, 0);
    return { sizeBytes: keptBytes + tail.length, durationMs };
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: Pick<FileHandle, 'write'>, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

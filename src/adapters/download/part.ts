import { open, readFile, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { z } from 'zod';

/** What a server says of a file; equal identities mean that two transfers may be put together. */
export interface RemoteIdentity {
  readonly sizeBytes: number;
  /** ETag, or else Last-Modified; null where the server gives neither. */
  readonly validator: string | null;
}

const stateSchema = z.object({
  version: z.literal(1),
  sizeBytes: z.number().int().positive(),
  validator: z.string().nullable(),
  chunkBytes: z.number().int().positive(),
  done: z.array(z.number().int().nonnegative()),
});
type State = z.infer<typeof stateSchema>;

export interface Chunk {
  readonly index: number;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/**
 * `<file>.part`, filled in any order by chunks, and `<file>.part.json`, which says how far each chunk has come. The
 * state is written only after the bytes that it vouches for reached the disk.
 */
export class PartFile {
  readonly path: string;
  readonly statePath: string;
  readonly chunks: readonly Chunk[];
  readonly #handle: FileHandle;
  readonly #state: State;
  #saving: Promise<void> = Promise.resolve();

  private constructor(path: string, handle: FileHandle, state: State) {
    this.path = path;
    this.statePath = `${path}.json`;
    this.#handle = handle;
    this.#state = state;
    this.chunks = state.done.map((_, index) => ({
      index,
      start: index * state.chunkBytes,
      end: Math.min((index + 1) * state.chunkBytes, state.sizeBytes),
    }));
  }

  /** Goes on with a part of the same remote file (`resumable`), otherwise begins an empty one. */
  static async open(
    path: string,
    remote: RemoteIdentity,
    chunkBytes: number,
    resumable: boolean,
  ): Promise<PartFile> {
    const old = resumable ? await readState(path, remote) : undefined;
    if (old !== undefined) return new PartFile(path, await open(path, 'r+'), old);
    await rm(`${path}.json`, { force: true });
    const done = new Array<number>(Math.ceil(remote.sizeBytes / chunkBytes)).fill(0);
    return new PartFile(path, await open(path, 'w'), { version: 1, ...remote, chunkBytes, done });
  }

  get receivedBytes(): number {
    return this.#state.done.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Where chunk `chunk` goes on; its end when it is complete. */
  next(chunk: Chunk): number {
    return chunk.start + (this.#state.done[chunk.index] ?? 0);
  }

  /** Begins the chunk again (a server without ranges). */
  reset(chunk: Chunk): void {
    this.#state.done[chunk.index] = 0;
  }

  /** Appends to the chunk; `bytes` is only read. */
  async append(chunk: Chunk, bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at, this.next(chunk));
      at += bytesWritten;
      this.#state.done[chunk.index] = (this.#state.done[chunk.index] ?? 0) + bytesWritten;
    }
  }

  save(): Promise<void> {
    const run = async (): Promise<void> => {
      const text = JSON.stringify(this.#state);
      await this.#handle.datasync();
      await writeFile(`${this.statePath}.new`, text);
      await rename(`${this.statePath}.new`, this.statePath);
    };
    return (this.#saving = this.#saving.then(run, run));
  }

  flush(): Promise<void> {
    return this.#handle.datasync();
  }

  /** For a part with which nothing can go on later. */
  async discard(): Promise<void> {
    await this.#saving.catch(() => {});
    await rm(this.statePath, { force: true });
    await rm(this.path, { force: true });
  }

  async close(): Promise<void> {
    await this.#saving.catch(() => {});
    await this.#handle.close();
  }
}

/** The state of an earlier transfer, if it fits what the server offers now. */
async function readState(path: string, remote: RemoteIdentity): Promise<State | undefined> {
  try {
    const state = stateSchema.parse(JSON.parse(await readFile(`${path}.json`, 'utf8')));
    const fits =
      state.sizeBytes === remote.sizeBytes &&
      state.validator === remote.validator &&
      state.done.length === Math.ceil(state.sizeBytes / state.chunkBytes) &&
      state.done.every(
        (bytes, i) => bytes <= Math.min(state.chunkBytes, state.sizeBytes - i * state.chunkBytes),
      );
    const furthest = Math.max(
      ...state.done.map((bytes, i) => (bytes > 0 ? i * state.chunkBytes + bytes : 0)),
    );
    return fits && (await stat(path)).size >= furthest ? state : undefined;
  } catch {
    return undefined;
  }
}

import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../errors.js';
import type { AlphaMask, Box } from '../../media/frame.js';
import {
  INPUTS_FILE,
  MASKS_FILE,
  MATERIAL_FILE,
  MATERIAL_VERSION,
  materialKey,
  pixelsOf,
  type MaterialFile,
  type MaterialHeader,
  type PictureEntry,
} from './material-file.js';

/** Folders in the making or going, beside the material: `<prefix><process id>-<random>`. */
const HIDDEN_PREFIX = '.material-';

/** Writes material picture by picture into a hidden folder, which finish() puts in its place. */
export class MaterialWriter {
  readonly #folder: string;
  readonly #hidden: string;
  readonly #header: MaterialHeader;
  readonly #inputs: FileHandle;
  readonly #masks: FileHandle;
  readonly #pictures: PictureEntry[] = [];
  #maskBytes = 0;
  #closing: Promise<void> | undefined;

  private constructor(
    folder: string,
    hidden: string,
    header: MaterialHeader,
    files: readonly [FileHandle, FileHandle],
  ) {
    this.#folder = folder;
    this.#hidden = hidden;
    this.#header = header;
    [this.#inputs, this.#masks] = files;
  }

  /** @param folder where finish() puts the material; its parent is made if need be */
  static async create(folder: string, header: MaterialHeader): Promise<MaterialWriter> {
    const target = path.resolve(folder);
    const parent = path.dirname(target);
    const hidden = path.join(parent, `${HIDDEN_PREFIX}${process.pid}-${randomUUID()}`);
    await mkdir(hidden, { recursive: true });
    await sweep(parent);
    const inputs = await open(path.join(hidden, INPUTS_FILE), 'w');
    const masks = await open(path.join(hidden, MASKS_FILE), 'w');
    return new MaterialWriter(target, hidden, header, [inputs, masks]);
  }

  /** Appends the next picture's; await it before the next call. What it is given is only read. */
  async add(picture: { box: Box; mask: AlphaMask; input: Float32Array }): Promise<void> {
    const { box, mask, input } = picture;
    if (input.length !== this.#header.inputValues || mask.alpha.length !== pixelsOf(mask.area)) {
      throw new AppError(
        'internal',
        `picture ${this.#pictures.length} has ${input.length} input values (not ${this.#header.inputValues}) ` +
          `and ${mask.alpha.length} mask bytes (not ${pixelsOf(mask.area)})`,
      );
    }
    await writeAll(this.#inputs, new Uint8Array(input.buffer, input.byteOffset, input.byteLength));
    await writeAll(this.#masks, mask.alpha);
    this.#pictures.push({ box, mask: { area: mask.area, offset: this.#maskBytes } });
    this.#maskBytes += mask.alpha.length;
  }

  /** Puts the material in its place, instead of what was there; who has that open goes on reading. */
  async finish(): Promise<void> {
    if (this.#pictures.length === 0) throw new AppError('internal', 'no picture was added to the material');
    await Promise.all([this.#inputs.close(), this.#masks.close()]);
    const file: MaterialFile = {
      version: MATERIAL_VERSION,
      key: materialKey(this.#header),
      ...this.#header,
      pictures: this.#pictures,
    };
    await writeFile(path.join(this.#hidden, MATERIAL_FILE), JSON.stringify(file));
    // A folder cannot be renamed onto a full one. Between the two steps there is none, which reads as "not prepared".
    const going = path.join(path.dirname(this.#folder), `${HIDDEN_PREFIX}${process.pid}-${randomUUID()}`);
    await rename(this.#folder, going).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
    await rename(this.#hidden, this.#folder);
    await rm(going, { recursive: true, force: true });
  }

  /** Removes what was not finished. Safe after finish(). */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.all([this.#inputs.close(), this.#masks.close()]);
      await rm(this.#hidden, { recursive: true, force: true });
    })();
    return this.#closing;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
  }
}

/** Removes what killed processes left half made. */
async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(HIDDEN_PREFIX)) continue;
    const pid = Number.parseInt(name.slice(HIDDEN_PREFIX.length), 10);
    if (!isAlive(pid)) await rm(path.join(parent, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

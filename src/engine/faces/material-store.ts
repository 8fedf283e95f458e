import { closeSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { AppError } from '../../errors.js';
import type { AlphaMask, Box } from '../../media/frame.js';
import type { FaceMaterial } from './face-material.js';
import { findDamage } from './material-check.js';
import {
  INPUTS_FILE,
  isCurrent,
  MASKS_FILE,
  MATERIAL_FILE,
  pixelsOf,
  type ExpectedMaterial,
  type MaterialFile,
  type PictureEntry,
} from './material-file.js';

/**
 * Opens prepared material; close it when done. Undefined when there is none, or when it was made by other models, with
 * other parameters or by another version of this program.
 * @throws AppError avatar-not-ready when it is damaged
 */
export async function openMaterial(
  folder: string,
  expected: ExpectedMaterial,
): Promise<FaceMaterial | undefined> {
  const damaged = (what: string): AppError =>
    new AppError(
      'avatar-not-ready',
      `the face material in ${folder} is damaged: ${what}; prepare the avatar again`,
    );
  const text = await readFile(path.join(folder, MATERIAL_FILE), 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  let file: MaterialFile | null;
  try {
    file = JSON.parse(text) as MaterialFile | null;
  } catch {
    throw damaged(`${MATERIAL_FILE} is not JSON`);
  }
  if (typeof file !== 'object' || file === null) throw damaged(`${MATERIAL_FILE} is not an object`);
  if (!isCurrent(file, expected)) return undefined;
  const damage = await findDamage(folder, file, expected.frameCount);
  if (damage !== undefined) throw damaged(damage);
  return new StoredMaterial(folder, file);
}

/** Inputs and masks are read on demand: a minute of the former is up to 1.2 GB. */
class StoredMaterial implements FaceMaterial {
  readonly frameCount: number;
  readonly #folder: string;
  readonly #pictures: readonly PictureEntry[];
  readonly #inputValues: number;
  readonly #inputs: number;
  readonly #masks: number;
  readonly #alpha: Uint8Array;
  #closed = false;

  constructor(folder: string, file: MaterialFile) {
    this.frameCount = file.pictures.length;
    this.#folder = folder;
    this.#pictures = file.pictures;
    this.#inputValues = file.inputValues;
    this.#inputs = openSync(path.join(folder, INPUTS_FILE), 'r');
    try {
      this.#masks = openSync(path.join(folder, MASKS_FILE), 'r');
    } catch (error) {
      closeSync(this.#inputs);
      throw error;
    }
    this.#alpha = new Uint8Array(
      file.pictures.reduce((max, { mask }) => Math.max(max, pixelsOf(mask.area)), 0),
    );
  }

  box(index: number): Box {
    return this.#entry(index).box;
  }

  mask(index: number): AlphaMask {
    const { area, offset } = this.#entry(index).mask;
    const alpha = this.#alpha.subarray(0, pixelsOf(area));
    this.#read(this.#masks, alpha, offset, `${MASKS_FILE} ends within picture ${index}`);
    return { area, alpha };
  }

  inputs(index: number): Float32Array {
    this.#entry(index);
    const inputs = new Float32Array(this.#inputValues);
    const bytes = new Uint8Array(inputs.buffer);
    this.#read(this.#inputs, bytes, index * bytes.length, `${INPUTS_FILE} ends within picture ${index}`);
    return inputs;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#inputs);
    closeSync(this.#masks);
  }

  #read(handle: number, target: Uint8Array, offset: number, short: string): void {
    for (let done = 0; done < target.length;) {
      const read = readSync(handle, target, done, target.length - done, offset + done);
      if (read === 0) throw new AppError('internal', `${this.#folder}/${short}`);
      done += read;
    }
  }

  #entry(index: number): PictureEntry {
    if (this.#closed) throw new AppError('internal', `the face material in ${this.#folder} is closed`);
    const entry = this.#pictures[index];
    if (entry === undefined) {
      throw new AppError(
        'invalid-argument',
        `the face material in ${this.#folder} has no picture ${index} (it has ${this.frameCount})`,
      );
    }
    return entry;
  }
}

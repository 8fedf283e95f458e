import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { RgbImage } from '../../media/frame.js';
import type { RehearseOptions, Take } from '../engine.js';
import type { HeardUtterance } from './face-family.js';

export interface RehearsalParts {
  heard: HeardUtterance;
  /** 0..1 a picture; where it is 0 no face is made. */
  strengths: readonly number[];
  /** The prepared input for picture `index` of the utterance. */
  inputs(index: number): Float32Array;
  faceSidePx: number;
  generate(inputs: Float32Array, features: Float32Array, signal: AbortSignal): Promise<RgbImage>;
  /** Faces asked for at once; twice the batch keeps every batch full. */
  parallel: number;
}

/**
 * Makes all faces of an utterance and keeps them in one file, because a minute of them is 300 MB. Rejects with the
 * first failure or the signal's reason. No file is left behind, even by a process that is killed.
 */
export async function rehearse(parts: RehearsalParts, options: RehearseOptions): Promise<Take> {
  const { heard, strengths, faceSidePx } = parts;
  const bytes = faceSidePx * faceSidePx * 3;
  const file = path.join(options.folder, `take-${process.pid}-${randomUUID()}.rgb`);
  const handle = openSync(file, 'wx+');
  // Unnamed from here on: nothing stays behind whatever becomes of this process.
  unlinkSync(file);
  const abort = new AbortController();
  const stop = () => abort.abort(options.signal?.reason);
  options.signal?.addEventListener('abort', stop);
  const spoken = strengths.filter((strength) => strength > 0).length;
  const slots = new Map<number, number>();
  const underWay = new Set<Promise<void>>();
  let done = 0;
  try {
    options.signal?.throwIfAborted();
    let index = 0;
    for await (const features of heard.pictures) {
      abort.signal.throwIfAborted();
      const picture = index++;
      if (!((strengths[picture] ?? 0) > 0)) continue;
      const slot = slots.size;
      slots.set(picture, slot);
      const one = parts
        .generate(parts.inputs(picture), features, abort.signal)
        .then((face) => {
          writeSync(handle, face.data, 0, bytes, slot * bytes);
          options.onProgress?.(++done / spoken);
        })
        .catch((error: unknown) => abort.abort(error))
        .finally(() => underWay.delete(one));
      underWay.add(one);
      if (underWay.size >= parts.parallel) await Promise.race(underWay);
    }
    await Promise.all(underWay);
    abort.signal.throwIfAborted();
  } catch (error) {
    abort.abort(error);
    await Promise.all(underWay);
    closeSync(handle);
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', stop);
  }
  return new FileTake(handle, { ...parts, slots, pictureCount: heard.pictureCount });
}

class FileTake implements Take {
  readonly pictureCount: number;
  readonly #handle: number;
  readonly #slots: ReadonlyMap<number, number>;
  readonly #strengths: readonly number[];
  readonly #face: RgbImage;
  #closed = false;

  constructor(
    handle: number,
    parts: {
      slots: ReadonlyMap<number, number>;
      strengths: readonly number[];
      faceSidePx: number;
      pictureCount: number;
    },
  ) {
    const { faceSidePx } = parts;
    this.#handle = handle;
    this.#slots = parts.slots;
    this.#strengths = parts.strengths;
    this.pictureCount = parts.pictureCount;
    this.#face = {
      widthPx: faceSidePx,
      heightPx: faceSidePx,
      data: new Uint8Array(faceSidePx * faceSidePx * 3),
    };
  }

  face(index: number): RgbImage | undefined {
    const slot = this.#slots.get(index);
    if (slot === undefined || this.#closed) return undefined;
    const { data } = this.#face;
    readSync(this.#handle, data, 0, data.length, slot * data.length);
    return this.#face;
  }

  strength(index: number): number {
    return this.#strengths[index] ?? 0;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#handle);
  }
}

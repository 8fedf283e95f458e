import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { RgbImage } from '../../media/frame.js';
import type { RehearseOptions, Take } from '../engine.js';

export interface RehearsalParts {
  /** One array a picture of the utterance. */
  features: readonly Float32Array[];
  /** 0..1 a picture; where it is 0 no face is made. */
  strengths: readonly number[];
  /** The prepared input for picture `index` of the utterance. */
  inputs(index: number): Float32Array;
  firstStep: number;
  faceSidePx: number;
  generate(inputs: Float32Array, features: Float32Array, signal: AbortSignal): Promise<RgbImage>;
  /** Faces asked for at once; twice the batch keeps every batch full. */
  parallel: number;
}

/**
 * Makes all faces of an utterance and keeps them in one file, because a minute of them is 300 MB. Rejects with the
 * first failure or the signal's reason, and then leaves no file behind.
 */
export async function rehearse(parts: RehearsalParts, options: RehearseOptions): Promise<Take> {
  const { features, strengths, faceSidePx } = parts;
  const bytes = faceSidePx * faceSidePx * 3;
  const file = path.join(options.folder, `take-${process.pid}-${randomUUID()}.rgb`);
  const spoken = strengths.flatMap((strength, index) => (strength > 0 ? [index] : []));
  const slots = new Map(spoken.map((index, slot) => [index, slot]));
  const handle = openSync(file, 'wx+');
  const abort = new AbortController();
  const stop = () => abort.abort(options.signal?.reason);
  options.signal?.addEventListener('abort', stop);
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    for (let slot = next++; slot < spoken.length; slot = next++) {
      options.signal?.throwIfAborted();
      const index = spoken[slot]!;
      const face = await parts.generate(parts.inputs(index), features[index]!, abort.signal);
      writeSync(handle, face.data, 0, bytes, slot * bytes);
      options.onProgress?.(++done / spoken.length);
    }
  };
  try {
    const results = await Promise.allSettled(
      Array.from({ length: Math.min(parts.parallel, spoken.length) }, () =>
        work().catch((error: unknown) => {
          abort.abort(error);
          throw error;
        }),
      ),
    );
    options.signal?.throwIfAborted();
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw abort.signal.reason ?? failed.reason;
  } catch (error) {
    closeSync(handle);
    rmSync(file, { force: true });
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', stop);
  }
  // Unnamed from here on: nothing stays behind whatever becomes of this process.
  unlinkSync(file);
  return new FileTake(handle, { ...parts, slots, pictureCount: features.length });
}

class FileTake implements Take {
  readonly pictureCount: number;
  readonly firstStep: number;
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
      firstStep: number;
      faceSidePx: number;
      pictureCount: number;
    },
  ) {
    const { faceSidePx } = parts;
    this.#handle = handle;
    this.#slots = parts.slots;
    this.#strengths = parts.strengths;
    this.firstStep = parts.firstStep;
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

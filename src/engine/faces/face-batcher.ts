import { AppError, toAppError } from '../../errors.js';
import type { Clock } from '../../lib/clock.js';
import { systemClock } from '../../lib/clock.js';
import type { RgbImage } from '../../media/frame.js';
import type { FaceGenerator } from './face-family.js';

/** One picture at 25 a second: a session that talks alone never waits longer for company. */
export const DEFAULT_MAX_WAIT_MS = 40;
const WAITS_KEPT = 256;

export interface FaceBatcherOptions {
  readonly generator: FaceGenerator;
  /** Faces in a full batch. */
  readonly batch: number;
  /** A batch that is not full starts when its oldest request has waited this long. */
  readonly maxWaitMs?: number;
  readonly clock?: Clock;
}

export interface FaceBatcherStats {
  readonly batches: number;
  readonly faces: number;
  readonly meanBatch: number;
  /** Time in generate() since the batcher was made. */
  readonly busyMs: number;
  /** From submit to the start of generate(), over the latest 256 faces. */
  readonly waitMs: { readonly median: number; readonly p95: number };
}

interface Request {
  readonly input: Float32Array;
  readonly features: Float32Array;
  readonly sinceMs: number;
  readonly resolve: (face: RgbImage) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Gathers requests for faces over time and over sessions, oldest first, and draws them together: networks draw eight
 * faces in much less than eight times the time of one. One batch is drawn at a time; meanwhile others gather.
 */
export class FaceBatcher {
  readonly batch: number;
  readonly maxWaitMs: number;
  readonly #generator: FaceGenerator;
  readonly #clock: Clock;
  readonly #inputs: Float32Array;
  readonly #features: Float32Array;
  readonly #waits = new Float64Array(WAITS_KEPT);
  #waiting: Request[] = [];
  #running: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #closed = false;
  #batches = 0;
  #faces = 0;
  #busyMs = 0;

  constructor(options: FaceBatcherOptions) {
    const { generator, batch, maxWaitMs = DEFAULT_MAX_WAIT_MS, clock = systemClock } = options;
    if (!Number.isInteger(batch) || batch < 1)
      throw new AppError('invalid-argument', `a batch holds at least one face, got ${batch}`);
    this.batch = batch;
    this.maxWaitMs = maxWaitMs;
    this.#generator = generator;
    this.#clock = clock;
    this.#inputs = new Float32Array(batch * generator.inputValues);
    this.#features = new Float32Array(batch * generator.featureValues);
  }

  /**
   * One face, faceSidePx square, packed RGB; it belongs to the caller (its bytes may be a part of a larger buffer).
   * @param input inputValues numbers; not to be changed before the promise settles, as `features`
   * @param features featureValues numbers
   * @param signal drops the request, before it costs anything if it still waits, and rejects with the signal's reason
   * @throws AppError what generate() throws, for each face of its batch
   */
  submit(input: Float32Array, features: Float32Array, signal?: AbortSignal): Promise<RgbImage> {
    const { inputValues, featureValues } = this.#generator;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#closed) throw closed();
      if (input.length !== inputValues || features.length !== featureValues) {
        throw new AppError(
          'invalid-argument',
          `a face is drawn from ${inputValues} and ${featureValues} numbers, not from ${input.length} and ${features.length}`,
        );
      }
      const abort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== request);
        reject(signal?.reason as Error);
        this.#consider();
      };
      const request: Request = {
        input,
        features,
        sinceMs: this.#clock.now(),
        resolve(face) {
          signal?.removeEventListener('abort', abort);
          resolve(face);
        },
        reject(reason) {
          signal?.removeEventListener('abort', abort);
          reject(reason as Error);
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(request);
      this.#consider();
    });
  }

  /** Requests that wait for their batch. */
  get waiting(): number {
    return this.#waiting.length;
  }

  stats(): FaceBatcherStats {
    const waits = this.#waits.slice(0, Math.min(this.#faces, WAITS_KEPT)).sort();
    const at = (share: number): number => waits[Math.floor(share * (waits.length - 1))] ?? 0;
    return {
      batches: this.#batches,
      faces: this.#faces,
      meanBatch: this.#batches === 0 ? 0 : this.#faces / this.#batches,
      busyMs: this.#busyMs,
      waitMs: { median: at(0.5), p95: at(0.95) },
    };
  }

  /** Rejects what waits; the batch that is being drawn is still answered. The generator is not closed. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer?.();
    for (const request of this.#waiting.splice(0)) request.reject(closed());
    await this.#running;
  }

  /** Starts a batch if one is due, or sets the timer for the moment when it will be. */
  #consider(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const oldest = this.#waiting[0];
    if (this.#running !== undefined || oldest === undefined) return;
    const leftMs = oldest.sinceMs + this.maxWaitMs - this.#clock.now();
    if (this.#waiting.length < this.batch && leftMs > 0) {
      this.#cancelTimer = this.#clock.after(leftMs, () => this.#consider());
      return;
    }
    this.#running = this.#draw(this.#waiting.splice(0, this.batch)).finally(() => {
      this.#running = undefined;
      this.#consider();
    });
  }

  async #draw(requests: readonly Request[]): Promise<void> {
    const { inputValues, featureValues, faceSidePx } = this.#generator;
    const count = requests.length;
    const startMs = this.#clock.now();
    for (const [i, { input, features, sinceMs }] of requests.entries()) {
      this.#inputs.set(input, i * inputValues);
      this.#features.set(features, i * featureValues);
      this.#waits[(this.#faces + i) % WAITS_KEPT] = startMs - sinceMs;
    }
    this.#batches += 1;
    this.#faces += count;
    try {
      const drawn = await this.#generator.generate(
        this.#inputs.subarray(0, count * inputValues),
        this.#features.subarray(0, count * featureValues),
        count,
      );
      const bytesEach = faceSidePx * faceSidePx * 3;
      if (drawn.length !== count * bytesEach)
        throw new AppError(
          'internal',
          `${count} faces came in ${drawn.length} bytes, not ${count * bytesEach}`,
        );
      for (const [i, request] of requests.entries()) {
        const data = drawn.subarray(i * bytesEach, (i + 1) * bytesEach);
        request.resolve({ widthPx: faceSidePx, heightPx: faceSidePx, data });
      }
    } catch (error) {
      for (const request of requests) request.reject(toAppError(error));
    } finally {
      this.#busyMs += this.#clock.now() - startMs;
    }
  }
}

function closed(): AppError {
  return new AppError('internal', 'a face was asked for after the batcher closed');
}

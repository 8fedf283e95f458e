import { basename } from 'node:path';
import { AppError } from '../../../errors.js';
import type { Log } from '../../../lib/log.js';
import { BatchGraph, copyBatch, allFinite, type Batch, type BoundGraph } from '../../faces/batch-graph.js';
import { planesToRgb, type PlaneOrder } from './face-planes.js';
import { FACE_SIDE_PX, givesMoments, LATENT_SIDE } from './model-set.js';

/** Stable Diffusion's factor between the VAE's own latents and the ones that the UNet works on. */
export const VAE_SCALE = 0.18215;
/** Numbers of one face's latents, and of one picture. */
export const LATENT_VALUES = 4 * LATENT_SIDE * LATENT_SIDE;
export const IMAGE_VALUES = 3 * FACE_SIDE_PX * FACE_SIDE_PX;

/** What differs between exports of the VAE and cannot always be read off the file. */
export interface VaeOverrides {
  /** Whether the factor is applied inside the file. Moments (8 channels) are taken as outside, latents as inside. */
  readonly encoderScaling?: 'inside' | 'outside';
  /** `inside` if left out; `none` for a decoder of scaled latents such as TAESD. Both are fed alike. */
  readonly decoderScaling?: 'inside' | 'outside' | 'none';
  readonly encoderOrder?: PlaneOrder;
  readonly decoderOrder?: PlaneOrder;
}

export interface VaeCodecOptions {
  readonly overrides: VaeOverrides;
  /** Loads a float32 decoder for when the one given overflows; undefined if there is none. */
  readonly loadFp32Decoder: (() => Promise<BoundGraph>) | undefined;
  readonly log: Log;
}

/** Pictures to scaled latents and back, whatever the files' own conventions. One call at a time each way. */
export class VaeCodec {
  readonly encoderScaling: 'inside' | 'outside';
  readonly decoderScaling: 'inside' | 'outside' | 'none';
  readonly #encoder: BatchGraph;
  #decoder: BatchGraph;
  readonly #options: VaeCodecOptions;
  readonly #moments: boolean;
  #retiredDecoderMs = 0;
  #swapped = new Float32Array(0);
  #unscaled = new Float32Array(0);
  #rescued = false;

  constructor(encoder: BoundGraph, decoder: BoundGraph, tiny: boolean, options: VaeCodecOptions) {
    this.#encoder = new BatchGraph(encoder);
    this.#decoder = new BatchGraph(decoder);
    this.#options = options;
    this.#moments = givesMoments(encoder);
    this.encoderScaling = options.overrides.encoderScaling ?? (this.#moments ? 'outside' : 'inside');
    this.decoderScaling = options.overrides.decoderScaling ?? (tiny ? 'none' : 'inside');
  }

  /** Time inside the networks since creation. */
  get encodeMs(): number {
    return this.#encoder.runMs;
  }

  get decodeMs(): number {
    return this.#retiredDecoderMs + this.#decoder.runMs;
  }

  get encoder(): BoundGraph {
    return this.#encoder.graph;
  }

  /** The float32 one after an overflow. */
  get decoder(): BoundGraph {
    return this.#decoder.graph;
  }

  /**
   * @param images `count` pictures 3 x 256 x 256 (R, G, B planes, -1..1), only read
   * @returns the mean of each one's latents, 4 x 32 x 32, times 0.18215, in an array of the caller's own
   * @throws AppError model-invalid on NaN
   */
  async encode(images: Float32Array, count: number, padTo = count): Promise<Float32Array> {
    const raw = await this.#encoder.run([this.#inEncoderOrder(images, count)], count, padTo);
    const latents = new Float32Array(count * LATENT_VALUES);
    const stride = raw.length / count;
    for (let n = 0; n < count; n++) {
      copyBatch(
        raw.subarray(n * stride, n * stride + LATENT_VALUES),
        latents.subarray(n * LATENT_VALUES, (n + 1) * LATENT_VALUES),
      );
    }
    if (this.encoderScaling === 'outside') {
      for (let i = 0; i < latents.length; i++) latents[i] = latents[i]! * VAE_SCALE;
    }
    if (!allFinite(latents)) throw nanError(this.encoder, 'encoder');
    return latents;
  }

  /**
   * @param latents `count` scaled latents 4 x 32 x 32, only read
   * @param target packed RGB, 256 x 256 x 3 bytes a face
   * @throws AppError model-invalid on NaN, unless a float32 decoder is there to take over
   */
  async decode(latents: Batch, count: number, target: Uint8Array, padTo = count): Promise<void> {
    const input = this.decoderScaling === 'outside' ? this.#unscale(latents, count) : latents;
    const order = this.#options.overrides.decoderOrder ?? 'rgb';
    const planes = await this.#decoder.run([input], count, padTo);
    if (planesToRgb(planes, FACE_SIDE_PX, count, order, target)) return;
    await this.#rescue();
    const again = await this.#decoder.run([input], count, padTo);
    if (!planesToRgb(again, FACE_SIDE_PX, count, order, target)) throw nanError(this.decoder, 'decoder');
  }

  async close(): Promise<void> {
    await Promise.all([this.encoder.runner.close(), this.decoder.runner.close()]);
  }

  /** Puts the float32 decoder in the place of one that overflowed, once. */
  async #rescue(): Promise<void> {
    const { loadFp32Decoder, log } = this.#options;
    if (this.#rescued || !loadFp32Decoder) throw nanError(this.decoder, 'decoder');
    this.#rescued = true;
    const retired = this.#decoder;
    const graph = await loadFp32Decoder();
    log.warn(
      { decoder: basename(retired.graph.file), instead: basename(graph.file) },
      'the VAE decoder answered with NaN; the float32 one takes over',
    );
    this.#decoder = new BatchGraph(graph);
    this.#retiredDecoderMs = retired.runMs;
    await retired.graph.runner.close();
  }

  #inEncoderOrder(images: Float32Array, count: number): Float32Array {
    if (this.#options.overrides.encoderOrder !== 'bgr') return images;
    if (this.#swapped.length < count * IMAGE_VALUES) this.#swapped = new Float32Array(count * IMAGE_VALUES);
    const plane = FACE_SIDE_PX * FACE_SIDE_PX;
    for (let at = 0; at < count * IMAGE_VALUES; at += IMAGE_VALUES) {
      for (let c = 0; c < 3; c++) {
        const from = at + c * plane;
        this.#swapped.set(images.subarray(from, from + plane), at + (2 - c) * plane);
      }
    }
    return this.#swapped.subarray(0, count * IMAGE_VALUES);
  }

  #unscale(latents: Batch, count: number): Float32Array {
    const length = count * LATENT_VALUES;
    if (this.#unscaled.length < length) this.#unscaled = new Float32Array(length);
    const unscaled = this.#unscaled.subarray(0, length);
    copyBatch(latents.subarray(0, length), unscaled);
    for (let i = 0; i < length; i++) unscaled[i] = unscaled[i]! / VAE_SCALE;
    return unscaled;
  }
}

function nanError(graph: BoundGraph, part: string): AppError {
  return new AppError(
    'model-invalid',
    `the VAE ${part} ${basename(graph.file)} answers with NaN, as half floats do when they overflow: put the fp32 file beside it or choose the precision fp32`,
  );
}

import { basename } from 'node:path';
import { AppError } from '../../errors.js';
import type { RgbImage } from '../../media/frame.js';
import { allFinite, BatchGraph } from '../faces/batch-graph.js';
import { FaceEncoder, INPUT_VALUES, prepareCrops } from './face-encoder.js';
import { BatchLimit } from '../faces/batch-limit.js';
import { isHalf, type MuseTalkFiles } from './models/model-files.js';
import { AUDIO_ROWS, AUDIO_WIDTH, FACE_SIDE_PX } from './models/model-set.js';
import {
  describeNets,
  openNets,
  type MuseTalkInfo,
  type MuseTalkNetsOptions,
  type OpenNets,
} from './models/open-nets.js';
import { IMAGE_VALUES, type VaeCodec } from './models/vae-codec.js';
import { HEARD_ROWS, MEL_BANDS, MEL_FRAMES, type WhisperEncoder } from './models/whisper-encoder.js';

/** Numbers heard per drawn picture, positional encoding included. */
export const FEATURE_VALUES = AUDIO_ROWS * AUDIO_WIDTH;
export const FACE_BYTES = FACE_SIDE_PX * FACE_SIDE_PX * 3;

/** Milliseconds since creation; `last` of the latest `faces`, `encode` or `hear` alone. `own` is what is not a network. */
export interface StageMs {
  readonly total: Readonly<Record<Stage, number>>;
  readonly last: Readonly<Record<Stage, number>>;
}
export type Stage = 'unet' | 'decode' | 'hear' | 'encode' | 'own';

/** MuseTalk's four networks, checked at start, with the reference's arithmetic around them. Calls wait for one another. */
export class MuseTalkNets {
  readonly #files: MuseTalkFiles;
  readonly #unet: BatchGraph;
  readonly #codec: VaeCodec;
  readonly #whisper: WhisperEncoder;
  readonly #faceLimit: BatchLimit;
  readonly #encoder: FaceEncoder;
  readonly #fixedShapes: boolean;
  #turn: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #ownMs = 0;
  #last: Record<Stage, number> = { unet: 0, decode: 0, hear: 0, encode: 0, own: 0 };

  private constructor(options: MuseTalkNetsOptions, { files, unet, codec, whisper }: OpenNets) {
    this.#files = files;
    this.#unet = new BatchGraph(unet);
    this.#codec = codec;
    this.#whisper = whisper;
    this.#faceLimit = new BatchLimit('faces', options.batch ?? 8, options.log);
    this.#encoder = new FaceEncoder(codec, options.log);
    this.#fixedShapes = options.fixedShapes ?? options.provider?.provider === 'cuda';
  }

  /**
   * Finds, loads and checks one set of files, and sends a picture through the VAE.
   * @throws AppError file-not-found, invalid-argument, model-invalid, not-supported or no-capacity: one sentence with
   *   the file and what to do
   */
  static async create(options: MuseTalkNetsOptions): Promise<MuseTalkNets> {
    return new MuseTalkNets(options, await openNets(options));
  }

  get info(): MuseTalkInfo {
    return describeNets(this.#files, this.#unet.graph, this.#codec, this.#whisper);
  }

  get stageMs(): StageMs {
    return { total: this.#totals(), last: this.#last };
  }

  /** Faces in one run at most; falls when memory runs out. */
  get batch(): number {
    return this.#faceLimit.limit;
  }

  /**
   * @param mel log-mel of 30 s, [80, 3000]
   * @returns the first `rows` (20 ms each, at most 1500) of the five encoder states, [rows, 5, 384], the caller's own
   */
  async hear(mel: Float32Array, rows: number): Promise<Float32Array> {
    if (mel.length !== MEL_BANDS * MEL_FRAMES) throw wrongLength('mel', mel.length, MEL_BANDS * MEL_FRAMES);
    if (!(rows >= 0 && rows <= HEARD_ROWS)) {
      throw new AppError(
        'invalid-argument',
        `${rows} rows were asked for, Whisper hears ${HEARD_ROWS} at once`,
      );
    }
    return this.#inTurn(() => this.#whisper.hear(mel, rows));
  }

  /**
   * @param images `count` pictures 3 x 256 x 256 (R, G, B planes, -1..1), only read
   * @returns the mean of their latents, scaled, 4 x 32 x 32 each, the caller's own
   */
  async encode(images: Float32Array, count: number): Promise<Float32Array> {
    if (images.length < count * IMAGE_VALUES)
      throw wrongLength('images', images.length, count * IMAGE_VALUES);
    return this.#inTurn(() => this.#encoder.encode(images, count));
  }

  /** See prepareCrops. */
  prepare(crops: readonly RgbImage[]): Promise<Float32Array[]> {
    return prepareCrops(crops, (images, count) => this.encode(images, count));
  }

  /**
   * @param inputs `count` x 8 x 32 x 32 from `prepare`, only read
   * @param features `count` x 50 x 384, positional encoding included, only read
   * @returns `count` faces, packed RGB 256 x 256, the caller's own
   * @throws AppError model-invalid on NaN; no-capacity when not even one face fits in memory
   */
  async faces(inputs: Float32Array, features: Float32Array, count: number): Promise<Uint8Array> {
    if (inputs.length < count * INPUT_VALUES)
      throw wrongLength('inputs', inputs.length, count * INPUT_VALUES);
    if (features.length < count * FEATURE_VALUES) {
      throw wrongLength('features', features.length, count * FEATURE_VALUES);
    }
    return this.#inTurn(async () => {
      const faces = new Uint8Array(count * FACE_BYTES);
      await this.#faceLimit.each(count, async (first, size, padTo) => {
        const latents = await this.#unet.run(
          [
            inputs.subarray(first * INPUT_VALUES, (first + size) * INPUT_VALUES),
            features.subarray(first * FEATURE_VALUES, (first + size) * FEATURE_VALUES),
          ],
          size,
          padTo,
        );
        if (!allFinite(latents)) throw this.#unetNanError();
        const target = faces.subarray(first * FACE_BYTES, (first + size) * FACE_BYTES);
        await this.#codec.decode(latents, size, target, padTo);
      });
      return faces;
    });
  }

  /**
   * Makes `batch` the largest number of faces in one run and computes such a run, so that memory is taken and plans are
   * made; halves the batch until it fits. With fixed shapes, part batches are filled up to the sizes warmed up, of which
   * there may be several: warm the smaller ones up first.
   * @returns the batch that fits
   */
  async warmUp(batch: number): Promise<number> {
    this.#faceLimit.reset(Math.max(batch, this.#faceLimit.limit));
    await this.faces(new Float32Array(batch * INPUT_VALUES), new Float32Array(batch * FEATURE_VALUES), batch);
    const fitting = Math.min(batch, this.#faceLimit.limit);
    this.#faceLimit.reset(fitting);
    if (this.#fixedShapes) this.#faceLimit.padTo(fitting);
    return fitting;
  }

  close(): Promise<void> {
    this.#closing ??= this.#turn.then(async () => {
      await Promise.all([this.#unet.graph.runner.close(), this.#codec.close(), this.#whisper.runner.close()]);
    });
    return this.#closing;
  }

  /** One call after the other: they share the networks' memory. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing)
      throw new AppError('internal', 'the MuseTalk networks were used after they were closed');
    const turn = this.#turn.then(async () => {
      const before = this.#totals();
      const startedMs = performance.now();
      try {
        return await work();
      } finally {
        const wallMs = performance.now() - startedMs;
        const after = this.#totals();
        const last = { ...after };
        for (const stage of ['unet', 'decode', 'hear', 'encode'] as const)
          last[stage] = after[stage] - before[stage];
        last.own = wallMs - last.unet - last.decode - last.hear - last.encode;
        this.#ownMs += last.own;
        this.#last = last;
      }
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  #totals(): Record<Stage, number> {
    return {
      unet: this.#unet.runMs,
      decode: this.#codec.decodeMs,
      hear: this.#whisper.runMs,
      encode: this.#codec.encodeMs,
      own: this.#ownMs,
    };
  }

  #unetNanError(): AppError {
    const file = basename(this.#files.unet);
    return new AppError(
      'model-invalid',
      isHalf(file)
        ? `the UNet ${file} answers with NaN, as half floats do when they overflow: choose the precision fp32 with the fp32 file`
        : `the UNet ${file} answers with NaN: the file is damaged or was exported wrongly, so verify it (npm run models -- verify) or export it again`,
    );
  }
}

function wrongLength(what: string, length: number, expected: number): AppError {
  return new AppError('invalid-argument', `${what} holds ${length} numbers, expected ${expected}`);
}

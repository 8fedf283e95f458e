import type { OnnxGraphOptions } from '../../adapters/onnx.js';
import { AppError } from '../../errors.js';
import type { Log } from '../../lib/log.js';
import type { RgbImage } from '../../media/frame.js';
import type { FaceEar, FaceFamily, HeardUtterance } from '../faces/face-family.js';
import { allFinite, copyBatch } from '../faces/batch-graph.js';
import { BatchLimit } from '../faces/batch-limit.js';
import { FEATURE_VALUES, hearWhole, Wav2LipEar } from './wav2lip-hearing.js';
import { Wav2LipModel } from './wav2lip-model.js';
import { planeOf, wav2LipPlanes, type Wav2LipFaceFormat } from './wav2lip-planes.js';

export interface Wav2LipOptions extends OnnxGraphOptions {
  /** The .onnx file. */
  readonly modelPath: string;
  /** `bgr` if left out. */
  readonly channelOrder?: Wav2LipFaceFormat['channelOrder'];
  /** Faces a run holds at most; halved when memory runs out. */
  readonly maxBatch?: number;
  readonly log: Log;
}

const DEFAULT_MAX_BATCH = 16;

/**
 * Wav2Lip (Prajwal et al. 2020) as a face family. A picture's input is its face crop alone, three planes of 0..1 in
 * the network's channel order; the six channels (lower half blanked, then whole) are put together as they are needed.
 */
export class Wav2LipFamily implements FaceFamily {
  readonly name = 'wav2lip';
  readonly faceSidePx: number;
  /** 3 x side x side. */
  readonly inputValues: number;
  readonly featureValues = FEATURE_VALUES;
  readonly #model: Wav2LipModel;
  readonly #limit: BatchLimit;
  readonly #format: Wav2LipFaceFormat;
  #faces = new Float32Array(0);
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(model: Wav2LipModel, options: Wav2LipOptions) {
    this.#model = model;
    this.faceSidePx = model.sidePx;
    this.inputValues = 3 * model.sidePx ** 2;
    this.#limit = new BatchLimit('Wav2Lip', options.maxBatch ?? DEFAULT_MAX_BATCH, options.log);
    this.#format = { faceSidePx: model.sidePx, channelOrder: options.channelOrder ?? 'bgr' };
  }

  /** @throws AppError what Wav2LipModel.load throws */
  static async load(options: Wav2LipOptions): Promise<Wav2LipFamily> {
    const model = await Wav2LipModel.load(options.modelPath, options);
    try {
      return new Wav2LipFamily(model, options);
    } catch (error) {
      await model.close();
      throw error;
    }
  }

  /** Runs no network. @throws AppError internal for a crop of another size */
  prepare(crops: readonly RgbImage[]): Promise<Float32Array[]> {
    return Promise.resolve().then(() => crops.map((crop) => wav2LipPlanes(crop, this.#format)));
  }

  openEar(): FaceEar {
    return new Wav2LipEar();
  }

  hearWhole(pcm: Float32Array, fps: number): HeardUtterance {
    return hearWhole(pcm, fps);
  }

  /** Calls may overlap; each waits for the one before. */
  generate(inputs: Float32Array, features: Float32Array, count: number): Promise<Uint8Array> {
    const result = this.#queue.then(() => this.#generate(inputs, features, count));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.#model.close();
  }

  async #generate(inputs: Float32Array, features: Float32Array, count: number): Promise<Uint8Array> {
    const faces = new Uint8Array(count * this.inputValues);
    await this.#limit.each(count, async (first, size, padTo) => {
      const part = inputs.subarray(first * this.inputValues, (first + size) * this.inputValues);
      const heard = features.subarray(first * FEATURE_VALUES, (first + size) * FEATURE_VALUES);
      const answer = await this.#model.run(heard, this.#sixChannels(part, size), size, padTo);
      const planes = answer instanceof Float32Array ? answer : new Float32Array(answer.length);
      if (planes !== answer) copyBatch(answer, planes);
      if (!allFinite(planes))
        throw new AppError(
          'model-invalid',
          'Wav2Lip answered with numbers that are not finite: take the fp32 file, or another one',
        );
      this.#toRgb(planes, size, faces.subarray(first * this.inputValues));
    });
    return faces;
  }

  /** The blanked face before the whole one, for each picture. */
  #sixChannels(inputs: Float32Array, count: number): Float32Array {
    const values = this.inputValues;
    const pixels = this.faceSidePx ** 2;
    if (this.#faces.length < 2 * count * values) this.#faces = new Float32Array(2 * count * values);
    for (let k = 0; k < count; k++) {
      const face = inputs.subarray(k * values, (k + 1) * values);
      this.#faces.set(face, 2 * k * values);
      this.#faces.set(face, (2 * k + 1) * values);
      for (let channel = 0; channel < 3; channel++) {
        const plane = 2 * k * values + channel * pixels;
        this.#faces.fill(0, plane + pixels / 2, plane + pixels);
      }
    }
    return this.#faces.subarray(0, 2 * count * values);
  }

  /** Times 255, cut to whole numbers like the reference's astype(uint8). */
  #toRgb(planes: Float32Array, count: number, target: Uint8Array): void {
    const pixels = this.faceSidePx ** 2;
    for (let k = 0; k < count; k++) {
      const face = k * this.inputValues;
      for (let channel = 0; channel < 3; channel++) {
        const plane = face + planeOf(channel, this.#format.channelOrder) * pixels;
        for (let i = 0; i < pixels; i++) {
          const value = Math.fround(planes[plane + i]! * 255);
          target[face + 3 * i + channel] = Math.min(255, Math.max(0, value));
        }
      }
    }
  }
}

import { AppError } from '../../errors.js';
import type { Log } from '../../lib/log.js';
import type { RgbImage } from '../../media/frame.js';
import { BatchLimit } from '../faces/batch-limit.js';
import { rgbToPlanes } from './models/face-planes.js';
import { FACE_SIDE_PX } from './models/model-set.js';
import { openVae, type MuseTalkNetsOptions } from './models/open-nets.js';
import { IMAGE_VALUES, LATENT_VALUES, type VaeCodec } from './models/vae-codec.js';

/** Numbers prepared per footage picture: masked latents, then reference latents, 4 x 32 x 32 each. */
export const INPUT_VALUES = 2 * LATENT_VALUES;
/** Crops encoded at once: two pictures each. */
const PREPARE_CROPS = 4;
/** The first row that the masked picture leaves black: the lower half. */
const MASK_ROW = FACE_SIDE_PX / 2;

/** Pictures of faces to latents, in batches that fit in memory. */
export class FaceEncoder {
  readonly #codec: VaeCodec;
  readonly #limit: BatchLimit;

  constructor(codec: VaeCodec, log: Log) {
    this.#codec = codec;
    this.#limit = new BatchLimit('pictures to prepare', 2 * PREPARE_CROPS, log);
  }

  /**
   * @param images `count` pictures 3 x 256 x 256 (R, G, B planes, -1..1), only read
   * @returns the mean of their latents, scaled, 4 x 32 x 32 each, the caller's own
   */
  async encode(images: Float32Array, count: number): Promise<Float32Array> {
    const latents = new Float32Array(count * LATENT_VALUES);
    await this.#limit.each(count, async (first, size, padTo) => {
      const part = images.subarray(first * IMAGE_VALUES, (first + size) * IMAGE_VALUES);
      latents.set(await this.#codec.encode(part, size, padTo), first * LATENT_VALUES);
    });
    return latents;
  }
}

/**
 * Crops of 256 x 256 to what the UNet takes: the latents of the picture with its lower half black, then those of the
 * whole picture, as the reference's get_latents_for_unet, but with the mean instead of a random sample. The crops are
 * only read.
 */
export async function prepareCrops(
  crops: readonly RgbImage[],
  encode: (images: Float32Array, count: number) => Promise<Float32Array>,
): Promise<Float32Array[]> {
  const prepared: Float32Array[] = [];
  const images = new Float32Array(2 * Math.min(PREPARE_CROPS, crops.length) * IMAGE_VALUES);
  for (let first = 0; first < crops.length; first += PREPARE_CROPS) {
    const part = crops.slice(first, first + PREPARE_CROPS);
    part.forEach((crop, i) => {
      if (crop.widthPx !== FACE_SIDE_PX || crop.heightPx !== FACE_SIDE_PX) {
        throw new AppError(
          'invalid-argument',
          `a face crop of ${crop.widthPx}x${crop.heightPx} was given, MuseTalk takes ${FACE_SIDE_PX}x${FACE_SIDE_PX}`,
        );
      }
      rgbToPlanes(crop.data, FACE_SIDE_PX, MASK_ROW, images, 2 * i * IMAGE_VALUES);
      rgbToPlanes(crop.data, FACE_SIDE_PX, FACE_SIDE_PX, images, (2 * i + 1) * IMAGE_VALUES);
    });
    const latents = await encode(images, 2 * part.length);
    part.forEach((_, i) => prepared.push(latents.slice(i * INPUT_VALUES, (i + 1) * INPUT_VALUES)));
  }
  return prepared;
}

/** What preparation needs of MuseTalk: its VAE, checked, without the networks that draw and hear. */
export async function openMuseTalkPreparer(options: MuseTalkNetsOptions) {
  const { codec } = await openVae(options);
  const encoder = new FaceEncoder(codec, options.log);
  return {
    name: 'musetalk' as const,
    faceSidePx: FACE_SIDE_PX,
    inputValues: INPUT_VALUES,
    prepare: (crops: readonly RgbImage[]) =>
      prepareCrops(crops, (images, count) => encoder.encode(images, count)),
    close: () => codec.close(),
  };
}

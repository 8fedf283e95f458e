import { basename } from 'node:path';
import { AppError } from '../../../errors.js';
import { rgbToPlanes } from './face-planes.js';
import { FACE_SIDE_PX } from './model-set.js';
import { IMAGE_VALUES, LATENT_VALUES, VAE_SCALE, type VaeCodec } from './vae-codec.js';

/** Mean difference, in levels of 255, up to which a picture counts as come back. A trained VAE stays under 5. */
const SAME_LEVELS = 12;
/** Scaled latents of a grey picture stay below this in every channel's mean; unscaled ones are several times larger. */
const GREY_MEAN_LIMIT = 1.5;
/** Likewise for the spread over the test picture: scaled ones have about 1, unscaled ones about 5. */
const SPREAD_LIMIT = 2.5;
const SMALL_SPREAD = 0.35;
const FACE_BYTES = FACE_SIDE_PX * FACE_SIDE_PX * 3;

/**
 * Sends a grey picture and a colourful one through encoder and decoder. Files of different exports may each be sound
 * and still not fit together: one scales, the other does not expect it, and the mouth comes out grey or glaring.
 * @throws AppError model-invalid, saying what does not fit and which override puts it right
 */
export async function probeVae(codec: VaeCodec): Promise<void> {
  const encoder = basename(codec.encoder.file);
  const decoder = basename(codec.decoder.file);
  const fail = (sentence: string): AppError => new AppError('model-invalid', sentence);

  const grey = new Uint8Array(FACE_BYTES).fill(128);
  const picture = testPicture();
  const images = new Float32Array(2 * IMAGE_VALUES);
  rgbToPlanes(grey, FACE_SIDE_PX, FACE_SIDE_PX, images, 0);
  rgbToPlanes(picture, FACE_SIDE_PX, FACE_SIDE_PX, images, IMAGE_VALUES);
  const both = await codec.encode(images, 2);
  const greyLatents = both.subarray(0, LATENT_VALUES);
  const latents = both.subarray(LATENT_VALUES);
  const spread = standardDeviation(latents);
  const large = greyMean(greyLatents) > GREY_MEAN_LIMIT || spread > SPREAD_LIMIT;

  const back = async (factor: number): Promise<Uint8Array> => {
    const decoded = new Uint8Array(FACE_BYTES);
    await codec.decode(
      latents.map((value) => value * factor),
      1,
      decoded,
    );
    return decoded;
  };
  const asIs = await back(1);
  if (difference(asIs, picture) <= SAME_LEVELS) {
    if (large) {
      throw fail(
        `${encoder} gives latents that were not multiplied by ${VAE_SCALE} and ${decoder} expects them so, but the UNet does not: start with --vae-override encoderScaling=outside --vae-override decoderScaling=outside`,
      );
    }
    return;
  }
  if (difference(await back(VAE_SCALE), picture) <= SAME_LEVELS) {
    throw fail(
      codec.decoderScaling === 'outside' && !large
        ? `${decoder} divides by ${VAE_SCALE} itself, and it was divided before as well: start with --vae-override decoderScaling=inside`
        : `${encoder} does not multiply by ${VAE_SCALE}, but ${decoder} divides by it: start with --vae-override encoderScaling=outside`,
    );
  }
  if (difference(await back(1 / VAE_SCALE), picture) <= SAME_LEVELS) {
    throw fail(
      codec.encoderScaling === 'outside' && spread < SMALL_SPREAD
        ? `${encoder} multiplies by ${VAE_SCALE} itself, and it was multiplied again after: start with --vae-override encoderScaling=inside`
        : `${encoder} multiplies by ${VAE_SCALE}, but ${decoder} does not divide by it: start with --vae-override decoderScaling=outside`,
    );
  }
  if (difference(redAndBlueSwapped(asIs), picture) <= SAME_LEVELS) {
    throw fail(
      `${encoder} and ${decoder} disagree about red and blue: start with --vae-override decoderOrder=bgr, or encoderOrder=bgr if faces then look blue`,
    );
  }
  if (difference(spreadOut(asIs), picture) <= SAME_LEVELS) {
    throw fail(
      `${decoder} gives pictures of 0..1 where -1..1 is expected: export it again (models/export) without that step`,
    );
  }
  throw fail(
    `${decoder} does not give back what ${encoder} was shown (it is ${Math.round(difference(asIs, picture))} of 255 levels off), whatever the scaling: take encoder and decoder from one export, or start with --vae-override probe=off if the weights are meant to be like this`,
  );
}

/** Slopes in red and green, large squares in blue, nothing saturated: easy for any VAE, and no channel like another. */
function testPicture(): Uint8Array {
  const picture = new Uint8Array(FACE_BYTES);
  for (let y = 0; y < FACE_SIDE_PX; y++) {
    for (let x = 0; x < FACE_SIDE_PX; x++) {
      const at = 3 * (y * FACE_SIDE_PX + x);
      picture[at] = 28 + (x * 200) / 255;
      picture[at + 1] = 228 - (y * 200) / 255;
      picture[at + 2] = ((x >> 6) + (y >> 6)) % 2 === 0 ? 64 : 192;
    }
  }
  return picture;
}

function redAndBlueSwapped(picture: Uint8Array): Uint8Array {
  return picture.map((_, i) => picture[i + 2 - 2 * (i % 3)]!);
}

/** What a picture was if its numbers had been taken for -1..1 while they were 0..1. */
function spreadOut(picture: Uint8Array): Uint8Array {
  return picture.map((value) => Math.max(0, 2 * value - 255));
}

function difference(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / a.length;
}

/** The largest mean of a channel, by its size. */
function greyMean(latents: Float32Array): number {
  const channel = latents.length / 4;
  return Math.max(
    ...[0, 1, 2, 3].map((c) => Math.abs(mean(latents.subarray(c * channel, (c + 1) * channel)))),
  );
}

function standardDeviation(values: Float32Array): number {
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / values.length);
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

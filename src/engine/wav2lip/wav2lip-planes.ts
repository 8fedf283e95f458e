import { AppError } from '../../errors.js';
import type { RgbImage } from '../../media/frame.js';

/** How a Wav2Lip network takes a face. */
export interface Wav2LipFaceFormat {
  /** Width and height. */
  readonly faceSidePx: number;
  /** Order of the channels. Wav2Lip reads pictures with OpenCV, so BGR is its own. */
  readonly channelOrder: 'bgr' | 'rgb';
}

/** Which plane holds red (0), green (1) or blue (2). */
export function planeOf(channel: number, order: Wav2LipFaceFormat['channelOrder']): number {
  return order === 'rgb' ? channel : 2 - channel;
}

/**
 * A face as the network takes it whole: three planes of 0..1 in its order. The crop is only read.
 * @throws AppError internal for a crop of another size
 */
export function wav2LipPlanes(
  { widthPx, heightPx, data }: RgbImage,
  format: Wav2LipFaceFormat,
): Float32Array {
  const { faceSidePx, channelOrder } = format;
  if (widthPx !== faceSidePx || heightPx !== faceSidePx)
    throw new AppError(
      'internal',
      `a crop for Wav2Lip has ${widthPx}x${heightPx} pixels, not ${faceSidePx}x${faceSidePx}`,
    );
  const pixels = faceSidePx ** 2;
  const planes = new Float32Array(3 * pixels);
  for (let channel = 0; channel < 3; channel++) {
    const plane = planeOf(channel, channelOrder) * pixels;
    for (let i = 0; i < pixels; i++) planes[plane + i] = data[3 * i + channel]! / 255;
  }
  return planes;
}

/** What preparation needs of Wav2Lip, which takes no network. */
export function wav2LipPreparer(format: Wav2LipFaceFormat) {
  return {
    name: 'wav2lip' as const,
    faceSidePx: format.faceSidePx,
    /** 3 x side x side. */
    inputValues: 3 * format.faceSidePx ** 2,
    prepare: (crops: readonly RgbImage[]): Promise<Float32Array[]> =>
      Promise.resolve().then(() => crops.map((crop) => wav2LipPlanes(crop, format))),
    close: () => Promise.resolve(),
  };
}

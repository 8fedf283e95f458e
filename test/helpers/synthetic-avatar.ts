import type { AvatarSource } from '../../src/engine/engine.js';
import { i420SizeBytes } from '../../src/media/frame.js';
import { rgbToI420 } from '../../src/media/yuv.js';

export interface SyntheticAvatarOptions {
  readonly widthPx: number;
  readonly heightPx: number;
  /** One entry a picture. */
  readonly landmarks: readonly Float32Array[];
  /** Packed RGB of picture `index`; mid-grey where it is not given. */
  readonly paint?: (index: number, rgb: Uint8Array) => void;
}

/** An avatar in memory that counts how its pictures are read. */
export function syntheticAvatar(
  options: SyntheticAvatarOptions,
): AvatarSource & { readonly reads: number[] } {
  const { widthPx, heightPx, landmarks } = options;
  const reads: number[] = [];
  return {
    id: 'synthetic',
    widthPx,
    heightPx,
    frameCount: landmarks.length,
    fps: 25,
    still: landmarks.length === 1,
    reads,
    readFrame(index, target) {
      if (target.length !== i420SizeBytes(widthPx, heightPx)) throw new Error('wrong size');
      reads.push(index);
      const rgb = new Uint8Array(widthPx * heightPx * 3).fill(128);
      options.paint?.(index, rgb);
      rgbToI420(rgb, widthPx, heightPx, target);
    },
    landmarks: (index) => landmarks[index]!,
    close() {},
  };
}

/** Landmarks of a picture that shows no face. */
export function noLandmarks(): Float32Array {
  return new Float32Array(1404).fill(NaN);
}

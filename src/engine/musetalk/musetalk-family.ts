import type { RgbImage } from '../../media/frame.js';
import type { FaceEar, FaceFamily, HeardUtterance } from '../faces/face-family.js';
import { UtteranceWindows, type UtteranceWindowOptions } from './hearing/feature-windows.js';
import { MuseTalkEar } from './hearing/musetalk-ear.js';
import { hearPictures } from './hearing/whole-utterance.js';
import { INPUT_VALUES } from './face-encoder.js';
import { FEATURE_VALUES } from './musetalk-nets.js';
import { FACE_SIDE_PX } from './models/model-set.js';

/** The networks as they are seen from here: in this thread or in another. */
export interface MuseTalkNetworks {
  hear(mel: Float32Array, rows: number): Promise<Float32Array>;
  prepare(crops: readonly RgbImage[]): Promise<Float32Array[]>;
  faces(inputs: Float32Array, features: Float32Array, count: number): Promise<Uint8Array>;
}

/** MuseTalk 1 and 1.5: one UNet step from masked and reference latents and Whisper's states to the face's latents. */
export class MuseTalkFamily implements FaceFamily {
  readonly name = 'musetalk';
  readonly faceSidePx = FACE_SIDE_PX;
  readonly inputValues = INPUT_VALUES;
  readonly featureValues = FEATURE_VALUES;
  readonly #nets: MuseTalkNetworks;
  readonly #windows: UtteranceWindowOptions;

  /** The networks stay the caller's to close. */
  constructor(nets: MuseTalkNetworks, windows: UtteranceWindowOptions) {
    this.#nets = nets;
    this.#windows = windows;
  }

  prepare(crops: readonly RgbImage[]): Promise<Float32Array[]> {
    return this.#nets.prepare(crops);
  }

  openEar(hopMs: number): FaceEar {
    return new MuseTalkEar({ ...this.#windows, hopMs, encode: (mel, rows) => this.#nets.hear(mel, rows) });
  }

  hearWhole(pcm: Float32Array, fps: number): HeardUtterance {
    return {
      pictureCount: new UtteranceWindows(pcm.length, fps, this.#windows).pictureCount,
      pictures: hearPictures(pcm, fps, (mel, rows) => this.#nets.hear(mel, rows), this.#windows),
    };
  }

  generate(inputs: Float32Array, features: Float32Array, count: number): Promise<Uint8Array> {
    return this.#nets.faces(inputs, features, count);
  }
}

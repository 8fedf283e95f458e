import type { RgbImage } from '../../media/frame.js';
import type { FaceEar, FaceFamily, HeardUtterance } from '../faces/face-family.js';
import { FEATURE_VALUES, hearWhole, Wav2LipEar } from './wav2lip-hearing.js';

/** The network, wherever it runs. */
export interface Wav2LipNetwork {
  prepare(crops: readonly RgbImage[]): Promise<Float32Array[]>;
  generate(inputs: Float32Array, features: Float32Array, count: number): Promise<Uint8Array>;
}

/** Wav2Lip with its network in another thread; it listens here, since that takes arithmetic only. */
export class Wav2LipRemote implements FaceFamily {
  readonly name = 'wav2lip';
  readonly faceSidePx: number;
  readonly inputValues: number;
  readonly featureValues = FEATURE_VALUES;
  readonly #network: Wav2LipNetwork;

  /** @param faceSidePx the side of the network's faces: 96, 256, ... */
  constructor(network: Wav2LipNetwork, faceSidePx: number) {
    this.#network = network;
    this.faceSidePx = faceSidePx;
    this.inputValues = 3 * faceSidePx ** 2;
  }

  prepare(crops: readonly RgbImage[]): Promise<Float32Array[]> {
    return this.#network.prepare(crops);
  }

  openEar(): FaceEar {
    return new Wav2LipEar();
  }

  hearWhole(pcm: Float32Array, fps: number): HeardUtterance {
    return hearWhole(pcm, fps);
  }

  generate(inputs: Float32Array, features: Float32Array, count: number): Promise<Uint8Array> {
    return this.#network.generate(inputs, features, count);
  }
}

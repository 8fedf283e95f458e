import type { Ear } from '../engine.js';
import type { NetworkStream } from './mouth-network.js';

/**
 * Hears whether somebody speaks. The network that hears mouths learnt what is no voice as well: noise, hum, breath, keys,
 * music (models/training/README.md); its guess at the moment itself is taken, so nothing is waited for.
 */
export class VoiceEar implements Ear {
  readonly #network: NetworkStream;

  constructor(network: NetworkStream) {
    this.#network = network;
  }

  async push(pcm16k: Float32Array): Promise<Float32Array> {
    const steps = await this.#network.push(pcm16k);
    return Float32Array.from(steps.flatMap(({ now }) => now.map(({ voice }) => voice)));
  }
}

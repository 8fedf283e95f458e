import type { RgbImage } from '../../media/frame.js';

/**
 * What a family of face-generating networks (MuseTalk, Wav2Lip) gives the shared stream, preparation and batcher: a
 * prepared input per footage picture, features per drawn picture, and a square face for both.
 */
export interface FaceFamily extends FaceGenerator {
  readonly name: 'musetalk' | 'wav2lip';
  /** Box crops of the footage, faceSidePx square each, to `inputValues` numbers each. The crops are only read. */
  prepare(crops: readonly RgbImage[]): Promise<Float32Array[]>;
  /** Listens to a live stream of sound, and runs its network for every `hopMs` of it. */
  openEar(hopMs: number): FaceEar;
  /** Listens to a whole utterance (16 kHz mono, -1..1), which gives the reference's own numbers. */
  hearWhole(pcm: Float32Array, fps: number): HeardUtterance;
}

export interface HeardUtterance {
  readonly pictureCount: number;
  /** Features of each picture in order, made as they are asked for. */
  readonly pictures: AsyncIterable<Float32Array>;
}

/** The part that draws faces. Shared by all sessions of a worker through the batcher. */
export interface FaceGenerator {
  /** Width and height of a generated face: 256 for MuseTalk. */
  readonly faceSidePx: number;
  /** Numbers prepared per footage picture: 8 x 32 x 32 latents for MuseTalk. */
  readonly inputValues: number;
  /** Numbers heard per drawn picture: 50 x 384 for MuseTalk, positional encoding included. */
  readonly featureValues: number;
  /**
   * `count` faces at once, packed RGB, faceSidePx * faceSidePx * 3 bytes each, in an array that belongs to the caller.
   * `inputs` and `features` hold `count` entries one behind the other and are only read.
   * @throws AppError model-invalid when the networks answer with NaN; no-capacity when not even one face fits in memory
   */
  generate(inputs: Float32Array, features: Float32Array, count: number): Promise<Uint8Array>;
}

/** Hears a live stream for one session. */
export interface FaceEar {
  /** How much sound after a picture's own time has to be pushed before its features can be complete. */
  readonly lookaheadMs: number;
  /** Appends 16 kHz mono samples (-1..1), which are copied. Never waits. */
  push(pcm: Float32Array): void;
  /**
   * Features (featureValues numbers) of the picture at `timeMs` since the first sample pushed. Asked in rising order.
   * Resolves once its sound was pushed and heard; rejects when the ear is closed.
   */
  features(timeMs: number): Promise<Float32Array>;
  close(): void;
}

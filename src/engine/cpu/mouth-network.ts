import { join } from 'node:path';
import { OnnxModel } from '../../adapters/onnx.js';
import { AppError } from '../../errors.js';
import { LogMel, MEL_BANDS } from './log-mel.js';
import type { HeardMouth } from './mouth-curves.js';

/** Frames of 10 ms that one run of the network hears, and shapes that each of its outputs tells (models/training/student.py). */
export const FRAMES_PER_STEP = 2;
const CHANNELS = 7;
/** The network's memory between runs: the rows that its taps will read, [MEMORY_ROWS, MEMORY_COLUMNS]. */
const MEMORY_ROWS = 76;
const MEMORY_COLUMNS = 160;

/** What the network says after 20 ms more of sound. */
export interface NetworkStep {
  /** Level of each of the two frames, dB (log-mel.ts). */
  readonly levelsDb: readonly number[];
  /** Two shapes, 40 and 30 ms before the newer frame: it has heard what comes after them. */
  readonly mouth: readonly HeardMouth[];
  /** Two shapes, 20 and 30 ms after the newer frame: a guess. */
  readonly now: readonly HeardMouth[];
}

/**
 * The network that hears mouth shapes, 20 ms of sound a run: `mel` [2, 40] and `memory` to `mouth` and `now` [2, 7] (open,
 * spread, round, tuck, tongue, shut, voice; 0..1, 100 a second) and the `next` memory. One instance serves any number of streams.
 */
export class MouthNetwork {
  readonly #model: OnnxModel;

  private constructor(model: OnnxModel) {
    this.#model = model;
  }

  /** @param modelsDir the folder that holds cpu/audio2mouth.onnx. @throws model-invalid */
  static async load(modelsDir: string): Promise<MouthNetwork> {
    const path = join(modelsDir, 'cpu', 'audio2mouth.onnx');
    const model = await OnnxModel.load(path);
    const inputs = model.inputNames.join();
    const outputs = model.outputNames.join();
    if (inputs !== 'mel,memory' || outputs !== 'mouth,now,next') {
      await model.close();
      throw new AppError(
        'model-invalid',
        `${path} maps ${inputs} to ${outputs}; expected mel,memory to mouth,now,next`,
      );
    }
    return new MouthNetwork(model);
  }

  /** One stretch of sound. */
  open(): NetworkStream {
    return new NetworkStream(this.#model);
  }

  close(): Promise<void> {
    return this.#model.close();
  }
}

/** The network over one stretch of sound, with its memory. */
export class NetworkStream {
  readonly #model: OnnxModel;
  readonly #logMel = new LogMel();
  readonly #mel = new Float32Array(FRAMES_PER_STEP * MEL_BANDS);
  #levelsDb: number[] = [];
  #memory: Float32Array = new Float32Array(MEMORY_ROWS * MEMORY_COLUMNS);
  #queue: Promise<unknown> = Promise.resolve();

  constructor(model: OnnxModel) {
    this.#model = model;
  }

  /**
   * Appends 16 kHz mono samples (-1..1; only read, and taken at once) and gives the steps that became due, in order. Calls
   * may overlap; each waits for the one before. @throws model-invalid
   */
  push(pcm16k: Float32Array): Promise<NetworkStep[]> {
    const frames: { bands: Float32Array; levelDb: number }[] = [];
    this.#logMel.push(pcm16k, ({ bands, levelDb }) => frames.push({ bands: bands.slice(), levelDb }));
    const result = this.#queue.then(() => this.#advance(frames));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** From now on as if it had been given what `other` was given, which must have nothing under way. */
  hearAs(other: NetworkStream): void {
    this.#logMel.hearAs(other.#logMel);
    this.#mel.set(other.#mel);
    this.#levelsDb = [...other.#levelsDb];
    // Each run makes another one.
    this.#memory = other.#memory;
  }

  async #advance(frames: readonly { bands: Float32Array; levelDb: number }[]): Promise<NetworkStep[]> {
    const steps: NetworkStep[] = [];
    for (const { bands, levelDb } of frames) {
      this.#mel.set(bands, this.#levelsDb.length * MEL_BANDS);
      this.#levelsDb.push(levelDb);
      if (this.#levelsDb.length < FRAMES_PER_STEP) continue;
      steps.push(await this.#run(this.#levelsDb));
      this.#levelsDb = [];
    }
    return steps;
  }

  async #run(levelsDb: readonly number[]): Promise<NetworkStep> {
    const { mouth, now, next } = await this.#model.run({
      mel: { data: this.#mel, dims: [FRAMES_PER_STEP, MEL_BANDS] },
      memory: { data: this.#memory, dims: [MEMORY_ROWS, MEMORY_COLUMNS] },
    });
    const told = FRAMES_PER_STEP * CHANNELS;
    const memory = this.#memory.length;
    if (mouth?.data.length !== told || now?.data.length !== told || next?.data.length !== memory)
      throw new AppError(
        'model-invalid',
        `audio2mouth gave ${mouth?.data.length} and ${now?.data.length} values and a memory of ${next?.data.length}, expected ${told}, ${told} and ${memory}`,
      );
    this.#memory = next.data;
    return { levelsDb, mouth: shapesOf(mouth.data), now: shapesOf(now.data) };
  }
}

function shapesOf(values: Float32Array): HeardMouth[] {
  return Array.from({ length: FRAMES_PER_STEP }, (_, i) => {
    const at = i * CHANNELS;
    return {
      open: values[at]!,
      spread: values[at + 1]!,
      round: values[at + 2]!,
      tuck: values[at + 3]!,
      tongue: values[at + 4]!,
      shut: values[at + 5]!,
      voice: values[at + 6]!,
    };
  });
}

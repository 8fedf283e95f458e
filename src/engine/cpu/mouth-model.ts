import { join } from 'node:path';
import { OnnxModel } from '../../adapters/onnx.js';
import { AppError } from '../../errors.js';
import { REST_MOUTH } from '../../media/frame.js';
import type { MouthShape } from '../../media/frame.js';
import { LogMel, MEL_BANDS, MEL_HOP_SAMPLES, MEL_WINDOW_SAMPLES } from './log-mel.js';
import { MouthCurves } from './mouth-curves.js';
import type { HeardMouth } from './mouth-curves.js';

/** Frames that one run of the network hears, and shapes that it tells (models/training/student.py). */
const FRAMES_PER_STEP = 2;
const CHANNELS = 7;
/** The network's memory between runs: the rows that its taps will read, [MEMORY_ROWS, MEMORY_COLUMNS]. */
const MEMORY_ROWS = 76;
const MEMORY_COLUMNS = 160;
const FRAME_MS = 10;
const SILENCE_DB = -100;
const HALF_WINDOW_MS = (MEL_WINDOW_SAMPLES / 2 / MEL_HOP_SAMPLES) * FRAME_MS;

/**
 * When the mouth is told. `sure` waits until the network has heard what comes after a shape, `instant` takes its guess at the
 * moment itself, which costs agreement with real lips (models/lips.md has the price).
 */
export type MouthTiming = 'sure' | 'instant';

/** `output`: its name in the graph; `shift`: frames from the older frame of a step to the first of its two shapes. */
const TIMINGS = {
  sure: { output: 'mouth', shift: -4 },
  instant: { output: 'now', shift: 3 },
} as const;

/**
 * The network that hears mouth shapes, 20 ms of sound a run: `mel` [2, 40] and `memory` to `mouth` and `now` [2, 7] (open,
 * spread, round, tuck, tongue, shut, voice; 0..1, 100 a second) and the `next` memory. One instance serves any number of streams.
 */
export class MouthModel {
  readonly #model: OnnxModel;

  private constructor(model: OnnxModel) {
    this.#model = model;
  }

  /** @param modelsDir the folder that holds cpu/audio2mouth.onnx */
  static async load(modelsDir: string): Promise<MouthModel> {
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
    return new MouthModel(model);
  }

  open(timing: MouthTiming = 'sure'): MouthStream {
    return new RunningMouth(this.#model, timing);
  }

  close(): Promise<void> {
    return this.#model.close();
  }
}

/** Mouth shapes of one stretch of sound. */
export interface MouthStream {
  /** The k-th shape comes out of the push that brings the sound up to k * 10 ms + lookaheadMs, at the latest. */
  readonly lookaheadMs: number;
  /**
   * Appends 16 kHz mono samples (-1..1; only read) and gives the shapes that became due, in order. The k-th shape of
   * the stream belongs to media time k * 10 ms. Calls may overlap; each waits for the one before.
   */
  push(pcm16k: Float32Array): Promise<MouthShape[]>;
}

class RunningMouth implements MouthStream {
  readonly lookaheadMs: number;
  readonly #model: OnnxModel;
  readonly #output: 'mouth' | 'now';
  readonly #logMel = new LogMel();
  readonly #curves = new MouthCurves();
  readonly #step = new Float32Array(FRAMES_PER_STEP * MEL_BANDS);
  /** Of the frames that a shape may look at, the newest last: its own and those after it. */
  readonly #levelsDb: Float32Array;
  #memory: Float32Array = new Float32Array(MEMORY_ROWS * MEMORY_COLUMNS);
  #frames = 0;
  /** Shapes of the first runs that belong to before the sound. */
  #early: number;
  /** Shapes that come before those of the first run. */
  #missing: number;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(model: OnnxModel, timing: MouthTiming) {
    const { output, shift } = TIMINGS[timing];
    this.#model = model;
    this.#output = output;
    const newestFrameMs = (FRAMES_PER_STEP - 1) * FRAME_MS + HALF_WINDOW_MS;
    this.lookaheadMs = Math.max(0, newestFrameMs - shift * FRAME_MS);
    this.#levelsDb = new Float32Array(Math.max(FRAMES_PER_STEP, FRAMES_PER_STEP - shift)).fill(SILENCE_DB);
    this.#early = Math.max(0, -shift);
    this.#missing = Math.max(0, shift);
  }

  push(pcm16k: Float32Array): Promise<MouthShape[]> {
    // The samples are taken now: the caller may reuse its buffer while earlier runs still work.
    const pending: { bands: Float32Array; levelDb: number }[] = [];
    this.#logMel.push(pcm16k, ({ bands, levelDb }) => pending.push({ bands: bands.slice(), levelDb }));
    const result = this.#queue.then(() => this.#advance(pending));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #advance(frames: readonly { bands: Float32Array; levelDb: number }[]): Promise<MouthShape[]> {
    const shapes: MouthShape[] = [];
    for (; this.#missing > 0; this.#missing--) shapes.push(REST_MOUTH);
    for (const { bands, levelDb } of frames) {
      this.#levelsDb.copyWithin(0, 1);
      this.#levelsDb[this.#levelsDb.length - 1] = levelDb;
      const place = this.#frames++ % FRAMES_PER_STEP;
      this.#step.set(bands, place * MEL_BANDS);
      if (place === FRAMES_PER_STEP - 1) await this.#run(shapes);
    }
    return shapes;
  }

  async #run(shapes: MouthShape[]): Promise<void> {
    const results = await this.#model.run({
      mel: { data: this.#step, dims: [FRAMES_PER_STEP, MEL_BANDS] },
      memory: { data: this.#memory, dims: [MEMORY_ROWS, MEMORY_COLUMNS] },
    });
    const told = results[this.#output]?.data;
    const next = results['next']?.data;
    if (told?.length !== FRAMES_PER_STEP * CHANNELS || next?.length !== this.#memory.length) {
      throw new AppError(
        'model-invalid',
        `audio2mouth gave ${told?.length} values and a memory of ${next?.length}, expected ${FRAMES_PER_STEP * CHANNELS} and ${this.#memory.length}`,
      );
    }
    this.#memory = next;
    for (let i = 0; i < FRAMES_PER_STEP; i++) {
      if (this.#early > 0) this.#early--;
      else
        shapes.push(
          this.#curves.next(heardMouth(told, i * CHANNELS), Math.max(...this.#levelsDb.subarray(i))),
        );
    }
  }
}

function heardMouth(values: Float32Array, at: number): HeardMouth {
  return {
    open: values[at]!,
    spread: values[at + 1]!,
    round: values[at + 2]!,
    tuck: values[at + 3]!,
    tongue: values[at + 4]!,
    shut: values[at + 5]!,
    voice: values[at + 6]!,
  };
}

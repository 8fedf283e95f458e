import { join } from 'node:path';
import { OnnxModel } from '../../adapters/onnx.js';
import { AppError } from '../../errors.js';
import type { MouthShape } from '../../media/frame.js';
import { LogMel, MEL_BANDS, MEL_HOP_SAMPLES, MEL_SILENCE, MEL_WINDOW_SAMPLES } from './log-mel.js';
import { CURVE_LOOKAHEAD_FRAMES, MouthCurves } from './mouth-curves.js';

// The network's reach in frames of 10 ms (models/training/train.py: BEFORE and AFTER).
const FRAMES_BEFORE = 56;
const FRAMES_AFTER = 8;
/** Shapes per run. Every run has the same size and stands on the same grid, whatever the pushes were. */
const FRAMES_PER_RUN = 2;
const WINDOW_FRAMES = FRAMES_BEFORE + FRAMES_PER_RUN + FRAMES_AFTER;
/** A fifth, the tongue, is taken where a network has it. */
const LEAST_CHANNELS = 4;

/**
 * The network that hears mouth shapes: input `mel` [1, 40, n], output `mouth` [1, 4 or 5, n - 64] (open, spread, round,
 * tuck, tongue; 0..1, 100 a second). One instance serves any number of streams.
 */
export class MouthModel {
  /** The k-th shape comes out of the push that brings the sound up to k * 10 ms + lookaheadMs, at the latest. */
  readonly lookaheadMs =
    (FRAMES_AFTER + FRAMES_PER_RUN - 1) * 10 + (MEL_WINDOW_SAMPLES / 2 / MEL_HOP_SAMPLES) * 10;
  readonly #model: OnnxModel;

  private constructor(model: OnnxModel) {
    this.#model = model;
  }

  /** @param modelsDir the folder that holds cpu/audio2mouth.onnx */
  static async load(modelsDir: string): Promise<MouthModel> {
    const path = join(modelsDir, 'cpu', 'audio2mouth.onnx');
    const model = await OnnxModel.load(path);
    if (!model.inputNames.includes('mel') || !model.outputNames.includes('mouth')) {
      await model.close();
      throw new AppError('model-invalid', `${path} must map "mel" to "mouth"`);
    }
    return new MouthModel(model);
  }

  open(): MouthStream {
    return new RunningMouth(this.#model);
  }

  close(): Promise<void> {
    return this.#model.close();
  }
}

/** Mouth shapes of one stretch of sound. */
export interface MouthStream {
  /**
   * Appends 16 kHz mono samples (-1..1; only read) and gives the shapes that became due, in order. The k-th shape of
   * the stream belongs to media time k * 10 ms. Calls may overlap; each waits for the one before.
   */
  push(pcm16k: Float32Array): Promise<MouthShape[]>;
}

class RunningMouth implements MouthStream {
  readonly #model: OnnxModel;
  readonly #logMel = new LogMel();
  readonly #curves = new MouthCurves();
  /** [40, WINDOW_FRAMES], the newest frame rightmost. */
  readonly #window = new Float32Array(MEL_BANDS * WINDOW_FRAMES).fill(MEL_SILENCE);
  readonly #levelsDb = new Float32Array(FRAMES_PER_RUN + FRAMES_AFTER).fill(-100);
  #frames = 0;
  #shapes = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(model: OnnxModel) {
    this.#model = model;
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
    for (const { bands, levelDb } of frames) {
      // Rows are contiguous, so one shift moves them all; the stray value at each row's end is overwritten.
      this.#window.copyWithin(0, 1);
      for (let band = 0; band < MEL_BANDS; band++)
        this.#window[(band + 1) * WINDOW_FRAMES - 1] = bands[band]!;
      this.#levelsDb.copyWithin(0, 1);
      this.#levelsDb[this.#levelsDb.length - 1] = levelDb;
      this.#frames++;
      const lastDue = this.#frames - FRAMES_AFTER; // shapes that the sound so far suffices for
      if (lastDue > 0 && lastDue % FRAMES_PER_RUN === 1 % FRAMES_PER_RUN) await this.#run(shapes);
    }
    return shapes;
  }

  async #run(shapes: MouthShape[]): Promise<void> {
    const { mouth } = await this.#model.run({
      mel: { data: this.#window, dims: [1, MEL_BANDS, WINDOW_FRAMES] },
    });
    const channels = (mouth?.data.length ?? 0) / FRAMES_PER_RUN;
    if (mouth === undefined || (channels !== LEAST_CHANNELS && channels !== LEAST_CHANNELS + 1)) {
      throw new AppError(
        'model-invalid',
        `audio2mouth gave ${mouth?.data.length} values, expected 4 or 5 for each of ${FRAMES_PER_RUN} shapes`,
      );
    }
    const at = (channel: number, frame: number): number => mouth.data[channel * FRAMES_PER_RUN + frame]!;
    // The first run ends at shape 0; what stands before it is silence that nobody asked for.
    for (let i = this.#shapes === 0 ? FRAMES_PER_RUN - 1 : 0; i < FRAMES_PER_RUN; i++) {
      const tongue = channels > LEAST_CHANNELS ? at(4, i) : 0;
      const raw = { open: at(0, i), spread: at(1, i), round: at(2, i), tuck: at(3, i), tongue };
      shapes.push(this.#curves.next(raw, this.#levelsDb.subarray(i, i + 1 + CURVE_LOOKAHEAD_FRAMES)));
      this.#shapes++;
    }
  }
}

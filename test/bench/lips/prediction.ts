import { LogMel } from '../../../src/engine/cpu/log-mel.js';
import type { MouthModel, MouthTiming } from '../../../src/engine/cpu/mouth-model.js';
import { MouthTimeline } from '../../../src/engine/cpu/mouth-timeline.js';
import type { MouthShape } from '../../../src/media/frame.js';

const PUSH_SAMPLES = 640;
const SAMPLES_PER_MS = 16;
/** Silence after the sound, so that the last moments come out. */
const TAIL_MS = 1000;

/** The mouth that the product would draw for this sound. */
export class Prediction {
  /** One each 10 ms. */
  readonly shapes: readonly MouthShape[];
  /** Level of the sound every 10 ms, dB. */
  readonly levelsDb: Float32Array;

  readonly #timing: MouthTiming;

  private constructor(shapes: readonly MouthShape[], levelsDb: Float32Array, timing: MouthTiming) {
    this.shapes = shapes;
    this.#timing = timing;
    this.levelsDb = levelsDb;
  }

  static async of(
    model: MouthModel,
    pcm16k: Float32Array,
    timing: MouthTiming = 'sure',
  ): Promise<Prediction> {
    const padded = new Float32Array(pcm16k.length + TAIL_MS * SAMPLES_PER_MS);
    padded.set(pcm16k);
    const stream = model.open(timing);
    const shapes: MouthShape[] = [];
    for (let at = 0; at < padded.length; at += PUSH_SAMPLES)
      shapes.push(...(await stream.push(padded.subarray(at, at + PUSH_SAMPLES))));
    const levels: number[] = [];
    new LogMel().push(padded, ({ levelDb }) => levels.push(levelDb));
    return new Prediction(
      shapes,
      Float32Array.from(levels.slice(0, Math.ceil(pcm16k.length / SAMPLES_PER_MS / 10))),
      timing,
    );
  }

  /** The mouths of pictures at these moments of the sound, which rise; before 0 it rests. */
  at(timesMs: readonly number[]): MouthShape[] {
    const timeline = new MouthTimeline({ instant: this.#timing === 'instant' });
    timeline.append(this.shapes);
    return timesMs.map((timeMs) => ({ ...timeline.at(timeMs).mouth }));
  }
}

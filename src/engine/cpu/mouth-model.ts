import { AppError } from '../../errors.js';
import { REST_MOUTH } from '../../media/frame.js';
import type { MouthShape } from '../../media/frame.js';
import { MEL_HOP_SAMPLES, MEL_WINDOW_SAMPLES } from './log-mel.js';
import { MouthCurves } from './mouth-curves.js';
import { FRAMES_PER_STEP, MouthNetwork, type NetworkStep, type NetworkStream } from './mouth-network.js';
import { VoiceEar } from './voice-ear.js';

const FRAME_MS = 10;
const SILENCE_DB = -100;
const HALF_WINDOW_MS = (MEL_WINDOW_SAMPLES / 2 / MEL_HOP_SAMPLES) * FRAME_MS;

/**
 * When the mouth is told. `sure` waits until the network has heard what comes after a shape, `instant` takes its guess at the
 * moment itself, which costs agreement with real lips (models/lips.md has the price).
 */
export type MouthTiming = 'sure' | 'instant';

/** `output`: of a step; `shift`: frames from the older frame of a step to the first of its two shapes. */
const TIMINGS = {
  sure: { output: 'mouth', shift: -4 },
  instant: { output: 'now', shift: 3 },
} as const;

/** What the network hears, for any number of streams: mouths, or whether somebody speaks. */
export class MouthModel {
  readonly #network: MouthNetwork;

  private constructor(network: MouthNetwork) {
    this.#network = network;
  }

  /** @param modelsDir the folder that holds cpu/audio2mouth.onnx. @throws model-invalid */
  static async load(modelsDir: string): Promise<MouthModel> {
    return new MouthModel(await MouthNetwork.load(modelsDir));
  }

  open(timing: MouthTiming = 'sure'): MouthStream {
    return new RunningMouth(this.#network.open(), timing);
  }

  listen(): VoiceEar {
    return new VoiceEar(this.#network.open());
  }

  close(): Promise<void> {
    return this.#network.close();
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
  /** From now on as if it had been given what `other`, of the same model and timing, was given; nothing of either is under way. */
  hearAs(other: MouthStream): void;
}

class RunningMouth implements MouthStream {
  readonly lookaheadMs: number;
  readonly #network: NetworkStream;
  readonly #output: 'mouth' | 'now';
  readonly #curves = new MouthCurves();
  /** Of the frames that a shape may look at, the newest last: its own and those after it. */
  readonly #levelsDb: number[];
  /** Shapes of the first runs that belong to before the sound. */
  #early: number;
  /** Shapes that come before those of the first run. */
  #missing: number;

  constructor(network: NetworkStream, timing: MouthTiming) {
    const { output, shift } = TIMINGS[timing];
    this.#network = network;
    this.#output = output;
    const newestFrameMs = (FRAMES_PER_STEP - 1) * FRAME_MS + HALF_WINDOW_MS;
    this.lookaheadMs = Math.max(0, newestFrameMs - shift * FRAME_MS);
    this.#levelsDb = Array<number>(Math.max(FRAMES_PER_STEP, FRAMES_PER_STEP - shift)).fill(SILENCE_DB);
    this.#early = Math.max(0, -shift);
    this.#missing = Math.max(0, shift);
  }

  async push(pcm16k: Float32Array): Promise<MouthShape[]> {
    const before = Array.from({ length: this.#missing }, () => REST_MOUTH);
    this.#missing = 0;
    const steps = await this.#network.push(pcm16k);
    return [...before, ...steps.flatMap((step) => this.#shapes(step))];
  }

  hearAs(other: MouthStream): void {
    if (!(other instanceof RunningMouth)) throw new AppError('internal', 'it hears with another ear');
    this.#network.hearAs(other.#network);
    this.#curves.follow(other.#curves);
    this.#levelsDb.splice(0, this.#levelsDb.length, ...other.#levelsDb);
    this.#early = other.#early;
    this.#missing = other.#missing;
  }

  #shapes(step: NetworkStep): MouthShape[] {
    const levels = this.#levelsDb;
    levels.splice(0, step.levelsDb.length);
    levels.push(...step.levelsDb);
    const shapes = step[this.#output].map((heard, i) => ({ heard, levelDb: Math.max(...levels.slice(i)) }));
    const due = shapes.slice(Math.min(this.#early, shapes.length));
    this.#early -= shapes.length - due.length;
    return due.map(({ heard, levelDb }) => this.#curves.next(heard, levelDb));
  }
}

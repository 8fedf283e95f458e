import { LogMel } from '../cpu/log-mel.js';
import { SpeechThreshold } from '../speech-threshold.js';

const FRAME_MS = 10;
/** Half of what a frame of sound looks at. */
const FRAME_REACH_MS = 12.5;
/** The mouth opens before the sound, and the face fades in before it. */
const LEAD_MS = 120;
/** A pause inside a sentence is not the end of speech. */
const HANG_OVER_MS = 250;
/** A click is in two frames at most; it opens no mouth. */
const FEWEST_LOUD_FRAMES = 3;

/** A run of speech, both ends included, in ms since the first sample. */
interface Run {
  readonly fromMs: number;
  toMs: number;
}

/**
 * Says which pictures need a generated mouth, so that silence costs nothing and the lips do not twitch in it. Speech
 * counts from 120 ms before its onset until 250 ms after its end; at both ends the mouth fades over a few pictures.
 */
export class SpeechGate {
  /** How much sound after a picture's time has to be pushed before strength() can answer for it. */
  readonly lookaheadMs = Math.ceil(LEAD_MS + (FEWEST_LOUD_FRAMES - 1) * FRAME_MS + FRAME_REACH_MS);
  readonly #fadeFrames: number;
  readonly #logMel = new LogMel();
  readonly #threshold = new SpeechThreshold();
  /** In order, apart from each other by more than what joins them anyway. */
  #runs: Run[] = [];
  #frames = 0;
  /** Loud frames in a row, the latest included. */
  #loudFrames = 0;
  #level = 0;

  /** @param options.fadeFrames pictures from the idle face to the generated one, and back */
  constructor(options: { readonly fadeFrames?: number } = {}) {
    this.#fadeFrames = options.fadeFrames ?? 4;
  }

  /** Appends 16 kHz mono samples (-1..1), which are only read. */
  push(pcm: Float32Array): void {
    this.#logMel.push(pcm, ({ levelDb }) => {
      this.#loudFrames = levelDb > this.#threshold.next(levelDb) ? this.#loudFrames + 1 : 0;
      const nowMs = this.#frames * FRAME_MS;
      if (this.#loudFrames >= FEWEST_LOUD_FRAMES)
        this.#append(nowMs - (FEWEST_LOUD_FRAMES - 1) * FRAME_MS, nowMs);
      this.#frames += 1;
    });
  }

  /**
   * How much of the generated mouth the picture at `timeMs` shows: 0 is the idle picture, for which nothing needs to be
   * generated, 1 the generated one. To be asked once for each picture, in rising order, when the sound up to
   * `timeMs + lookaheadMs` was pushed (sound that never comes is silence); each answer is at most one step of
   * 1 / fadeFrames from the one before.
   */
  strength(timeMs: number): number {
    while (this.#runs[0] !== undefined && this.#runs[0].toMs < timeMs - HANG_OVER_MS) this.#runs.shift();
    const run = this.#runs[0];
    const speaking = run !== undefined && run.fromMs <= timeMs + LEAD_MS;
    this.#level = Math.min(this.#fadeFrames, Math.max(0, this.#level + (speaking ? 1 : -1)));
    return this.#level / this.#fadeFrames;
  }

  /** What was pushed so far does not count any more: its speech was interrupted. The next picture is idle. */
  forget(): void {
    this.#runs = [];
    this.#loudFrames = 0;
    this.#level = 0;
  }

  /** Runs of speech that are still remembered; strength() forgets them. */
  get remembered(): number {
    return this.#runs.length;
  }

  #append(fromMs: number, toMs: number): void {
    const last = this.#runs.at(-1);
    if (last !== undefined && fromMs - last.toMs <= HANG_OVER_MS + LEAD_MS) last.toMs = toMs;
    else this.#runs.push({ fromMs, toMs });
  }
}

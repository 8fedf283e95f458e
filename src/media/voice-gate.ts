/** Frames of 10 ms are judged. */
const FRAME_MS = 10;
/** The level at which voice begins lies this far above the noise, and the level at which it ends this much lower. */
const ABOVE_NOISE_DB = 12;
const HYSTERESIS_DB = 6;
/** The noise is followed downwards at once and upwards by so much in a second. */
const NOISE_RISE_DB_PER_S = 3;
const QUIETEST_DBFS = -70;

export interface VoiceGateOptions {
  /** Hz. */
  readonly rate: number;
  /** Never voice below this level; default -45. */
  readonly thresholdDbfs?: number;
  /** Voice begins after so much sound above the level; default 60. */
  readonly attackMs?: number;
  /** Voice ends after so much sound below the lower level; default 800. */
  readonly releaseMs?: number;
}

/**
 * Says whether somebody speaks, by energy with hysteresis: sound must be well above the noise, which is followed, for a
 * while before it counts as voice, and stay below a lower level for longer before it is over. It does not tell speech
 * from other loud sound.
 */
export class VoiceGate {
  readonly #frameSamples: number;
  readonly #thresholdDbfs: number;
  readonly #attackMs: number;
  readonly #releaseMs: number;
  #sum = 0;
  #count = 0;
  #noiseDbfs = QUIETEST_DBFS;
  #aboveMs = 0;
  #belowMs = 0;
  #open = false;

  constructor(options: VoiceGateOptions) {
    this.#frameSamples = (options.rate * FRAME_MS) / 1000;
    this.#thresholdDbfs = options.thresholdDbfs ?? -45;
    this.#attackMs = options.attackMs ?? 60;
    this.#releaseMs = options.releaseMs ?? 800;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** How long it has been quiet while voice is not over. */
  get quietMs(): number {
    return this.#belowMs;
  }

  /** Takes mono, full scale 32768; answers whether voice is there at its end. */
  push(mono: Int16Array): boolean {
    for (const value of mono) {
      this.#sum += value * value;
      this.#count += 1;
      if (this.#count >= this.#frameSamples) this.#judge();
    }
    return this.#open;
  }

  #judge(): void {
    const rms = Math.sqrt(this.#sum / this.#count) / 32_768;
    this.#sum = 0;
    this.#count = 0;
    const dbfs = Math.max(QUIETEST_DBFS, 20 * Math.log10(rms));
    const level = Math.max(this.#thresholdDbfs, this.#noiseDbfs + ABOVE_NOISE_DB);
    // Voice is no noise, however long it lasts.
    if (!this.#open || dbfs < this.#noiseDbfs)
      this.#noiseDbfs = Math.min(dbfs, this.#noiseDbfs + (NOISE_RISE_DB_PER_S * FRAME_MS) / 1000);
    this.#aboveMs = dbfs >= level ? this.#aboveMs + FRAME_MS : 0;
    this.#belowMs = dbfs < level - HYSTERESIS_DB ? this.#belowMs + FRAME_MS : 0;
    if (!this.#open && this.#aboveMs >= this.#attackMs) this.#open = true;
    else if (this.#open && this.#belowMs >= this.#releaseMs) this.#open = false;
  }
}

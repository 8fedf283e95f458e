const FRAME_MS = 10;
/** Noise, hum, drums and keys stay below it when they begin, too; of music that begins, one in three does not. */
const VOICE_FROM = 0.7;

/** Says whether somebody speaks, from how likely that is every 10 ms: begins and ends only with what lasts. */
export class VoiceRun {
  readonly #attackMs: number;
  readonly #releaseMs: number;
  #voiceMs = 0;
  #quietMs = 0;
  #open = false;

  /** @param options.attackMs of voice without a break until it counts; `releaseMs` without any until it is over */
  constructor(options: { readonly attackMs: number; readonly releaseMs: number }) {
    this.#attackMs = options.attackMs;
    this.#releaseMs = options.releaseMs;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Takes likelihoods (0..1), a value each 10 ms. */
  push(likely: Float32Array): void {
    for (const value of likely) {
      const isVoice = value >= VOICE_FROM;
      this.#voiceMs = isVoice ? this.#voiceMs + FRAME_MS : 0;
      this.#quietMs = isVoice ? 0 : this.#quietMs + FRAME_MS;
      if (this.#voiceMs >= this.#attackMs) this.#open = true;
      else if (this.#quietMs >= this.#releaseMs) this.#open = false;
    }
  }
}

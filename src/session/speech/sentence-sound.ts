import { AppError } from '../../errors.js';
import { msToSamples } from '../../media/timeline.js';

/** Sound that may wait here for its turn; a service that is faster is held back. */
const MOST_WAITING = msToSamples(15_000);
/** What a sentence of 300 characters takes at a tenth of the usual pace. */
const MOST_SAMPLES = msToSamples(180_000);

/** Interleaved stereo at 48 kHz; just ends when `signal` aborts. */
export type Synthesize = (text: string, signal: AbortSignal) => AsyncIterable<Int16Array>;

/** The sound of one sentence, being made before its turn. It may be stopped in the middle and go on. */
export class SentenceSound {
  readonly text: string;
  readonly #synthesize: Synthesize;
  readonly #waiting: Int16Array[] = [];
  #waitingSamples = 0;
  #receivedSamples = 0;
  #isWhole = false;
  #error: unknown;
  #request: AbortController | undefined;
  #wake: () => void = () => {};
  #room: () => void = () => {};

  constructor(text: string, synthesize: Synthesize) {
    this.text = text;
    this.#synthesize = synthesize;
  }

  get receivedSamples(): number {
    return this.#receivedSamples;
  }

  /** All of it is here. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Asks for the sound, or for what is missing of it; nothing if it is asked for already. */
  start(): void {
    if (this.#request !== undefined || this.#isWhole || this.#error !== undefined) return;
    const request = (this.#request = new AbortController());
    void this.#read(request.signal);
  }

  /** The request is given up; what came of it stays. */
  stop(): void {
    this.#request?.abort();
    this.#request = undefined;
    this.#room();
    this.#wake();
  }

  /** The next of it, once it is there; undefined at its end, and as soon as it is stopped. @throws what went wrong */
  async next(): Promise<Int16Array | undefined> {
    while (this.#waiting.length === 0 && !this.#isWhole && this.#request !== undefined)
      await new Promise<void>((resolve) => (this.#wake = resolve));
    const pcm = this.#waiting.shift();
    if (pcm === undefined) {
      if (this.#error !== undefined) throw this.#error;
      return undefined;
    }
    this.#waitingSamples -= pcm.length / 2;
    this.#room();
    return pcm;
  }

  async #read(signal: AbortSignal): Promise<void> {
    // A service that is asked again is believed to say the same, in the same time.
    let known = this.#receivedSamples;
    try {
      for await (const pcm of this.#synthesize(this.text, signal)) {
        if (signal.aborted) return;
        const skipped = Math.min(known, pcm.length / 2);
        known -= skipped;
        this.#add(pcm.subarray(2 * skipped));
        while (this.#waitingSamples > MOST_WAITING && !signal.aborted)
          await new Promise<void>((resolve) => (this.#room = resolve));
      }
      if (signal.aborted) return;
      if (this.#receivedSamples === 0)
        throw new AppError('service-failed', `the speech service sent no sound for "${short(this.text)}"`);
      this.#isWhole = true;
    } catch (error) {
      if (!signal.aborted) this.#error = error;
    } finally {
      if (!signal.aborted) this.#request = undefined;
      this.#wake();
    }
  }

  #add(pcm: Int16Array): void {
    if (pcm.length === 0) return;
    this.#receivedSamples += pcm.length / 2;
    if (this.#receivedSamples > MOST_SAMPLES)
      throw new AppError(
        'service-failed',
        `the speech service sent more than 3 minutes of sound for "${short(this.text)}"`,
      );
    this.#waiting.push(pcm);
    this.#waitingSamples += pcm.length / 2;
    this.#wake();
  }
}

function short(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}

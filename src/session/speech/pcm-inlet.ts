import { AppError } from '../../errors.js';
import { PcmAssembler } from '../../media/pcm.js';
import { samplesToMs } from '../../media/timeline.js';
import { Upsampler, type LiveRate } from '../../media/upsample.js';

/** Sound that may wait here for its turn: more is the sender's to hold back. */
export const MAX_BUFFERED_MS = 30_000;

/**
 * Sound that comes in pieces, from whoever sends it: PCM16LE mono in, an utterance's source out (`sound`). What waits is
 * bounded by `hasRoom`, which the sender is to respect; past twice that bound sound is refused.
 */
export class PcmInlet {
  readonly #assembler = new PcmAssembler(1);
  readonly #upsampler: Upsampler;
  readonly #waiting: Int16Array[] = [];
  #waitingSamples = 0;
  #receivedSamples = 0;
  #ended = false;
  #failure: unknown;
  #wake: () => void = () => {};
  #roomWanted: (() => void)[] = [];

  constructor(rate: LiveRate) {
    this.#upsampler = new Upsampler(rate);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** What waits here, not yet taken by the utterance. */
  get bufferedMs(): number {
    return samplesToMs(this.#waitingSamples);
  }

  /** Media samples that came in, those inside the resampler not counted. */
  get receivedSamples(): number {
    return this.#receivedSamples;
  }

  get hasRoom(): boolean {
    return this.bufferedMs < MAX_BUFFERED_MS;
  }

  /** Any number of bytes. @throws utterance-closed after the end, no-capacity if far more waits than may */
  push(bytes: Uint8Array): void {
    if (this.#ended)
      throw new AppError('utterance-closed', 'the utterance has ended and takes no more sound');
    if (this.bufferedMs > 2 * MAX_BUFFERED_MS)
      throw new AppError(
        'no-capacity',
        `more than ${MAX_BUFFERED_MS / 1000} s of sound wait already; send slower`,
      );
    this.#add(this.#upsampler.push(this.#assembler.push(bytes)));
  }

  /** No more will come. */
  end(): void {
    if (this.#ended) return;
    this.#add(this.#upsampler.flush());
    this.#ended = true;
    this.#wake();
    this.#giveRoom();
  }

  /** The sender is gone in the middle: what came is spoken, then the utterance fails. */
  fail(error: AppError): void {
    this.#failure = error;
    this.end();
  }

  /** Resolves once there is room, or no more sound is taken. */
  async room(): Promise<void> {
    if (this.hasRoom) return;
    await new Promise<void>((resolve) => this.#roomWanted.push(resolve));
  }

  /** The sound as an utterance reads it: interleaved stereo at 48 kHz. Ends when `signal` aborts. */
  async *sound(signal: AbortSignal): AsyncGenerator<Int16Array> {
    const stop = (): void => this.#wake();
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!signal.aborted) {
        const pcm = this.#waiting.shift();
        if (pcm !== undefined) {
          this.#waitingSamples -= pcm.length / 2;
          if (this.hasRoom) this.#giveRoom();
          yield pcm;
        } else if (this.#ended) break;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      if (this.#failure !== undefined && !signal.aborted) throw this.#failure;
    } finally {
      signal.removeEventListener('abort', stop);
      this.#ended = true;
      this.#waiting.splice(0);
      this.#waitingSamples = 0;
      this.#giveRoom();
    }
  }

  #add(pcm: Int16Array): void {
    if (pcm.length === 0) return;
    this.#waiting.push(pcm);
    this.#waitingSamples += pcm.length / 2;
    this.#receivedSamples += pcm.length / 2;
    this.#wake();
  }

  #giveRoom(): void {
    for (const resolve of this.#roomWanted.splice(0)) resolve();
  }
}

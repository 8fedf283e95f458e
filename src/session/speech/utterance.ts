import { OPUS_FRAME_SAMPLES } from '../../media/timeline.js';

/** Decoded sound kept ahead of the clock: one second, so that a slow disk is not heard and memory stays small. */
const READ_AHEAD_VALUES = 48_000 * 2;
/** Sound kept after it was taken, for `rewind`: more than a session feeds ahead of what is heard. */
const KEPT_VALUES = 48_000 * 2;

/**
 * One stretch of speech: pulls decoded sound ahead of the clock and hands it out. `take` never waits; what is not there
 * yet is the caller's to bridge with silence. While nobody takes, its source is held back and may stand by for long.
 */
export class Utterance {
  readonly id: string;
  readonly #abort: AbortController;
  #buffer = new Int16Array(READ_AHEAD_VALUES * 2 + KEPT_VALUES);
  /** In values: what was taken ends at #read, what is there ends at #write. */
  #read = 0;
  #write = 0;
  #takenSamples = 0;
  #receivedSamples = 0;
  #ended = false;
  #error: unknown;
  #room: (() => void) | undefined;
  readonly firstSound: Promise<void>;
  readonly closed: Promise<void>;

  /** `source` yields interleaved stereo 48 kHz; it is read at once, up to the read-ahead limit. */
  constructor(id: string, source: (signal: AbortSignal) => AsyncIterable<Int16Array>) {
    this.id = id;
    this.#abort = new AbortController();
    let resolve = () => {};
    let reject: (error: unknown) => void = () => {};
    this.firstSound = new Promise<void>((onResolve, onReject) => {
      resolve = onResolve;
      reject = onReject;
    });
    this.firstSound.catch(() => {});
    this.closed = this.#fill(source, resolve, reject);
  }

  /** True once everything was handed out. */
  get done(): boolean {
    return this.#ended && this.#read === this.#write;
  }

  /** Media samples handed out so far, what was rewound not counted. */
  get takenSamples(): number {
    return this.#takenSamples;
  }

  /** Media samples that are there and not taken. */
  get waitingSamples(): number {
    return (this.#write - this.#read) / 2;
  }

  /** Its length in media samples; undefined until its source has ended. */
  get lengthSamples(): number | undefined {
    return this.#ended ? this.#receivedSamples : undefined;
  }

  /** Aborts when the utterance is dropped, be it waiting or playing. */
  get dropped(): AbortSignal {
    return this.#abort.signal;
  }

  get error(): unknown {
    return this.#error;
  }

  /**
   * Fills `target` (interleaved stereo, 20 ms at most), or gives nothing while there is less and more will come. The end
   * may be shorter than `target`, whose rest is not touched then. Returns how many media samples there are.
   */
  take(target: Int16Array): number {
    const there = this.#write - this.#read;
    if (there < target.length && !this.#ended) return 0;
    const count = Math.min(target.length, there);
    target.set(this.#buffer.subarray(this.#read, this.#read + count));
    this.#read += count;
    this.#takenSamples += count / 2;
    if (this.#read > 2 * KEPT_VALUES) this.#forgetBefore(this.#read - KEPT_VALUES);
    this.#room?.();
    return count / 2;
  }

  /** Puts the last `samples` that were taken (a second at most) back, as they were not heard. */
  rewind(samples: number): void {
    const count = Math.min(samples * 2, this.#read);
    this.#read -= count;
    this.#takenSamples -= count / 2;
  }

  close(): Promise<void> {
    this.#abort.abort();
    this.#read = this.#write;
    this.#ended = true;
    this.#room?.();
    return this.closed;
  }

  async #fill(
    source: (signal: AbortSignal) => AsyncIterable<Int16Array>,
    started: () => void,
    failed: (error: unknown) => void,
  ): Promise<void> {
    try {
      for await (const pcm of source(this.#abort.signal)) {
        if (this.#abort.signal.aborted) break;
        this.#append(pcm);
        started();
        while (this.#write - this.#read > READ_AHEAD_VALUES && !this.#abort.signal.aborted) {
          await new Promise<void>((resolve) => (this.#room = resolve));
          this.#room = undefined;
        }
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#error = error;
      failed(error);
    } finally {
      this.#ended = true;
      started();
    }
  }

  #append(pcm: Int16Array): void {
    if (this.#write + pcm.length > this.#buffer.length) {
      this.#forgetBefore(this.#read - KEPT_VALUES);
      const needed = this.#write + pcm.length;
      if (needed > this.#buffer.length) {
        const larger = new Int16Array(Math.max(this.#buffer.length * 2, needed));
        larger.set(this.#buffer.subarray(0, this.#write));
        this.#buffer = larger;
      }
    }
    this.#buffer.set(pcm, this.#write);
    this.#write += pcm.length;
    this.#receivedSamples += pcm.length / 2;
  }

  #forgetBefore(values: number): void {
    if (values <= 0) return;
    this.#buffer.copyWithin(0, values, this.#write);
    this.#read -= values;
    this.#write -= values;
  }
}

/** Values of 20 ms. */
export const PIECE_VALUES = OPUS_FRAME_SAMPLES * 2;

import { OPUS_FRAME_SAMPLES } from '../media/timeline.js';

/** Decoded sound kept ahead of the clock: one second, so that a slow disk is not heard and memory stays small. */
const READ_AHEAD_SAMPLES = 48_000;
const FRAME_VALUES = OPUS_FRAME_SAMPLES * 2;

/**
 * One stretch of speech: pulls decoded sound ahead of the clock and hands it out in 20 ms pieces. `take` never
 * waits; a piece that is not there yet is the caller's to bridge with silence.
 */
export class Utterance {
  readonly id: string;
  readonly #abort: AbortController;
  #buffer = new Int16Array(READ_AHEAD_SAMPLES * 4);
  #length = 0;
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
    return this.#ended && this.#length === 0;
  }

  /** Aborts when the utterance is dropped, be it waiting or playing. */
  get dropped(): AbortSignal {
    return this.#abort.signal;
  }

  get error(): unknown {
    return this.#error;
  }

  /** Copies the next 20 ms into `target` (1920 values), padding the very last piece with zeros. */
  take(target: Int16Array): boolean {
    if (this.#length < FRAME_VALUES && !this.#ended) return false;
    const count = Math.min(FRAME_VALUES, this.#length);
    if (count === 0) return false;
    target.set(this.#buffer.subarray(0, count));
    target.fill(0, count);
    this.#buffer.copyWithin(0, count, this.#length);
    this.#length -= count;
    this.#room?.();
    return true;
  }

  close(): Promise<void> {
    this.#abort.abort();
    this.#length = 0;
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
        while (this.#length > READ_AHEAD_SAMPLES * 2 && !this.#abort.signal.aborted) {
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
    if (this.#length + pcm.length > this.#buffer.length) {
      const larger = new Int16Array(Math.max(this.#buffer.length * 2, this.#length + pcm.length));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
    }
    this.#buffer.set(pcm, this.#length);
    this.#length += pcm.length;
  }
}

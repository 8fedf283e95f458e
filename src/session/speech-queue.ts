import { OPUS_FRAME_SAMPLES } from '../media/timeline.js';
import type { Utterance } from './utterance.js';

export interface SpeechOptions {
  /** It is held back until somebody listens, or until this time. */
  waitUntilMs?: number;
  /** True while it may not begin at this media time (its faces are not made yet, or no picture begins there). */
  heldAt?(atSamples: number): boolean;
  /** Called with the media time of its first sample, before that is handed out. */
  onStart?(atSamples: number): void;
}

interface Entry extends SpeechOptions {
  readonly utterance: Utterance;
  /** Media time of its first sample and of the end of its last; undefined until they were fed. */
  startSamples?: number;
  endSamples?: number;
  /** The end of what was fed of it, and pieces without sound since: a gap if more sound comes, else its decoder's end. */
  spokenSamples?: number;
  missing: number;
}

/** What has been heard of one utterance to its end. */
export interface Spoken {
  readonly utterance: Utterance;
  /** Media samples from its beginning to its end, with the gaps that were bridged. */
  readonly heardSamples: number;
}

/**
 * The utterances of a session in their order. One is fed ahead of the clock, and stays here until its last sample was
 * heard: so "speaking" means what a viewer hears, not what was queued.
 */
export class SpeechQueue {
  #entries: Entry[] = [];
  /** Pieces of 20 ms that were not decoded in time and became silence. */
  underflows = 0;

  /** Something is heard, or will be as soon as it can; not while all that waits is held back. */
  get speaking(): boolean {
    return this.#entries.some(
      ({ startSamples, heldAt }) => startSamples !== undefined || heldAt === undefined,
    );
  }

  get busy(): boolean {
    return this.size > 0;
  }

  get size(): number {
    return this.#entries.length;
  }

  push(utterance: Utterance, options: SpeechOptions = {}): void {
    this.#entries.push({ ...options, utterance, missing: 0 });
  }

  /** Fills `target` (20 ms) for media time `atSamples` with speech; false if there is none. */
  feed(target: Int16Array, atSamples: number, listened: boolean, nowMs: number): boolean {
    const entry = this.#entries.find(({ endSamples }) => endSamples === undefined);
    if (entry === undefined) return false;
    const begun = entry.startSamples !== undefined;
    if (!begun && !listened && nowMs < (entry.waitUntilMs ?? 0)) return false;
    if (!begun && entry.heldAt?.(atSamples)) return false;
    const spoke = entry.utterance.take(target);
    if (spoke && !begun) {
      entry.startSamples = atSamples;
      entry.onStart?.(atSamples);
    }
    if (spoke) {
      this.underflows += entry.missing;
      entry.missing = 0;
      entry.spokenSamples = atSamples + OPUS_FRAME_SAMPLES;
    } else if (begun) entry.missing += 1;
    if (entry.utterance.done) entry.endSamples = entry.spokenSamples ?? atSamples;
    return spoke;
  }

  /** Takes out what has been heard to its end by `nowSamples`. */
  retire(nowSamples: number): Spoken[] {
    const over = this.#entries.filter(({ endSamples = Infinity }) => endSamples <= nowSamples);
    this.#entries = this.#entries.filter((entry) => !over.includes(entry));
    return over.map(({ utterance, startSamples, endSamples = 0 }) => ({
      utterance,
      heardSamples: endSamples - (startSamples ?? endSamples),
    }));
  }

  /** Drops everything; resolves when no decoder is left, with what had been heard of each by `nowSamples`. */
  async clear(nowSamples: number): Promise<Spoken[]> {
    const dropped = this.#entries;
    this.#entries = [];
    await Promise.all(dropped.map(({ utterance }) => utterance.close()));
    return dropped.map(({ utterance, startSamples = nowSamples, endSamples = nowSamples }) => ({
      utterance,
      heardSamples: Math.max(0, Math.min(nowSamples, endSamples) - startSamples),
    }));
  }
}

import { toAppError } from '../../errors.js';
import { samplesToMs } from '../../media/timeline.js';
import type { Utterance } from './utterance.js';

/** How speech gets its place: behind all there is, instead of all there is, or instead of what plays now. */
export type SpeechMode = 'append' | 'replace' | 'interrupt';

export type UtteranceState = 'waiting' | 'playing' | 'ended' | 'interrupted' | 'failed';

/** One utterance as clients see it. */
export interface UtteranceView {
  readonly id: string;
  readonly state: UtteranceState;
  readonly mode: SpeechMode;
  readonly createdAtUnixS: number;
  /** How much of its sound was heard. */
  readonly playedMs: number;
  /** Known once its sound was read to the end. */
  readonly durationMs?: number;
  /** Media times at which viewers heard it begin and end. */
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
  /** It was interrupted, and `resume` would go on with it. */
  readonly resumable: boolean;
  readonly error?: { readonly code: string; readonly message: string };
}

interface Entry {
  /** Until it is over for good: it holds seconds of sound. */
  utterance: Utterance | undefined;
  lengthSamples?: number;
  error?: unknown;
  readonly mode: SpeechMode;
  readonly createdAtUnixS: number;
  state: UtteranceState;
  playedSamples: number;
  startedSamples?: number;
  endedSamples?: number;
  resumable: boolean;
}

/** Utterances that are over are remembered up to this many. */
export const REMEMBERED = 256;

const isOver = ({ state }: Entry): boolean => state !== 'waiting' && state !== 'playing';

/** What became of every utterance of a session: of those to come, and of the newest that are over. */
export class UtteranceBook {
  readonly #entries = new Map<string, Entry>();

  accepted(utterance: Utterance, mode: SpeechMode, createdAtUnixS: number): void {
    this.#entries.set(utterance.id, {
      ...{ utterance, mode, createdAtUnixS, state: 'waiting', playedSamples: 0, resumable: false },
    });
  }

  started(id: string, atSamples: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.startedSamples ??= atSamples;
    // It may have been interrupted before anybody heard it begin.
    if (entry.state === 'waiting') entry.state = 'playing';
  }

  /** It waits again, for its rest. */
  resumed(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.state = 'waiting';
    entry.resumable = false;
    delete entry.endedSamples;
  }

  over(
    id: string,
    state: 'ended' | 'interrupted' | 'failed',
    how: { playedSamples: number; atSamples: number; resumable?: boolean },
  ): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.state = state;
    entry.playedSamples = how.playedSamples;
    entry.endedSamples = how.atSamples;
    entry.resumable = how.resumable ?? false;
    if (!entry.resumable) release(entry);
    const over = [...this.#entries].filter(([, one]) => isOver(one) && !one.resumable);
    for (const [old] of over.slice(0, Math.max(0, over.length - REMEMBERED))) this.#entries.delete(old);
  }

  /** What waited to be resumed will not be. */
  forgotten(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.resumable = false;
    release(entry);
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** @param heardOf samples heard so far of one that is not over */
  view(id: string, heardOf: (id: string) => number | undefined): UtteranceView | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    const { utterance, mode, createdAtUnixS, state, startedSamples, endedSamples, resumable } = entry;
    const heard = isOver(entry) ? entry.playedSamples : (heardOf(id) ?? entry.playedSamples);
    const length = utterance === undefined ? entry.lengthSamples : utterance.lengthSamples;
    const error = state === 'failed' ? toAppError(entry.error) : undefined;
    return {
      ...{ id, state, mode, createdAtUnixS, playedMs: ms(heard), resumable },
      ...(length === undefined ? {} : { durationMs: ms(length) }),
      ...(startedSamples === undefined ? {} : { startedAtMs: ms(startedSamples) }),
      ...(endedSamples === undefined ? {} : { endedAtMs: ms(endedSamples) }),
      ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
    };
  }

  views(heardOf: (id: string) => number | undefined): UtteranceView[] {
    return [...this.#entries.keys()].flatMap((id) => this.view(id, heardOf) ?? []);
  }
}

function release(entry: Entry): void {
  const { utterance } = entry;
  if (utterance === undefined) return;
  entry.error = utterance.error;
  if (utterance.lengthSamples !== undefined) entry.lengthSamples = utterance.lengthSamples;
  entry.utterance = undefined;
}

function ms(samples: number): number {
  return Math.round(samplesToMs(samples));
}

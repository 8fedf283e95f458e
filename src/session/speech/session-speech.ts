import { AppError } from '../../errors.js';
import { msToSamples, samplesToMs } from '../../media/timeline.js';
import { heardAtOf } from '../events/heard-at.js';
import type { InterruptReason, SpeechEvent, SpokenState } from '../events/session-events.js';
import { asWaiting, SpeechQueue, type QueuedSpeech, type SpeechOptions } from './speech-queue.js';
import { UtteranceBook, type SpeechMode, type UtteranceView } from './utterance-book.js';
import type { Utterance } from './utterance.js';

/** Utterances that wait; each has a decoder that stands by. */
export const MAX_WAITING = 32;
/** Interrupted speech can be resumed for so long; its decoders stand by meanwhile. */
const RESUMABLE_SAMPLES = msToSamples(300_000);

export interface SessionSpeechOptions {
  readonly sessionId: string;
  /** Called in the order in which things are heard, when they are. */
  tell(event: SpeechEvent): void;
  /** Its sound broke off. */
  onFailed(utterance: Utterance): void;
  wallMs(): number;
}

/** What an interrupt took from the ears: how much had been heard of each. */
export interface DroppedSpeech {
  readonly utteranceId: string;
  readonly playedMs: number;
}

/** What a session has to say: its queue, what became of each utterance, and the events about it. */
export class SessionSpeech {
  readonly #options: SessionSpeechOptions;
  readonly #queue = new SpeechQueue();
  readonly #book = new UtteranceBook();
  readonly #heardAt: ReturnType<typeof heardAtOf>;
  /** Interrupted speech that may be resumed, in its order, and until which media time. */
  #suspended: QueuedSpeech[] = [];
  #suspendedUntil = 0;
  /** What is known already and told when it is heard. */
  #later: { readonly atSamples: number; tell(): void }[] = [];
  #heardSamples = -Infinity;
  /** Speech that was cut off is heard up to here. */
  #cutSamples = -Infinity;
  #listening = false;
  #state: SpokenState = 'idle';

  constructor(options: SessionSpeechOptions) {
    this.#options = options;
    this.#heardAt = heardAtOf(options.sessionId);
  }

  /** As viewers hear it. */
  get state(): SpokenState {
    return this.#state;
  }

  get busy(): boolean {
    return this.#queue.size > 0;
  }

  get underflows(): number {
    return this.#queue.underflows;
  }

  /** @throws no-capacity */
  say(utterance: Utterance, mode: SpeechMode, options: SpeechOptions = {}): void {
    if (this.#queue.size >= MAX_WAITING)
      throw new AppError(
        'no-capacity',
        `session ${this.#options.sessionId} has ${MAX_WAITING} utterances waiting already; try again when one has ended`,
      );
    this.#book.accepted(utterance, mode, this.#options.wallMs() / 1000);
    this.#options.tell({ event: 'utterance.accepted', data: { utteranceId: utterance.id } });
    if (mode === 'interrupt')
      this.#queue.pushFirst([{ ...options, utterance, spans: [], told: false, missing: 0 }]);
    else this.#queue.push(utterance, options);
  }

  /** See SpeechQueue.feed. */
  feed(target: Int16Array, atSamples: number, listened: boolean, nowMs: number): boolean {
    return this.#queue.feed(target, atSamples, listened, nowMs);
  }

  /** Somebody speaks to the avatar, as far as is known. */
  setListening(listening: boolean): void {
    this.#listening = listening;
  }

  /** Tells what is heard up to `heardSamples`. Called all the time. */
  advance(heardSamples: number): void {
    this.#heardSamples = heardSamples;
    for (const { utterance, atSamples, offsetSamples } of this.#queue.begun(heardSamples))
      this.#startedAt(utterance.id, atSamples, offsetSamples);
    for (const { utterance, text, atSamples } of this.#queue.captionsBegun(heardSamples))
      this.#captionAt(utterance.id, text, atSamples);
    for (const { utterance, endSamples, heardSamples: played } of this.#queue.retire(heardSamples))
      this.#endedAt(utterance, endSamples, played);
    if (this.#later.length > 0) {
      const due = this.#later.filter(({ atSamples }) => atSamples <= heardSamples);
      this.#later = this.#later.filter(({ atSamples }) => atSamples > heardSamples);
      // Stable, so that what was put in first of one moment is told first.
      for (const { tell } of due.sort((a, b) => a.atSamples - b.atSamples)) tell();
    }
    this.#tellState(heardSamples);
    if (this.#suspended.length > 0 && heardSamples > this.#suspendedUntil) void this.#forgetSuspended();
  }

  /** See SpeechQueue.isFedBeyond. */
  isFedBeyond(samples: number, id?: string): boolean {
    return this.#queue.isFedBeyond(samples, id);
  }

  /**
   * Nothing is heard from `stopSamples` on. Drops what `which` says: all, what plays, or one utterance; the rest begins
   * again where it was not heard. What is dropped may be resumed unless it was deleted or replaced.
   */
  cut(
    stopSamples: number,
    which: 'all' | 'playing' | { id: string },
    reason: InterruptReason,
  ): DroppedSpeech[] {
    this.#cutSamples = this.#queue.at(stopSamples - 1) === undefined ? this.#cutSamples : stopSamples;
    const dropped = this.#queue.cut(stopSamples, ({ utterance, spans: [first], onStart }) => {
      if (which === 'all') return true;
      // Faces that were made ahead cannot be shown from their middle on.
      if (onStart !== undefined && first !== undefined) return true;
      if (which === 'playing') return first !== undefined && first.atSamples < stopSamples;
      return utterance.id === which.id;
    });
    const resumable = (entry: QueuedSpeech): boolean =>
      (reason === 'request' || reason === 'voice' || which === 'playing') && entry.onStart === undefined;
    for (const { onDropped } of dropped) onDropped?.();
    for (const entry of dropped) this.#interruptedAt(entry, stopSamples, reason, resumable(entry));
    const kept = dropped.filter(resumable);
    if (kept.length > 0 || reason === 'replaced') void this.#forgetSuspended();
    if (kept.length > 0) {
      this.#suspended = kept;
      this.#suspendedUntil = stopSamples + RESUMABLE_SAMPLES;
    }
    for (const entry of dropped) if (!kept.includes(entry)) void entry.utterance.close();
    return dropped.map(({ utterance }) => ({
      utteranceId: utterance.id,
      playedMs: Math.round(samplesToMs(utterance.takenSamples)),
    }));
  }

  /** Goes on with what was interrupted last, before all that waits. Returns the ids; none if there is nothing. */
  resume(): string[] {
    const entries = this.#suspended.splice(0);
    this.#queue.pushFirst(entries.map(asWaiting));
    for (const { utterance, onResumed } of entries) {
      this.#book.resumed(utterance.id);
      onResumed?.();
    }
    return entries.map(({ utterance }) => utterance.id);
  }

  view(id: string): UtteranceView | undefined {
    return this.#book.view(id, (one) => this.#heardOf(one));
  }

  get views(): UtteranceView[] {
    return this.#book.views((one) => this.#heardOf(one));
  }

  /** Resolves when no decoder is left. */
  async close(): Promise<void> {
    const entries = [...this.#queue.clear(), ...this.#suspended.splice(0)];
    await Promise.all(entries.map(({ utterance }) => utterance.close()));
  }

  #heardOf(id: string): number | undefined {
    return this.#queue.heardOf(id, this.#heardSamples);
  }

  #startedAt(utteranceId: string, atSamples: number, offsetSamples: number): void {
    this.#later.push({
      atSamples,
      tell: () => {
        this.#book.started(utteranceId, atSamples);
        const fromMs = Math.round(samplesToMs(offsetSamples));
        this.#tell({
          event: 'utterance.started',
          data: { utteranceId, fromMs, ...this.#heardAt(atSamples) },
        });
      },
    });
  }

  #captionAt(utteranceId: string, text: string, atSamples: number): void {
    const data = { utteranceId, text, ...this.#heardAt(atSamples) };
    this.#later.push({ atSamples, tell: () => this.#tell({ event: 'utterance.text', data }) });
  }

  #endedAt(utterance: Utterance, atSamples: number, playedSamples: number): void {
    const { id: utteranceId, error } = utterance;
    const playedMs = Math.round(samplesToMs(playedSamples));
    // Before what begins in the same moment.
    this.#later.unshift({
      atSamples,
      tell: () => {
        const at = this.#heardAt(atSamples);
        this.#book.over(utteranceId, error === undefined ? 'ended' : 'failed', { playedSamples, atSamples });
        if (error === undefined)
          this.#tell({
            event: 'utterance.ended',
            data: { utteranceId, playedMs, interrupted: false, ...at },
          });
        else {
          const message = error instanceof Error ? error.message : String(error);
          this.#tell({ event: 'utterance.failed', data: { utteranceId, playedMs, message, ...at } });
          this.#options.onFailed(utterance);
        }
      },
    });
  }

  #interruptedAt(
    { utterance, spans, told }: QueuedSpeech,
    atSamples: number,
    reason: InterruptReason,
    resumable: boolean,
  ): void {
    const { id: utteranceId, takenSamples: playedSamples } = utterance;
    // Handed out, and heard for a moment yet.
    const [first] = spans;
    const now = spans.reduce((sum, { samples }) => sum + samples, 0);
    if (!told && first !== undefined) this.#startedAt(utteranceId, first.atSamples, playedSamples - now);
    // At once, so that whoever asks is not told that it plays.
    this.#book.over(utteranceId, 'interrupted', { playedSamples, atSamples, resumable });
    const playedMs = Math.round(samplesToMs(playedSamples));
    const data = { utteranceId, playedMs, reason, resumable, ...this.#heardAt(atSamples) };
    this.#later.push({ atSamples, tell: () => this.#tell({ event: 'utterance.interrupted', data }) });
  }

  #tellState(heardSamples: number): void {
    const speaks = heardSamples < this.#cutSamples || this.#queue.at(heardSamples) !== undefined;
    const state = speaks ? 'speaking' : this.#listening ? 'listening' : 'idle';
    if (state === this.#state) return;
    this.#state = state;
    this.#tell({ event: 'session.state', data: { state, ...this.#heardAt(heardSamples) } });
  }

  async #forgetSuspended(): Promise<void> {
    const entries = this.#suspended.splice(0);
    for (const { utterance } of entries) this.#book.forgotten(utterance.id);
    await Promise.all(entries.map(({ utterance }) => utterance.close()));
  }

  #tell(event: SpeechEvent): void {
    this.#options.tell(event);
  }
}

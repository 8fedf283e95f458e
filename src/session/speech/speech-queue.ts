import { PIECE_VALUES, type Utterance } from './utterance.js';

/** Speech with many gaps is fed in many stretches; more are cut down to those that are not heard yet. */
const MAX_SPANS = 16;

export interface SpeechOptions {
  /** It is held back until somebody listens, or until this time. */
  waitUntilMs?: number;
  /** True while it may not begin at this media time (its faces are not made yet, or no picture begins there). */
  heldAt?(atSamples: number): boolean;
  /** True while speech that ran dry shall gather before it goes on. */
  waitsForMore?(): boolean;
  /** It was taken out before it was over. */
  onDropped?(): void;
  /** It will go on. */
  onResumed?(): void;
  /** What is said from which of its samples on, as far as that is known, in order. */
  captions?(): readonly { readonly text: string; readonly offsetSamples: number }[];
  /** Called with the media time of its first sample, before that is handed out. */
  onStart?(atSamples: number): void;
}

/** One utterance in the queue, or taken out of it with what had not been heard. */
export interface QueuedSpeech extends SpeechOptions {
  readonly utterance: Utterance;
  /** What was fed of it since it began, and where: adjoining stretches are one. */
  spans: { readonly atSamples: number; samples: number }[];
  /** Media time of the end of its last sample; undefined until that was fed. */
  endSamples?: number;
  /** Somebody was told that it is heard. */
  told: boolean;
  /** So many of its captions were told. */
  toldCaptions?: number;
  /** Pieces without sound since sound was fed: a gap if more comes, else its source's end. */
  missing: number;
}

/** What has been heard of one utterance. */
export interface Spoken {
  readonly utterance: Utterance;
  /** Media samples of its own sound, without gaps that were bridged. */
  readonly heardSamples: number;
  /** Media time at which its sound ended, or was cut off. */
  readonly endSamples: number;
}

/**
 * The utterances of a session in their order, one behind the other to the sample. They are fed ahead of the clock, and
 * stay here until their last sample was heard: so "speaking" means what a viewer hears, not what was queued.
 */
export class SpeechQueue {
  #entries: QueuedSpeech[] = [];
  /** Pieces of 20 ms that were not decoded in time and became silence. */
  underflows = 0;

  get size(): number {
    return this.#entries.length;
  }

  push(utterance: Utterance, options: SpeechOptions = {}): void {
    this.#entries.push({ ...options, utterance, spans: [], told: false, missing: 0 });
  }

  /** Puts entries before all that have not begun. */
  pushFirst(entries: readonly QueuedSpeech[]): void {
    const begun = this.#entries.findLastIndex(({ spans }) => spans.length > 0) + 1;
    this.#entries.splice(begun, 0, ...entries);
  }

  find(id: string): QueuedSpeech | undefined {
    return this.#entries.find(({ utterance }) => utterance.id === id);
  }

  /** The utterance that is heard at a media time, in a gap of its own too. */
  at(samples: number): QueuedSpeech | undefined {
    return this.#entries.find(
      ({ spans: [first], endSamples = Infinity }) =>
        first !== undefined && first.atSamples <= samples && samples < endSamples,
    );
  }

  /** Samples that have been heard of one utterance at a media time; undefined if it is not here. */
  heardOf(id: string, samples: number): number | undefined {
    const entry = this.find(id);
    return entry && entry.utterance.takenSamples - unheardOf(entry, samples);
  }

  /** Whether sound was handed out, of one utterance or of any, that is heard at `samples` or later. */
  isFedBeyond(samples: number, id?: string): boolean {
    return this.#entries.some(
      ({ utterance, spans }) =>
        (id === undefined || utterance.id === id) && spans.some((span) => endOf(span) > samples),
    );
  }

  /** Fills `target` (20 ms) for media time `atSamples` with speech and silence; false if there is no speech. */
  feed(target: Int16Array, atSamples: number, listened: boolean, nowMs: number): boolean {
    let filled = 0;
    while (filled < PIECE_VALUES) {
      const entry = this.#entries.find(({ endSamples }) => endSamples === undefined);
      if (entry === undefined) break;
      const took = this.#take(entry, target.subarray(filled), atSamples + filled / 2, listened, nowMs);
      filled += 2 * took;
      if (entry.endSamples === undefined && filled < PIECE_VALUES) break;
    }
    target.fill(0, filled);
    return filled > 0;
  }

  #take(
    entry: QueuedSpeech,
    target: Int16Array,
    atSamples: number,
    listened: boolean,
    nowMs: number,
  ): number {
    const { utterance, spans } = entry;
    const begun = spans.length > 0;
    if (!begun && !listened && nowMs < (entry.waitUntilMs ?? 0)) return 0;
    if (!begun && entry.heldAt?.(atSamples)) return 0;
    if (begun && entry.missing > 0 && !utterance.done && entry.waitsForMore?.() === true) {
      entry.missing += 1;
      return 0;
    }
    const took = utterance.take(target);
    if (took > 0) {
      if (!begun) entry.onStart?.(atSamples);
      const last = spans.at(-1);
      if (last !== undefined && endOf(last) === atSamples) last.samples += took;
      else spans.push({ atSamples, samples: took });
      this.underflows += entry.missing;
      entry.missing = 0;
    } else if (begun) entry.missing += 1;
    if (utterance.done) {
      const last = spans.at(-1);
      entry.endSamples = last === undefined ? atSamples : endOf(last);
    }
    return took;
  }

  /** Those that began to be heard by `heardSamples`, each once. */
  begun(heardSamples: number): { utterance: Utterance; atSamples: number; offsetSamples: number }[] {
    return this.#entries.flatMap((entry) => {
      if (entry.told) this.#prune(entry, heardSamples);
      const [first] = entry.spans;
      if (entry.told || first === undefined || first.atSamples > heardSamples) return [];
      entry.told = true;
      const fed = entry.spans.reduce((sum, { samples }) => sum + samples, 0);
      const offsetSamples = entry.utterance.takenSamples - fed;
      return [{ utterance: entry.utterance, atSamples: first.atSamples, offsetSamples }];
    });
  }

  /** Captions of what began to be heard by `heardSamples`, each once. */
  captionsBegun(heardSamples: number): { utterance: Utterance; text: string; atSamples: number }[] {
    return this.#entries.flatMap((entry) => {
      const { utterance, captions, toldCaptions = 0 } = entry;
      const due = (captions?.() ?? []).slice(toldCaptions).flatMap(({ text, offsetSamples }) => {
        const atSamples = mediaTimeOf(entry, offsetSamples);
        return atSamples === undefined || atSamples > heardSamples ? [] : [{ utterance, text, atSamples }];
      });
      entry.toldCaptions = toldCaptions + due.length;
      return due;
    });
  }

  /** Of stretches that were heard only the first one matters, for where the speech began. */
  #prune({ spans }: QueuedSpeech, heardSamples: number): void {
    if (spans.length < MAX_SPANS) return;
    const past = spans.findIndex((span) => endOf(span) > heardSamples) - 1;
    if (past > 1) spans.splice(1, past - 1);
  }

  /** Takes out what has been heard to its end by `heardSamples`. */
  retire(heardSamples: number): Spoken[] {
    const over = this.#entries.filter(({ endSamples = Infinity }) => endSamples <= heardSamples);
    this.#entries = this.#entries.filter((entry) => !over.includes(entry));
    return over.map(({ utterance, endSamples = 0 }) => ({
      utterance,
      endSamples,
      heardSamples: utterance.takenSamples,
    }));
  }

  /**
   * Nothing that was fed for `stopSamples` or later will be heard. Takes out what `drops` says, of those that are not over
   * by then; what stays begins again where it was not heard.
   */
  cut(stopSamples: number, drops: (entry: QueuedSpeech) => boolean): QueuedSpeech[] {
    const dropped: QueuedSpeech[] = [];
    this.#entries = this.#entries.filter((entry) => {
      if ((entry.endSamples ?? Infinity) <= stopSamples) return true;
      const drop = drops(entry);
      unfeed(entry, stopSamples);
      if (drop) dropped.push(entry);
      return !drop;
    });
    return dropped;
  }

  /** Takes everything out. */
  clear(): QueuedSpeech[] {
    return this.#entries.splice(0);
  }
}

function endOf(span: { readonly atSamples: number; readonly samples: number }): number {
  return span.atSamples + span.samples;
}

/** Where a sample of an utterance was fed; undefined if it was not yet. What was fed long ago counts as the oldest known. */
function mediaTimeOf({ utterance, spans }: QueuedSpeech, offsetSamples: number): number | undefined {
  if (offsetSamples >= utterance.takenSamples) return undefined;
  let end = utterance.takenSamples;
  for (const { atSamples, samples } of [...spans].reverse()) {
    if (offsetSamples >= end - samples) return atSamples + offsetSamples - (end - samples);
    end -= samples;
  }
  return spans[0]?.atSamples;
}

function unheardOf({ spans }: QueuedSpeech, stopSamples: number): number {
  return spans.reduce(
    (sum, span) => sum + Math.max(0, endOf(span) - Math.max(stopSamples, span.atSamples)),
    0,
  );
}

/** What was fed from `stopSamples` on goes back into its utterance. */
function unfeed(entry: QueuedSpeech, stopSamples: number): void {
  entry.utterance.rewind(unheardOf(entry, stopSamples));
  entry.spans = entry.spans
    .filter(({ atSamples }) => atSamples < stopSamples)
    .map(({ atSamples, samples }) => ({ atSamples, samples: Math.min(samples, stopSamples - atSamples) }));
  delete entry.endSamples;
  entry.missing = 0;
}

/** An entry whose speech goes on later: it counts as not begun. */
export function asWaiting(entry: QueuedSpeech): QueuedSpeech {
  return { ...entry, spans: [], told: false, missing: 0 };
}

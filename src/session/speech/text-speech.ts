import { SentenceSound, type Synthesize } from './sentence-sound.js';

/** Sentences whose sound is made at once: the one that is spoken and the next. */
const AT_ONCE = 2;
/** Characters spoken a second, to judge how much of a sentence was heard whose length is not known. */
const CHARS_PER_S = 15;

/** Sentences as they become known; ends, and just ends when `signal` aborts. */
export type Sentences = (signal: AbortSignal) => AsyncIterable<string>;

/** A sentence whose sound has begun. */
export interface SentenceStart {
  readonly text: string;
  /** Where in its utterance, in media samples. */
  readonly offsetSamples: number;
}

interface Entry {
  readonly sound: SentenceSound;
  offsetSamples?: number;
  endSamples?: number;
}

/**
 * Speech that is made from text while it is spoken: sentences in, one utterance's sound out (`sound`), without a sample
 * between them where the service is faster than speech. No sound is asked for before `start`. `hold` gives up every request that is under way, be it for sound
 * or for more text; `goOn` makes what was not made. What fails ends it: sound that came before is spoken.
 */
export class TextSpeech {
  readonly #synthesize: Synthesize;
  readonly #entries: Entry[] = [];
  readonly #text = new AbortController();
  #current = 0;
  #takenSamples = 0;
  #allKnown = false;
  #error: unknown;
  #isStarted = false;
  #isHeld = false;
  #change: () => void = () => {};

  /** All sentences, or what tells them as they come, which is read at once. */
  constructor(sentences: readonly string[] | Sentences, synthesize: Synthesize) {
    this.#synthesize = synthesize;
    if (typeof sentences === 'function') void this.#readText(sentences);
    else {
      for (const text of sentences) this.#add(text);
      this.#allKnown = true;
    }
  }

  /** Those that have begun, in their order. Grows at its end only. */
  get begun(): readonly SentenceStart[] {
    return this.#entries.flatMap(({ sound: { text }, offsetSamples }) =>
      offsetSamples === undefined ? [] : [{ text, offsetSamples }],
    );
  }

  /** All that is known of it so far. */
  get text(): string {
    return this.#entries.map(({ sound: { text } }) => text).join(' ');
  }

  /** What was heard when so much of the utterance was: a sentence that was cut off, up to the word that was spoken. */
  heardText(playedSamples: number): string {
    return this.#entries
      .map(({ sound, offsetSamples = Infinity, endSamples }) => {
        const { text, receivedSamples } = sound;
        const heard = playedSamples - offsetSamples;
        if (heard <= 0) return '';
        const length =
          endSamples !== undefined
            ? endSamples - offsetSamples
            : Math.max(receivedSamples, (text.length / CHARS_PER_S) * 48_000);
        return heard >= length ? text : beginningOf(text, heard / length);
      })
      .filter((text) => text !== '')
      .join(' ');
  }

  /** Every request is given up; a model writes no more, for good. */
  hold(): void {
    this.#isHeld = true;
    this.#text.abort();
    for (const { sound } of this.#entries) sound.stop();
    this.#change();
  }

  goOn(): void {
    this.#isHeld = false;
    this.#change();
  }

  /** Its turn comes: sound may be asked for. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#startRequests();
    this.#change();
  }

  /** As an utterance reads it: interleaved stereo at 48 kHz. @throws what went wrong */
  async *sound(signal: AbortSignal): AsyncGenerator<Int16Array> {
    const stop = (): void => this.hold();
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (!signal.aborted) {
        const entry = this.#entries[this.#current];
        if (this.#isHeld || !this.#isStarted) await this.#changed();
        else if (entry !== undefined) yield* this.#soundOf(entry);
        else if (this.#error !== undefined) throw this.#error;
        else if (this.#allKnown) return;
        else await this.#changed();
      }
    } finally {
      signal.removeEventListener('abort', stop);
      this.hold();
    }
  }

  async *#soundOf(entry: Entry): AsyncGenerator<Int16Array> {
    this.#startRequests();
    const pcm = await entry.sound.next();
    if (pcm !== undefined) {
      entry.offsetSamples ??= this.#takenSamples;
      this.#takenSamples += pcm.length / 2;
      yield pcm;
    } else if (entry.sound.isWhole) {
      entry.endSamples = this.#takenSamples;
      this.#current += 1;
    }
  }

  #startRequests(): void {
    if (this.#isHeld || !this.#isStarted) return;
    for (const { sound } of this.#entries.slice(this.#current, this.#current + AT_ONCE)) sound.start();
  }

  #add(text: string): void {
    this.#entries.push({ sound: new SentenceSound(text, this.#synthesize) });
  }

  async #readText(sentences: Sentences): Promise<void> {
    const { signal } = this.#text;
    try {
      for await (const text of sentences(signal)) {
        if (signal.aborted) break;
        this.#add(text);
        this.#startRequests();
        this.#change();
      }
    } catch (error) {
      if (!signal.aborted) this.#error = error;
    }
    this.#allKnown = true;
    this.#change();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => (this.#change = resolve));
  }
}

/** Up to a share of it, whole words only where it has any. */
function beginningOf(text: string, share: number): string {
  const cut = text.slice(0, Math.floor(text.length * share));
  if (cut === text) return text;
  const isWithinWord = /\s/.test(text) && /\S/.test(text[cut.length] ?? ' ');
  return (isWithinWord ? cut.replace(/\S*$/, '') : cut).trimEnd();
}

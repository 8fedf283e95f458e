import { isAppError, toAppError, type AppError } from '../../errors.js';
import type { WorkerStream } from '../../worker/host.js';
import type { Utterance } from '../speech/utterance.js';

/** Rendered utterances that may wait for their turn: each keeps its faces on disk, 300 MB a minute. */
const MADE_AHEAD = 2;
/** How often a sound is given to a worker that dies over it. */
const ATTEMPTS = 2;

export interface RenderAheadOptions {
  /** The session's picture stream; undefined while a new one is being opened. */
  stream(): WorkerStream | undefined;
  onProgress(utteranceId: string, progress: number): void;
  /** It will be played over the footage's own face: speech is never lost. */
  onFailed(utterance: Utterance, error: AppError): void;
}

/** One utterance as the speech queue sees it. */
export interface RenderedUtterance {
  /** Whether it may begin now. */
  readonly ready: boolean;
  /** It begins at media time `atMs` of the present stream. */
  start(atMs: number): void;
  /** Its sound file is not read any more. */
  readonly over: Promise<void>;
}

interface Entry {
  readonly utterance: Utterance;
  readonly audioPath: string;
  state: 'waiting' | 'making' | 'made' | 'failed';
  progress: number;
  attempts: number;
  /** Where it was made, and its number there. */
  made?: { stream: WorkerStream; id: number };
  readonly finish: () => void;
}

/**
 * The utterances of a session that renders before it plays: made one after the other, two ahead of their turn at most,
 * and made again when their stream was lost.
 */
export class RenderAhead {
  readonly #options: RenderAheadOptions;
  #entries: Entry[] = [];

  constructor(options: RenderAheadOptions) {
    this.#options = options;
  }

  /** Those that are not made yet, and how far each is (0..1). */
  get progress(): { utteranceId: string; progress: number }[] {
    return this.#entries
      .filter(({ state }) => state === 'waiting' || state === 'making')
      .map(({ utterance, progress }) => ({ utteranceId: utterance.id, progress }));
  }

  add(utterance: Utterance, audioPath: string): RenderedUtterance {
    let finish = () => {};
    const over = new Promise<void>((resolve) => (finish = resolve));
    const entry: Entry = { utterance, audioPath, state: 'waiting', progress: 0, attempts: 0, finish };
    this.#entries.push(entry);
    this.#options.onProgress(utterance.id, 0);
    utterance.dropped.addEventListener('abort', () => this.#forget(entry), { once: true });
    this.#pump();
    const isReady = () => this.#isReady(entry);
    return {
      get ready() {
        return isReady();
      },
      start: (atMs) => {
        const { made } = entry;
        delete entry.made; // the stream closes it from here on
        if (made) made.stream.cue(made.id, atMs);
        this.#forget(entry);
      },
      over,
    };
  }

  /** A new stream is there: what was made in another one is made again. */
  streamChanged(): void {
    for (const entry of this.#entries) {
      if (entry.state !== 'made' || this.#isReady(entry)) continue;
      entry.state = 'waiting';
      delete entry.made;
    }
    this.#pump();
  }

  #isReady({ state, made }: Entry): boolean {
    return state === 'failed' || (state === 'made' && made?.stream === this.#options.stream());
  }

  #forget(entry: Entry): void {
    if (entry.made) entry.made.stream.drop(entry.made.id);
    delete entry.made;
    this.#entries = this.#entries.filter((other) => other !== entry);
    entry.finish();
    this.#pump();
  }

  #pump(): void {
    const stream = this.#options.stream();
    const count = (state: Entry['state']) => this.#entries.filter((entry) => entry.state === state).length;
    if (stream === undefined || count('making') > 0 || count('made') >= MADE_AHEAD) return;
    const next = this.#entries.find(({ state }) => state === 'waiting');
    if (next) void this.#make(next, stream);
  }

  async #make(entry: Entry, stream: WorkerStream): Promise<void> {
    const { utterance, audioPath } = entry;
    const report = (progress: number) => {
      entry.progress = progress;
      this.#options.onProgress(utterance.id, progress);
    };
    entry.state = 'making';
    entry.attempts += 1;
    try {
      const id = await stream.rehearse(audioPath, { onProgress: report, signal: utterance.dropped });
      entry.made = { stream, id };
      entry.state = 'made';
      if (this.#entries.includes(entry)) report(1);
      else this.#forget(entry); // dropped at the last moment
    } catch (error) {
      if (isAppError(error, 'worker-died') && entry.attempts < ATTEMPTS) entry.state = 'waiting';
      else {
        entry.state = 'failed';
        entry.finish();
        if (this.#entries.includes(entry)) this.#options.onFailed(utterance, toAppError(error));
      }
    }
    this.#pump();
  }
}

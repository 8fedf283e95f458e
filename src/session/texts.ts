import { randomUUID } from 'node:crypto';
import type { ChatService } from '../adapters/chat-service.js';
import type { Ffmpeg } from '../adapters/ffmpeg.js';
import type { SpeechService } from '../adapters/speech-service.js';
import { soundOfSent } from '../audio/service-sound.js';
import { AppError } from '../errors.js';
import { msToSamples } from '../media/timeline.js';
import type { LiveRate } from '../media/upsample.js';
import { ChatText } from '../text/chat-text.js';
import { splitSentences } from '../text/sentences.js';
import type { Session } from './session.js';
import { ChatHistory, type Answer } from './speech/chat-history.js';
import { TextSpeech, type Sentences } from './speech/text-speech.js';
import type { SpeechMode, UtteranceView } from './speech/utterance-book.js';
import { Utterance } from './speech/utterance.js';

/** Sound that waits before text begins to be heard, and before it goes on where the service was too slow. */
const FIRST_HOLD_MS = 100;
const NEXT_HOLD_MS = 250;
/** Texts of a session whose sound is made: the one that plays and the next. The others take memory and requests later. */
const MADE_AT_ONCE = 2;

export interface TextOptions {
  readonly speech?: { readonly service: SpeechService; readonly pcmRate: LiveRate };
  readonly chat?: { readonly service: ChatService; readonly systemPrompt?: string | undefined };
  readonly ffmpeg: Ffmpeg;
  /** Where sound lies that has to be decoded. */
  readonly uploadsDir: string;
}

export interface SpokenText {
  readonly text: string;
  /** One of the service's; its own choice if absent. */
  readonly voice?: string | undefined;
  readonly mode?: SpeechMode;
}

/** Speech made of text, and conversations with a language model. */
export class Texts {
  readonly #options: TextOptions;
  readonly #histories = new WeakMap<Session, ChatHistory>();
  /** What is not read to its end, in the order in which it came. */
  readonly #toMake = new WeakMap<Session, readonly TextSpeech[]>();

  constructor(options: TextOptions) {
    this.#options = options;
  }

  get can(): { readonly text: boolean; readonly chat: boolean } {
    const { speech, chat } = this.#options;
    return { text: speech !== undefined, chat: speech !== undefined && chat !== undefined };
  }

  /** Queued at once; its sound is made while it is spoken. @throws not-supported, invalid-argument, no-capacity */
  say(session: Session, spoken: SpokenText): UtteranceView {
    this.#assertSpeech();
    const sentences = splitSentences(spoken.text);
    if (sentences.length === 0)
      throw new AppError('invalid-argument', 'text: there is nothing to speak in it');
    const { id } = this.#speak(session, sentences, spoken);
    return session.utterance(id);
  }

  /** The model's answer is spoken as it is written. @throws not-supported, no-capacity */
  chat(session: Session, asked: SpokenText): UtteranceView {
    this.#assertSpeech();
    const { chat } = this.#options;
    if (chat === undefined)
      throw new AppError(
        'not-supported',
        'no chat service is configured (--chat-url): send text to be spoken',
      );
    const history = this.#histories.get(session) ?? new ChatHistory(chat.systemPrompt);
    this.#histories.set(session, history);
    const { id, speech } = this.#speak(
      session,
      async function* (signal) {
        // A turn later the question is queued, and what it interrupts is known.
        await Promise.resolve();
        if (signal.aborted) return;
        const text = new ChatText();
        for await (const piece of chat.service.answer(history.messagesFor(turn), signal))
          yield* text.push(piece);
        yield* text.flush();
      },
      asked,
    );
    const turn = history.add(asked.text, answerOf(session, id, speech));
    return session.utterance(id);
  }

  #assertSpeech(): void {
    if (this.#options.speech === undefined)
      throw new AppError(
        'not-supported',
        'no speech service is configured (--speech-url): send sound instead of text',
      );
  }

  #speak(
    session: Session,
    sentences: readonly string[] | Sentences,
    { voice, mode = 'append' }: SpokenText,
  ): { id: string; speech: TextSpeech } {
    const speech = new TextSpeech(sentences, (text, signal) => this.#synthesize(text, voice, signal));
    const made = (): void => this.#made(session, speech);
    const utterance = new Utterance(randomUUID(), (signal) => soundOf(speech, signal, made));
    const waits = (holdMs: number): boolean =>
      utterance.lengthSamples === undefined && utterance.waitingSamples < msToSamples(holdMs);
    try {
      const over = session.say(utterance, {
        mode,
        live: {
          heldAt: () => {
            // It is the next, whatever came before it.
            speech.start();
            return waits(FIRST_HOLD_MS);
          },
          waitsForMore: () => waits(NEXT_HOLD_MS),
          onDropped: () => {
            speech.hold();
            made();
          },
          onResumed: () => speech.goOn(),
          captions: () => speech.begun,
        },
      });
      over.catch(() => {});
    } catch (error) {
      void utterance.close();
      throw error;
    }
    this.#toMake.set(session, [...(this.#toMake.get(session) ?? []), speech]);
    this.#startNext(session);
    return { id: utterance.id, speech };
  }

  #made(session: Session, speech: TextSpeech): void {
    this.#toMake.set(
      session,
      (this.#toMake.get(session) ?? []).filter((one) => one !== speech),
    );
    this.#startNext(session);
  }

  #startNext(session: Session): void {
    for (const speech of (this.#toMake.get(session) ?? []).slice(0, MADE_AT_ONCE)) speech.start();
  }

  async *#synthesize(
    text: string,
    voice: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Int16Array> {
    const { speech, ffmpeg, uploadsDir } = this.#options;
    if (speech === undefined) return;
    const { service } = speech;
    const sent = await service.speak(text, { voice, signal });
    const pcmRate = service.format === 'pcm' ? speech.pcmRate : undefined;
    yield* soundOfSent(sent, { pcmRate, ffmpeg, folder: uploadsDir, signal });
  }
}

async function* soundOf(
  speech: TextSpeech,
  signal: AbortSignal,
  onMade: () => void,
): AsyncGenerator<Int16Array> {
  try {
    yield* speech.sound(signal);
  } finally {
    onMade();
  }
}

/** What became of an answer is read off its utterance. */
function answerOf(session: Session, id: string, speech: TextSpeech): Answer {
  const view = (): UtteranceView | undefined => session.utterances.find((one) => one.id === id);
  return {
    heard() {
      const { state, playedMs } = view() ?? {};
      if (state !== 'interrupted' && state !== 'failed') return speech.text;
      const heard = speech.heardText(msToSamples(playedMs ?? 0));
      return state === 'failed' && heard === '' ? undefined : heard;
    },
    isOver() {
      const { state, resumable } = view() ?? {};
      return state !== 'waiting' && state !== 'playing' && resumable !== true;
    },
  };
}

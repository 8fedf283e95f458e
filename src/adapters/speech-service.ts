import { askService, type HttpLimits, type HttpService, type ServiceAnswer } from './http-service.js';

/** What the service is asked for; `pcm` is spoken while it arrives, the others when they are there. */
export const SPEECH_FORMATS = ['pcm', 'wav', 'mp3', 'opus', 'aac', 'flac'] as const;
export type SpeechFormat = (typeof SPEECH_FORMATS)[number];

export interface SpeechServiceOptions {
  /** Up to `/v1`, or whole: `http://localhost:8880/v1` and `.../v1/audio/speech` are the same. */
  readonly url: string;
  readonly key?: string | undefined;
  readonly model: string;
  /** Where a request names none. */
  readonly voice: string;
  readonly format: SpeechFormat;
  /** For tests. */
  readonly limits?: Partial<HttpLimits>;
}

const LIMITS: HttpLimits = { answerLimitMs: 20_000, stallLimitMs: 15_000 };

/** A service that speaks text, of the shape of OpenAI's `POST /v1/audio/speech`. */
export class SpeechService {
  readonly format: SpeechFormat;
  readonly #options: SpeechServiceOptions;
  readonly #service: HttpService;
  readonly #limits: HttpLimits;

  constructor(options: SpeechServiceOptions) {
    this.#options = options;
    this.format = options.format;
    this.#service = {
      name: 'speech service',
      url: endpointOf(options.url, '/audio/speech'),
      key: options.key,
    };
    this.#limits = { ...LIMITS, ...options.limits };
  }

  /** The sound of `text` as it comes. @throws service-failed, timeout */
  speak(text: string, options: { voice?: string | undefined; signal: AbortSignal }): Promise<ServiceAnswer> {
    const { model, voice, format } = this.#options;
    const body = { model, input: text, voice: options.voice ?? voice, response_format: format };
    return askService(this.#service, body, this.#limits, options.signal);
  }
}

/** The endpoint's whole URL from one that may end before it. A query stays. */
export function endpointOf(url: string, path: string): string {
  const endpoint = new URL(url);
  const base = endpoint.pathname.replace(/\/+$/, '');
  endpoint.pathname = base.endsWith(path) ? base : base + path;
  return endpoint.href;
}

import { AppError } from '../errors.js';
import { askService, type HttpLimits, type HttpService } from './http-service.js';
import { endpointOf } from './speech-service.js';
import { SseLines } from './sse-lines.js';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatServiceOptions {
  /** Up to `/v1`, or whole, with `/chat/completions`. */
  readonly url: string;
  readonly key?: string | undefined;
  readonly model: string;
  /** For tests. */
  readonly limits?: Partial<HttpLimits>;
}

/** Models think for long before the first word; after it they write. */
const LIMITS: HttpLimits = { answerLimitMs: 60_000, stallLimitMs: 60_000 };
/** An answer is cut here: half an hour of speech. */
const MAX_ANSWER_CHARS = 20_000;

/** A language model behind a service of the shape of OpenAI's `POST /v1/chat/completions`. */
export class ChatService {
  readonly #model: string;
  readonly #service: HttpService;
  readonly #limits: HttpLimits;

  constructor({ url, key, model, limits }: ChatServiceOptions) {
    this.#model = model;
    this.#service = { name: 'chat service', url: endpointOf(url, '/chat/completions'), key };
    this.#limits = { ...LIMITS, ...limits };
  }

  /** The answer in the pieces in which the model writes it. Just ends on abort. @throws service-failed, timeout */
  async *answer(messages: readonly ChatMessage[], signal: AbortSignal): AsyncGenerator<string> {
    const body = { model: this.#model, messages, stream: true };
    const { contentType, bytes } = await askService(this.#service, body, this.#limits, signal);
    let chars = 0;
    for await (const text of contentType.includes('json') ? wholeAnswer(bytes) : pieces(bytes)) {
      yield text.slice(0, MAX_ANSWER_CHARS - chars);
      chars += text.length;
      if (chars >= MAX_ANSWER_CHARS) return;
    }
    if (chars === 0 && !signal.aborted)
      throw new AppError('service-failed', 'the chat service gave no answer');
  }
}

async function* pieces(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const lines = new SseLines();
  for await (const part of bytes) {
    for (const data of lines.push(part)) {
      if (data === '[DONE]') return;
      const text = textOf(data, 'delta');
      if (text !== '') yield text;
    }
  }
}

/** A service that does not stream. */
async function* wholeAnswer(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of bytes) {
    sizeBytes += part.length;
    if (sizeBytes > 2 ** 20)
      throw new AppError('service-failed', 'the chat service gave more than 1 MiB for one answer');
    parts.push(part);
  }
  const text = textOf(Buffer.concat(parts).toString('utf8'), 'message');
  if (text !== '') yield text;
}

/** The first choice's text, be it a piece or whole; empty where there is none (roles, tools, figures). */
function textOf(json: string, kind: 'delta' | 'message'): string {
  let value: {
    choices?: { delta?: { content?: unknown }; message?: { content?: unknown } }[];
    error?: unknown;
  };
  try {
    value = JSON.parse(json) as typeof value;
  } catch {
    throw new AppError('service-failed', 'the chat service gave something that is not JSON');
  }
  // Some tell in the stream that they fail.
  const { error } = value ?? {};
  if (error !== undefined && error !== null) {
    const { message } = typeof error === 'object' ? (error as { message?: unknown }) : { message: error };
    const said = typeof message === 'string' ? `: ${message.slice(0, 300)}` : '';
    throw new AppError('service-failed', `the chat service failed${said}`);
  }
  const choice = Array.isArray(value?.choices) ? value.choices[0] : undefined;
  const content = choice?.[kind]?.content;
  return typeof content === 'string' ? content : '';
}

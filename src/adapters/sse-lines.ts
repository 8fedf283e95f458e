import { AppError } from '../errors.js';

const MAX_LINE_CHARS = 1_048_576;

/** The data of server-sent events (WHATWG HTML, 9.2.6) out of a stream of bytes, each event having one line of it. */
export class SseLines {
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** @throws service-failed for a line without an end */
  push(bytes: Uint8Array): string[] {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const lines = this.#rest.split(/\r\n|\n|\r(?=.)/s);
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > MAX_LINE_CHARS)
      throw new AppError('service-failed', 'a line of the chat service is longer than 1 MiB');
    return lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim());
  }
}

import { HttpRefusal } from './problem.js';

const MAX_PART_HEADER_BYTES = 16_384;
const MAX_PARTS = 32;

export interface Part {
  readonly name: string;
  /** Undefined for an ordinary field. */
  readonly filename: string | undefined;
  /** Must be read before the next part is asked for; what is left unread is skipped. */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Parts of a multipart/form-data body (RFC 7578) as they arrive. At most one chunk plus a delimiter is held in memory,
 * so a video of any size passes through.
 */
export async function* readMultipart(
  chunks: AsyncIterable<Uint8Array>,
  contentType: string,
): AsyncGenerator<Part> {
  const reader = new Reader(chunks);
  // A line break is put in front by Reader, so that the first delimiter looks like all others.
  const delimiter = Buffer.from(`\r\n--${boundaryOf(contentType)}`, 'latin1');
  try {
    await drain(reader.until(delimiter));
    for (let count = 0; !(await reader.startsWith('--')); count += 1) {
      if (count === MAX_PARTS) throw malformed(`more than ${MAX_PARTS} parts`);
      const headers = await reader.textUntil('\r\n\r\n', MAX_PART_HEADER_BYTES);
      const body = reader.until(delimiter);
      yield { ...disposition(headers), body };
      await drain(body);
    }
  } finally {
    await reader.close();
  }
}

function boundaryOf(contentType: string): string {
  const match = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;,]{1,70}))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (!boundary) throw malformed('the Content-Type has no boundary');
  return boundary;
}

function disposition(headers: string): { name: string; filename: string | undefined } {
  const line = /(?:^|\r\n)content-disposition:\s*form-data\s*(;[^\r\n]*)/i.exec(headers)?.[1];
  const name = line && parameter(line, 'name');
  if (line === undefined || name === undefined) throw malformed('a part has no name');
  return { name, filename: parameter(line, 'filename') };
}

function parameter(line: string, key: string): string | undefined {
  const match = new RegExp(`;\\s*${key}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;]+))`, 'i').exec(line);
  return match?.[1]?.replaceAll('%22', '"').replaceAll(/\\(.)/g, '$1') ?? match?.[2];
}

function malformed(why: string): HttpRefusal {
  return new HttpRefusal(400, 'malformed-multipart', `the multipart body is malformed: ${why}`);
}

async function drain(chunks: AsyncIterable<unknown>): Promise<void> {
  for await (const chunk of chunks) void chunk;
}

class Reader {
  #chunks: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.from('\r\n');

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async *until(mark: Buffer): AsyncGenerator<Uint8Array> {
    for (;;) {
      const at = this.#held.indexOf(mark);
      if (at >= 0) {
        const head = this.#held.subarray(0, at);
        this.#held = this.#held.subarray(at + mark.length);
        if (head.length > 0) yield head;
        return;
      }
      // The mark may be cut in two by the chunk's end: its length less one byte stays held.
      const safe = this.#held.length - (mark.length - 1);
      if (safe > 0) {
        const head = this.#held.subarray(0, safe);
        this.#held = this.#held.subarray(safe);
        yield head;
      }
      await this.#more();
    }
  }

  async textUntil(mark: string, maxBytes: number): Promise<string> {
    for (;;) {
      const at = this.#held.indexOf(mark);
      if (at > maxBytes || (at < 0 && this.#held.length > maxBytes))
        throw malformed('the head of a part is too long');
      if (at >= 0) {
        const text = this.#held.toString('utf8', 0, at);
        this.#held = this.#held.subarray(at + mark.length);
        return text;
      }
      await this.#more();
    }
  }

  async startsWith(text: string): Promise<boolean> {
    while (this.#held.length < text.length) await this.#more();
    return this.#held.toString('latin1', 0, text.length) === text;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #more(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done) throw malformed('it ends too early');
    this.#held = Buffer.concat([this.#held, next.value]);
  }
}

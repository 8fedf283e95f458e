import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { HttpRefusal } from './problem.js';

/** Keys that are remembered, over all sessions; the oldest are forgotten first. */
const REMEMBERED = 1000;
const KEY = /^[\x21-\x7e]{1,255}$/;

interface Done<T> {
  readonly fingerprint: string;
  readonly answer: Promise<T>;
}

/**
 * Repeats of a request under one `Idempotency-Key` do nothing and get the first one's answer
 * (draft-ietf-httpapi-idempotency-key-header): 422 if the body is another one. A request that was refused may be tried
 * again under its key.
 */
export class Idempotency<T> {
  readonly #done = new Map<string, Done<T>>();

  /** @param scope what the key belongs to; the same key elsewhere is another one */
  async once(
    scope: string,
    key: string | undefined,
    fingerprint: () => Promise<string>,
    work: () => Promise<T>,
  ): Promise<{ answer: T; isRepeat: boolean }> {
    if (key === undefined) return { answer: await work(), isRepeat: false };
    if (!KEY.test(key))
      throw new HttpRefusal(
        400,
        'malformed-header',
        'Idempotency-Key must be 1 to 255 visible ASCII characters',
      );
    const print = await fingerprint();
    const name = `${scope}\n${key}`;
    const known = this.#done.get(name);
    if (known !== undefined) {
      if (known.fingerprint !== print)
        throw new HttpRefusal(
          422,
          'idempotency-key-reused',
          'this Idempotency-Key was used with another body',
        );
      return { answer: await known.answer, isRepeat: true };
    }
    const answer = work();
    this.#done.set(name, { fingerprint: print, answer });
    answer.catch(() => this.#done.delete(name));
    if (this.#done.size > REMEMBERED) this.#done.delete(this.#done.keys().next().value!);
    return { answer: await answer, isRepeat: false };
  }
}

export function fingerprintOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

/** Of a file's bytes and of what else the request said. */
export async function fingerprintOfFile(path: string, text: string): Promise<string> {
  const hash = createHash('sha256').update(text);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('base64');
}

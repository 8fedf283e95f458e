/** One answer of the server under test. Status 0 means that none came, and `body` then says why. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  readonly url: string;
}

export interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Left out to see what happens without. */
  readonly withoutToken?: boolean;
  /** The body never ends: only the head is waited for. */
  readonly stream?: boolean;
}

export type Asker = (method: string, url: string, ask?: Ask) => Promise<Answer>;

const ANSWER_LIMIT_MS = 15_000;
/** As from a page elsewhere, so that the answers carry what a browser needs to let that page read them. */
const ORIGIN = 'http://player.example';

export function askerWith(token: string | undefined): Asker {
  return async function ask(method, url, { headers, body, withoutToken, stream } = {}) {
    try {
      const response = await fetch(url, {
        method,
        redirect: 'manual',
        headers: {
          Origin: ORIGIN,
          ...(token === undefined || withoutToken ? {} : { Authorization: `Bearer ${token}` }),
          ...headers,
        },
        // Bytes: for a text, fetch would make up a Content-Type.
        ...(body === undefined ? {} : { body: new TextEncoder().encode(body) }),
        signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      });
      if (stream) await response.body?.cancel();
      const text = stream ? '' : await response.text();
      return { status: response.status, headers: response.headers, body: text, url };
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const why = cause instanceof Error ? cause.message : String(cause);
      return { status: 0, headers: new Headers(), body: `no answer: ${why}`, url };
    }
  };
}

export const isSuccess = ({ status }: Answer): boolean => status >= 200 && status < 300;
export const isClientError = ({ status }: Answer): boolean => status >= 400 && status < 500;

/** The status in words, with what a reader of the table wants to see of the answer. */
export function told(answer: Answer, ...names: string[]): string {
  if (answer.status === 0) return answer.body;
  const headers = names.map((name) => `${name}: ${answer.headers.get(name) ?? 'absent'}`);
  return [String(answer.status), ...headers].join(', ');
}

export function mediaType(answer: Answer): string {
  return (answer.headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
}

/** True if a comma-separated header holds each of the names, or the wildcard. */
export function lists(answer: Answer, header: string, names: readonly string[]): boolean {
  const held = (answer.headers.get(header) ?? '').split(',').map((one) => one.trim().toLowerCase());
  return held.includes('*') || names.every((name) => held.includes(name.toLowerCase()));
}

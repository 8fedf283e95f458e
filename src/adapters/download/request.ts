import { AppError } from '../../errors.js';

/** One HTTP GET of a download: redirects, the token, the status as a sentence, and a limit on standing still. */

/** Worth another try after a pause. */
export class TryAgain extends Error {
  readonly waitMs: number | undefined;
  readonly code: 'timeout' | 'no-capacity';
  constructor(message: string, options: { code?: 'timeout' | 'no-capacity'; waitMs?: number } = {}) {
    super(message);
    this.code = options.code ?? 'timeout';
    this.waitMs = options.waitMs;
  }
}

/** No such file at this URL; another candidate may have it. */
export class NotThere extends AppError {
  constructor(url: string, status: number) {
    super('file-not-found', `${url} answered ${status}: there is no such file`);
  }
}

export interface RequestOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as a bearer token to the URL's own origin only, and only encrypted or to this machine. */
  readonly token?: string | undefined;
  readonly signal: AbortSignal;
  /** A connection that brings less than `idleBytes` in this time is given up. */
  readonly idleLimitMs: number;
  readonly idleBytes: number;
}

export interface OpenResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Size and SHA-256 that the hub states for a large file, before it redirects to its store. */
  readonly linkedSha256: string | undefined;
  /** The bytes; throws TryAgain when the connection breaks or stands still. To be read once, or closed. */
  body(): AsyncGenerator<Uint8Array>;
  /** Drops the connection; harmless after the end. */
  close(): void;
}

const REDIRECTS = [301, 302, 303, 307, 308];
const MAX_REDIRECTS = 8;
const LONGEST_WAIT_MS = 120_000;

/**
 * Answers with status 200, 206 or 416.
 * @throws TryAgain, NotThere or AppError; the signal's reason when it aborts
 */
export async function openUrl(url: string, options: RequestOptions): Promise<OpenResponse> {
  const watch = new Watch(options);
  try {
    const { response, linkedSha256 } = await follow(url, options, watch);
    refuse(
      url,
      response,
      options.token === undefined ? 'none' : mayHear(new URL(url)) ? 'sent' : 'kept back',
    );
    return {
      status: response.status,
      headers: response.headers,
      linkedSha256,
      close: () => watch.close(),
      body: () => bodyOf(url, response, watch),
    };
  } catch (error) {
    watch.close();
    throw watch.explain(error, url);
  }
}

async function* bodyOf(url: string, response: Response, watch: Watch): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  // A read that is under way when fetch is aborted sometimes never ends, so it is not waited for.
  const aborted = new Promise<never>((_, reject) => {
    const tell = (): void => reject(watch.signal.reason as Error);
    if (watch.signal.aborted) tell();
    else watch.signal.addEventListener('abort', tell, { once: true });
  });
  aborted.catch(() => {});
  try {
    for (;;) {
      const next = await Promise.race([reader?.read(), aborted]);
      if (next === undefined || next.done) return;
      watch.count(next.value.length);
      yield next.value;
    }
  } catch (error) {
    throw watch.explain(error, url);
  } finally {
    watch.close();
    reader?.cancel().catch(() => {});
  }
}

async function follow(url: string, options: RequestOptions, watch: Watch) {
  const first = new URL(url);
  let linkedSha256: string | undefined;
  let at = first;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    const mayKnowToken = at.origin === first.origin && mayHear(at);
    const response = await fetch(at, {
      headers: {
        ...options.headers,
        'accept-encoding': 'identity',
        'user-agent': 'musecast',
        ...(options.token !== undefined && mayKnowToken ? { authorization: `Bearer ${options.token}` } : {}),
      },
      redirect: 'manual',
      signal: watch.signal,
    });
    if (at.origin === first.origin)
      linkedSha256 ??= /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(response.headers.get('x-linked-etag') ?? '')?.[1];
    if (!REDIRECTS.includes(response.status)) return { response, linkedSha256 };
    response.body?.cancel().catch(() => {});
    const target = response.headers.get('location') ?? '';
    if (!URL.canParse(target, at.href))
      throw new AppError(
        'not-supported',
        `${url} redirects to ${JSON.stringify(target)}, which is not an address`,
      );
    const next = new URL(target, at);
    if (next.protocol !== 'https:' && (next.protocol !== 'http:' || at.protocol === 'https:'))
      throw new AppError(
        'not-supported',
        `${url} redirects from ${at.protocol}// to ${next.protocol}//${next.host}, which is refused`,
      );
    at = next;
  }
  throw new AppError('not-supported', `${url} redirects more than ${MAX_REDIRECTS} times`);
}

const TOKEN_WORDS = {
  none: 'it asks for a token (set MUSECAST_HF_TOKEN or HF_TOKEN in the environment), or does not exist',
  sent: 'the token in MUSECAST_HF_TOKEN or HF_TOKEN is not accepted for it, or it does not exist; open its page, agree to its terms and check the token',
  'kept back': 'it asks for a token, which is not sent unencrypted; use its https address',
};

function refuse(url: string, response: Response, token: keyof typeof TOKEN_WORDS): void {
  const { status } = response;
  if (status === 200 || status === 206 || status === 416) return;
  if (status === 404 || status === 410) throw new NotThere(url, status);
  if (status === 401 || status === 403)
    throw new AppError('invalid-argument', `${url} answered ${status}: ${TOKEN_WORDS[token]}`);
  if (status !== 408 && status !== 425 && status !== 429 && status < 500)
    throw new AppError('not-supported', `${url} answered ${status}, which a download cannot use`);
  const waitMs = retryAfterMs(response.headers.get('retry-after'));
  if (waitMs !== undefined && waitMs > LONGEST_WAIT_MS)
    throw new AppError(
      'no-capacity',
      `${url} answered ${status} and asks to come back in ${Math.ceil(waitMs / 1000)} s`,
    );
  throw new TryAgain(`it answered ${status}`, {
    code: 'no-capacity',
    ...(waitMs === undefined ? {} : { waitMs }),
  });
}

function retryAfterMs(value: string | null): number | undefined {
  if (value === null) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** Encrypted, or not leaving this machine. */
function mayHear({ protocol, hostname: host }: URL): boolean {
  return (
    protocol === 'https:' || host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
  );
}

/** These will not go away by trying again. */
const FINAL_CAUSES = /^(ENOTFOUND|CERT_|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/;

/** Ends a connection that brings too little, and tells the three ends of a connection apart. */
class Watch {
  readonly signal: AbortSignal;
  readonly #options: RequestOptions;
  readonly #inner = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;
  #stalled = false;

  constructor(options: RequestOptions) {
    this.#options = options;
    this.signal = AbortSignal.any([options.signal, this.#inner.signal]);
    this.#timer = setInterval(() => {
      if (this.#bytes >= options.idleBytes) this.#bytes = 0;
      else {
        this.#stalled = true;
        this.close();
      }
    }, options.idleLimitMs);
  }

  count(bytes: number): void {
    this.#bytes += bytes;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#inner.abort();
  }

  explain(error: unknown, url: string): unknown {
    if (this.#options.signal.aborted) return this.#options.signal.reason;
    if (this.#stalled)
      return new TryAgain(
        `it sent less than ${this.#options.idleBytes} bytes in ${this.#options.idleLimitMs / 1000} s`,
      );
    if (error instanceof AppError || error instanceof TryAgain) return error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    const words = cause instanceof Error ? cause.message || code : String(cause);
    if (FINAL_CAUSES.test(code))
      return new AppError(
        'not-supported',
        `cannot reach ${url}: ${words}; check the network, or name a --mirror`,
        {
          cause: error,
        },
      );
    return new TryAgain(`the connection broke (${words})`);
  }
}

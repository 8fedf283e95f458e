import { AppError, isAppError } from '../errors.js';

/** The door to services that are asked over HTTP: JSON there, a stream of bytes back. */

export interface HttpService {
  /** As sentences call it: "speech service". */
  readonly name: string;
  /** Comes from the configuration only, never from a request. */
  readonly url: string;
  /** Sent as a bearer token; never told on. */
  readonly key?: string | undefined;
}

export interface HttpLimits {
  /** From the request to the head of the answer. */
  readonly answerLimitMs: number;
  /** Between two pieces of it, while they are waited for. */
  readonly stallLimitMs: number;
}

export interface ServiceAnswer {
  /** Lower case, with its parameters. */
  readonly contentType: string;
  /** At the reader's pace. Throws service-failed if it breaks off, timeout if nothing comes; just ends on abort. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Before the one repeat of a request that did not come through. */
const RETRY_AFTER_MS = 300;
/** A service that wants more patience is given up: somebody waits for the avatar. */
const MAX_RETRY_AFTER_MS = 5_000;
const MAX_ERROR_BYTES = 4_096;
const MAX_ERROR_CHARS = 300;

/**
 * POSTs JSON. A connection that fails and an answer of 429 or 503 are tried once more; redirects are not followed, since
 * they would lead where no configuration does.
 * @throws service-failed with the service's own sentence, timeout; what `signal` was aborted with
 */
export async function askService(
  service: HttpService,
  body: object,
  limits: HttpLimits,
  signal: AbortSignal,
): Promise<ServiceAnswer> {
  for (let isRepeat = false; ; isRepeat = true) {
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(signal.reason);
    signal.throwIfAborted();
    signal.addEventListener('abort', onAbort, { once: true });
    const done = (): void => signal.removeEventListener('abort', onAbort);
    let waitMs: number;
    try {
      const response = await answerOf(service, body, limits, stop);
      if (response.ok) {
        const contentType = (response.headers.get('content-type') ?? '').toLowerCase();
        return { contentType, bytes: bytesOf(service, response, limits, { stop, signal, done }) };
      }
      const wait = isRepeat ? undefined : retryAfterMs(response);
      if (wait === undefined) throw await refusalOf(service, response, limits, stop);
      await response.body?.cancel();
      waitMs = wait;
    } catch (error) {
      done();
      signal.throwIfAborted();
      if (isAppError(error)) throw error;
      if (isRepeat)
        throw new AppError('service-failed', `the ${service.name} cannot be reached: ${reasonOf(error)}`, {
          cause: error,
        });
      waitMs = RETRY_AFTER_MS;
    }
    done();
    await pause(waitMs, signal);
  }
}

async function answerOf(
  { name, url, key }: HttpService,
  body: object,
  { answerLimitMs }: HttpLimits,
  stop: AbortController,
): Promise<Response> {
  const late = new AppError('timeout', `the ${name} did not answer in ${answerLimitMs / 1000} s`);
  const timer = setTimeout(() => stop.abort(late), answerLimitMs);
  try {
    return await fetch(url, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify(body),
      redirect: 'manual',
      signal: stop.signal,
    });
  } finally {
    clearTimeout(timer);
  }
}

async function* bytesOf(
  { name }: HttpService,
  { body }: Response,
  { stallLimitMs }: HttpLimits,
  { stop, signal, done }: { stop: AbortController; signal: AbortSignal; done(): void },
): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  const late = new AppError('timeout', `the ${name} gave nothing more for ${stallLimitMs / 1000} s`);
  try {
    while (reader !== undefined) {
      const timer = setTimeout(() => stop.abort(late), stallLimitMs);
      const piece = await reader.read().finally(() => clearTimeout(timer));
      if (piece.done) return;
      yield piece.value as Uint8Array;
    }
  } catch (error) {
    if (signal.aborted) return;
    if (isAppError(error)) throw error;
    throw new AppError('service-failed', `the ${name} broke off: ${reasonOf(error)}`, { cause: error });
  } finally {
    done();
    // Read to its end or not: nothing more is wanted.
    stop.abort();
    await reader?.cancel().catch(() => {});
  }
}

/** Undefined where another try would be of no use. */
function retryAfterMs({ status, headers }: Response): number | undefined {
  if (status !== 429 && status !== 503) return undefined;
  const given = headers.get('retry-after');
  if (given === null) return RETRY_AFTER_MS;
  const ms = /^\d+(\.\d+)?$/.test(given) ? Number(given) * 1000 : Date.parse(given) - Date.now();
  return ms >= 0 && ms <= MAX_RETRY_AFTER_MS ? ms : undefined;
}

async function refusalOf(
  { name, key }: HttpService,
  response: Response,
  { stallLimitMs }: HttpLimits,
  stop: AbortController,
): Promise<AppError> {
  const { status } = response;
  const timer = setTimeout(() => stop.abort(), stallLimitMs);
  const text = await beginningOf(response).finally(() => clearTimeout(timer));
  // Services quote keys that they do not know.
  if (status === 401 || status === 403)
    return new AppError('service-failed', `the ${name} refuses the key it was given (${status})`);
  const said = sentenceOf(key === undefined ? text : text.replaceAll(key, '***'));
  return new AppError('service-failed', `the ${name} answered ${status}${said === '' ? '' : `: ${said}`}`);
}

async function beginningOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const part of response.body ?? []) {
      parts.push(part as Uint8Array);
      sizeBytes += (part as Uint8Array).length;
      if (sizeBytes > MAX_ERROR_BYTES) break;
    }
  } catch {
    // What came is told.
  }
  return Buffer.concat(parts).toString('utf8');
}

/** `{"error": {"message": "..."}}` as OpenAI says it, `{"detail": "..."}` and the like as others do, or plain text. */
function sentenceOf(text: string): string {
  let said = /^\s*</.test(text) ? '' : text;
  try {
    const { error, message, detail } = JSON.parse(text) as Record<string, unknown>;
    const inner =
      typeof error === 'object' && error !== null ? (error as { message?: unknown }).message : error;
    const found = [inner, message, detail].find((one) => typeof one === 'string');
    said = typeof found === 'string' ? found : '';
  } catch {
    // Not JSON.
  }
  return said
    .replaceAll(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .slice(0, MAX_ERROR_CHARS);
}

/** fetch hides what happened in the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = (cause as { code?: unknown } | undefined)?.code;
  if (typeof code === 'string') return code;
  return cause instanceof Error ? cause.message : error instanceof Error ? error.message : String(error);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(go, ms);
    signal.addEventListener('abort', go, { once: true });
    function go(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', go);
      resolve();
    }
  });
  signal.throwIfAborted();
}

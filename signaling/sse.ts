import { childAbort, pulledBody } from './streams.js';

export interface SseSource<T> {
  /** The state now; also sent first. */
  readonly first: T;
  subscribe(listener: (value: T) => void): () => void;
  isLast(value: T): boolean;
}

export const SSE_HEADERS: Readonly<Record<string, string>> = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
};

/**
 * Server-sent events of a value that changes. Only the newest value waits for a slow client: older ones are of no use
 * to anybody. Ends after the last value. A comment goes out when nothing else does, so that proxies keep the line open.
 */
export function sseResponse<T>(
  event: string,
  source: SseSource<T>,
  options: { clientSignal: AbortSignal; keepAliveMs: number },
): Response {
  const { signal, abort } = childAbort(options.clientSignal);
  return new Response(pulledBody(events(event, source, signal, abort, options.keepAliveMs), abort), {
    headers: SSE_HEADERS,
  });
}

async function* events<T>(
  event: string,
  source: SseSource<T>,
  signal: AbortSignal,
  abort: () => void,
  keepAliveMs: number,
): AsyncGenerator<Uint8Array> {
  let newest: T | undefined = source.first;
  let wake: () => void = () => {};
  const unsubscribe = source.subscribe((value) => {
    newest = value;
    wake();
  });
  signal.addEventListener('abort', () => wake(), { once: true });
  try {
    yield Buffer.from('retry: 2000\n\n');
    while (!signal.aborted) {
      if (newest !== undefined) {
        const value: T = newest;
        newest = undefined;
        yield Buffer.from(`event: ${event}\ndata: ${JSON.stringify(value)}\n\n`);
        if (source.isLast(value)) return;
        continue;
      }
      const woken = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), keepAliveMs);
        wake = () => {
          clearTimeout(timer);
          resolve(true);
        };
      });
      if (!woken) yield Buffer.from(': still here\n\n');
    }
  } finally {
    unsubscribe();
    abort();
  }
}

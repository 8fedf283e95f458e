import { BoundedQueue } from '../src/lib/bounded-queue.js';
import { childAbort, pulledBody } from './streams.js';

export interface SseSource<T> {
  /** The state now, sent before anything else; absent where there are only events. */
  readonly first?: T;
  subscribe(listener: (value: T) => void): () => void;
  /** Absent where events have no name. */
  nameOf?(value: T): string;
  /** By which a client that comes back says what it had; absent where nothing is replayed. */
  idOf?(value: T): string;
  /** Undefined for a value that only ends the stream. */
  dataOf(value: T): unknown;
  isLast(value: T): boolean;
  /** How many values wait for a slow client; beyond it the oldest are dropped. 1 where only the newest is of use. */
  readonly limit: number;
}

export const SSE_HEADERS: Readonly<Record<string, string>> = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Accel-Buffering': 'no',
};

/**
 * Server-sent events. Few values wait for a slow client (`limit`). Ends after the last value. A comment goes out when
 * nothing else does, so that proxies keep the line open.
 */
export function sseResponse<T>(
  source: SseSource<T>,
  options: { clientSignal: AbortSignal; keepAliveMs: number },
): Response {
  const { signal, abort } = childAbort(options.clientSignal);
  return new Response(pulledBody(events(source, signal, abort, options.keepAliveMs), abort), {
    headers: SSE_HEADERS,
  });
}

async function* events<T>(
  source: SseSource<T>,
  signal: AbortSignal,
  abort: () => void,
  keepAliveMs: number,
): AsyncGenerator<Uint8Array> {
  const waiting = new BoundedQueue<{ value: T }>(source.limit);
  if (source.first !== undefined) waiting.push({ value: source.first });
  let wake: () => void = () => {};
  const unsubscribe = source.subscribe((value) => {
    waiting.push({ value });
    wake();
  });
  signal.addEventListener('abort', () => wake(), { once: true });
  try {
    yield Buffer.from('retry: 2000\n\n');
    while (!signal.aborted) {
      const next = waiting.shift();
      if (next !== undefined) {
        const { value } = next;
        const id = source.idOf === undefined ? '' : `id: ${source.idOf(value)}\n`;
        const name = source.nameOf === undefined ? '' : `event: ${source.nameOf(value)}\n`;
        const data = source.dataOf(value);
        if (data !== undefined) yield Buffer.from(`${id}${name}data: ${JSON.stringify(data)}\n\n`);
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

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { SocketDoor } from './audio/audio-sockets.js';

export interface Listening {
  /** Reachable from this machine also if the server listens on all addresses. */
  readonly url: string;
  readonly port: number;
  /** Takes no more requests, lets running ones end, and cuts the ones that do not. Memoised. */
  close(): Promise<void>;
}

/** Streams to viewers end with their sessions; what still runs after this is cut. */
const DRAIN_MS = 3_000;
const HEADERS_TIMEOUT_MS = 20_000;
/** A large video over a slow line takes its time. */
const REQUEST_TIMEOUT_MS = 3_600_000;

export interface FetchApp {
  fetch(request: Request, env: object): Response | Promise<Response>;
}

export async function listen(
  app: FetchApp,
  options: { host: string; port: number; drainMs?: number; sockets?: SocketDoor },
): Promise<Listening> {
  const answer = getRequestListener((request, env) => app.fetch(request, env));
  const timeouts = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS };
  const server = createServer(timeouts, (incoming, outgoing) => void answer(incoming, outgoing));
  const { sockets } = options;
  if (sockets !== undefined) server.on('upgrade', (...args) => sockets.upgrade(...args));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;

  async function shut(): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    sockets?.close();
    const timer = setTimeout(() => server.closeAllConnections(), options.drainMs ?? DRAIN_MS);
    await closed;
    clearTimeout(timer);
  }

  let closing: Promise<void> | undefined;
  return {
    url: `http://${reachableHost(options.host)}:${port}`,
    port,
    close: () => (closing ??= shut()),
  };
}

function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

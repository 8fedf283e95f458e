import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context, MiddlewareHandler } from 'hono';
import type { Log } from '../src/lib/log.js';
import { HttpRefusal } from './problem.js';
import { RateLimiter, type RateLimit } from './rate-limit.js';
import type { RequestCounts } from './request-counts.js';
import { whepOptionsHeaders } from './routes/whep.js';
import { whipOptionsHeaders } from './routes/whip.js';

const METHODS = 'OPTIONS, GET, HEAD, POST, PATCH, DELETE';

/** Every origin may call: there are no cookies here that a foreign page could abuse. */
export const cors: MiddlewareHandler = async function cors(c, next) {
  if (c.req.method === 'OPTIONS') {
    const whep = whepOptionsHeaders(c.req.path) ?? whipOptionsHeaders(c.req.path);
    // The drafts write 200 where an endpoint is asked.
    return c.body(null, whep === undefined ? 204 : 200, {
      ...CORS_HEADERS,
      'Access-Control-Allow-Methods': METHODS,
      'Access-Control-Allow-Headers':
        'Authorization, Content-Type, If-Match, If-Range, Range, Last-Event-ID, Idempotency-Key',
      'Access-Control-Max-Age': '86400',
      ...whep,
    });
  }
  await next();
  for (const [name, value] of Object.entries(CORS_HEADERS)) c.res.headers.set(name, value);
  return undefined;
};

const CORS_HEADERS: Readonly<Record<string, string>> = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers':
    'Link, Location, ETag, Accept-Patch, Accept-Post, Accept-Ranges, Content-Range, Retry-After, ID, X-Session-ID',
  // Pages that isolate themselves may still show our pictures.
  'Cross-Origin-Resource-Policy': 'cross-origin',
};

/** Counts every answer, and logs the ones that are not routine. */
export function observed(log: Log, counts: RequestCounts): MiddlewareHandler {
  return async function observed(c, next) {
    const startedMs = performance.now();
    await next();
    counts.add(c.req.method, c.res.status);
    const durationMs = Math.round(performance.now() - startedMs);
    log.debug({ method: c.req.method, path: c.req.path, status: c.res.status, durationMs }, 'request');
  };
}

/** Making things is limited; what happens all the time to things that are there, too, but ten times less strictly. */
export function rateLimited(limit: RateLimit | false, nowMs: () => number): MiddlewareHandler {
  const limiters = limit && {
    making: new RateLimiter(limit, nowMs),
    changing: new RateLimiter(
      { burst: CHANGES_PER_POST * limit.burst, perSecond: CHANGES_PER_POST * limit.perSecond },
      nowMs,
    ),
  };
  return async function rateLimited(c, next) {
    const kind = limitedKind(c);
    if (limiters && kind !== undefined) {
      const waitS = limiters[kind].take(clientAddress(c));
      if (waitS > 0) {
        throw new HttpRefusal(429, 'too-many-requests', `too many requests: try again in ${waitS} s`, {
          headers: { 'Retry-After': String(waitS) },
        });
      }
    }
    await next();
  };
}

const CHANGES_PER_POST = 10;
/** What a running conversation asks for many times a second. */
const IN_CONVERSATION = /^\/v1\/sessions\/[^/]+\/(utterances\/[^/]+\/sound|interrupt|resume|keep-alive)$/;
/** The same in LiveTalking's words: its clients ask whether it speaks again and again. */
const IN_LIVETALKING = /^\/(is_speaking|interrupt_talk|set_audiotype)$/;

function limitedKind(c: Context): 'making' | 'changing' | undefined {
  const { method, path } = c.req;
  if (method === 'POST' && (IN_CONVERSATION.test(path) || IN_LIVETALKING.test(path))) return 'changing';
  if (method === 'POST') return 'making';
  return /^\/wh[ei]p\//.test(path) && (method === 'PATCH' || method === 'DELETE') ? 'changing' : undefined;
}

/** Headers such as X-Forwarded-For are not read: any client can write them. */
function clientAddress(c: Context): string {
  try {
    return getConnInfo(c).remote.address ?? 'unknown';
  } catch {
    return 'unknown'; // no socket: a request that was made in process
  }
}

import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import { HttpRefusal } from './problem.js';

/** Bearer tokens (RFC 6750). Without any, everything is open. */
export interface AuthTokens {
  /** May do everything. */
  readonly full: readonly string[];
  /** May watch: WHEP, motion JPEG, and one session's description and events. */
  readonly viewer: readonly string[];
}

export function authorized(tokens: AuthTokens): MiddlewareHandler {
  const full = tokens.full.map(digest);
  const viewer = tokens.viewer.map(digest);
  return async function authorized(c, next) {
    if (full.length + viewer.length > 0 && !isOpen(c)) {
      const token = tokenOf(c);
      if (token === undefined) throw unauthorized('a token is required: Authorization: Bearer <token>', '');
      const given = digest(token);
      if (!isOneOf(full, given)) {
        if (!isOneOf(viewer, given)) throw unauthorized('the token is not known', ', error="invalid_token"');
        if (!isForViewers(c))
          throw new HttpRefusal(403, 'forbidden', 'a viewer token may only watch', {
            headers: { 'WWW-Authenticate': `${REALM}, error="insufficient_scope"` },
          });
      }
    }
    await next();
  };
}

/** For doors that are no routes. */
export function mayDoAll({ full, viewer }: AuthTokens, token: string | undefined): boolean {
  if (full.length + viewer.length === 0) return true;
  return token !== undefined && isOneOf(full.map(digest), digest(token));
}

/** `?token=…` for a URL of ours that is handed to a client which itself came with its token in the URL, else nothing. */
export function tokenQuery(c: Context): string {
  const token = c.req.query('token');
  return token === undefined || c.req.header('authorization') !== undefined
    ? ''
    : `?token=${encodeURIComponent(token)}`;
}

const REALM = 'Bearer realm="musecast"';

/** Preflights carry no token, and pages and probes hold no secret. */
function isOpen(c: Context): boolean {
  const { method, path } = c.req;
  if (method === 'OPTIONS') return true;
  return (
    (method === 'GET' || method === 'HEAD') && !/^\/(v1|api|whep|whip|metrics|sse|record)(\/|$)/.test(path)
  );
}

function isForViewers(c: Context): boolean {
  const { method, path } = c.req;
  if (path.startsWith('/whep/')) return true;
  const reads = method === 'GET' || method === 'HEAD';
  return reads && /^\/(api\/stream\/[^/]+|v1\/sessions\/[^/]+(\/events)?)$/.test(path);
}

/** The header wins; an `<img>` or an EventSource can send none, so the URL may carry the token, too. */
function tokenOf(c: Context): string | undefined {
  const header = c.req.header('authorization');
  if (header === undefined) return c.req.query('token');
  return /^bearer +(\S+)$/i.exec(header.trim())?.[1];
}

function unauthorized(sentence: string, why: string): HttpRefusal {
  return new HttpRefusal(401, 'unauthorized', sentence, { headers: { 'WWW-Authenticate': REALM + why } });
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Looks at every token whatever matches, so that the time says nothing. */
function isOneOf(known: readonly Buffer[], given: Buffer): boolean {
  return known.reduce((found, one) => timingSafeEqual(one, given) || found, false);
}

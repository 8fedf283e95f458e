import type { z } from '@hono/zod-openapi';
import type { Context, Handler } from 'hono';
import type { Log } from '../../src/lib/log.js';
import { AppError, isAppError } from '../../src/errors.js';
import { toRefusal } from '../problem.js';
import { MAX_JSON_BYTES, readBody, validate } from '../request-body.js';

/** LiveTalking's answer to nearly everything: HTTP 200, and whether it worked in `code`. */

export function ok(c: Context, data?: unknown): Response {
  return c.json({ code: 0, msg: 'ok', ...(data === undefined ? {} : { data }) });
}

export function failure(c: Context, msg: string, code = -1): Response {
  return c.json({ code, msg });
}

/** What the handler throws becomes `{code: -1, msg}`. */
export function enveloped(log: Log, handler: (c: Context) => Response | Promise<Response>): Handler {
  return async function enveloped(c) {
    try {
      return await handler(c);
    } catch (error) {
      if (isAppError(error, 'session-not-found')) return failure(c, 'session not found');
      const { status, code, message } = toRefusal(error);
      if (status >= 500) log.error({ err: error, path: c.req.path, code }, 'request failed');
      return failure(c, message);
    }
  };
}

/** The body as JSON whatever its media type is said to be. @throws invalid-argument */
export async function jsonBody<S extends z.ZodType>(c: Context, schema: S): Promise<z.infer<S>> {
  const text = (await readBody(c, MAX_JSON_BYTES)).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AppError('invalid-argument', 'the body is not JSON');
  }
  return validate(schema, value);
}

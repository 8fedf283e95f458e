import { z, type OpenAPIHono, type RouteConfig } from '@hono/zod-openapi';
import type { Handler } from 'hono';
import { legacyErrorSchema, problemSchema } from './schemas.js';

type Method = 'get' | 'post' | 'patch' | 'delete';

export interface RouteText {
  readonly method: Method;
  /** With parameters in braces, as OpenAPI writes them. */
  readonly path: string;
  readonly tag:
    'legacy' | 'avatars' | 'sessions' | 'recordings' | 'whep' | 'whip' | 'livetalking' | 'operations';
  readonly summary: string;
  /** Media type -> schema of the request's body. */
  readonly body?: Readonly<Record<string, z.ZodType>>;
  readonly status: number;
  readonly answer: string;
  /** JSON answer; other media types are named in `answerType`. */
  readonly schema?: z.ZodType;
  readonly answerType?: string;
  /** Statuses of refusals that are worth knowing. */
  readonly refusals?: readonly number[];
}

/** Registers the handler and its page in /openapi.json in one go, so that neither can exist without the other. */
export function route(app: OpenAPIHono, text: RouteText, handler: Handler): void {
  app.openAPIRegistry.registerPath(toConfig(text));
  app.on(text.method.toUpperCase(), text.path.replaceAll(/\{(\w+)\}/g, ':$1'), handler);
}

function toConfig(text: RouteText): RouteConfig {
  const names = [...text.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
  const answerType = text.answerType ?? 'application/json';
  const legacy = text.tag === 'legacy';
  const refusalType = legacy ? 'application/json' : 'application/problem+json';
  const refusal = { [refusalType]: { schema: legacy ? legacyErrorSchema : problemSchema } };
  const responses: RouteConfig['responses'] = {
    [text.status]: {
      description: text.answer,
      ...(text.schema || text.answerType
        ? { content: { [answerType]: { schema: text.schema ?? z.string() } } }
        : {}),
    },
  };
  for (const status of text.refusals ?? [])
    responses[status] = { description: REFUSAL_TEXT[status] ?? 'Refused', content: refusal };
  const params = z.object(Object.fromEntries(names.map((name) => [name, z.string()])));
  const content = Object.fromEntries(
    Object.entries(text.body ?? {}).map(([type, schema]) => [type, { schema }]),
  );
  return {
    method: text.method,
    path: text.path,
    tags: [text.tag],
    summary: text.summary,
    request: {
      ...(names.length > 0 ? { params } : {}),
      ...(text.body ? { body: { content, required: true } } : {}),
    },
    responses,
  };
}

const REFUSAL_TEXT: Readonly<Record<number, string>> = {
  307: 'Another server may know it: Location',
  400: 'The body is malformed',
  403: 'The path leaves the media roots',
  404: 'No such thing',
  409: 'In the wrong state for that',
  412: 'If-Match is stale',
  413: 'The body is too large',
  415: 'Not a media type that is accepted here, or not decodable',
  416: 'No byte of that range is there',
  422: 'A value does not validate',
  428: 'If-Match is required',
  429: 'Too many requests; Retry-After says when',
  501: 'Not configured on this server',
  503: 'No capacity; Retry-After says when',
  507: 'No room for it',
};

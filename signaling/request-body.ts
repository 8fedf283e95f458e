import type { Context } from 'hono';
import type { z } from '@hono/zod-openapi';
import { HttpRefusal, isLegacyPath, type FieldError } from './problem.js';

export const MAX_JSON_BYTES = 1_048_576;

/** The media type of the request in lower case without parameters; empty if none was sent. */
export function mediaTypeOf(c: Context): string {
  return (c.req.header('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
}

/** Refuses before a byte is read if the client itself says that the body is too big. */
export function assertDeclaredSize(c: Context, maxBytes: number): void {
  const declared = Number(c.req.header('content-length') ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
}

export function tooLarge(maxBytes: number): HttpRefusal {
  return new HttpRefusal(413, 'media-too-large', `the body is larger than the limit of ${maxBytes} bytes`);
}

/** The whole body, never more than `maxBytes` of it in memory. */
export async function readBody(c: Context, maxBytes: number): Promise<Buffer> {
  assertDeclaredSize(c, maxBytes);
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of bodyChunks(c)) {
    sizeBytes += part.byteLength;
    if (sizeBytes > maxBytes) throw tooLarge(maxBytes);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

export async function* bodyChunks(c: Context): AsyncGenerator<Uint8Array> {
  const body = c.req.raw.body;
  if (!body) return;
  const reader = body.getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read())
      yield read.value as Uint8Array;
  } finally {
    // Cancelling a body that was read to its end is a no-op; one that was refused half-way must not keep flowing.
    await reader.cancel().catch(() => {});
  }
}

/** The body as JSON that satisfies `schema`: 415, 400 and 422 in the native API, 422 for all of them in the legacy one. */
export async function readJson<S extends z.ZodType>(c: Context, schema: S): Promise<z.infer<S>> {
  const mediaType = mediaTypeOf(c);
  const legacy = isLegacyPath(c.req.path);
  if (!legacy && mediaType !== 'application/json' && !mediaType.endsWith('+json')) {
    throw new HttpRefusal(415, 'unsupported-media-type', `expected application/json, got "${mediaType}"`);
  }
  const text = (await readBody(c, MAX_JSON_BYTES)).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const errors = [
      {
        loc: ['body', 0],
        msg: text === '' ? 'Field required' : 'JSON decode error',
        type: text === '' ? 'missing' : 'json_invalid',
      },
    ];
    throw new HttpRefusal(legacy ? 422 : 400, 'malformed-json', 'the body is not JSON', { errors });
  }
  return validate(schema, value);
}

export function validate<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map((issue) => fieldError(issue, value));
  const sentence = errors.map((e) => `${e.loc.slice(1).join('.') || 'body'}: ${e.msg}`).join('; ');
  throw new HttpRefusal(422, 'invalid-argument', sentence, { errors });
}

type Issue = z.core.$ZodIssue;

/** Names after pydantic's, because legacy clients were written against a FastAPI server. */
function fieldError(issue: Issue, root: unknown): FieldError {
  const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
  const missing = issue.code === 'invalid_type' && valueAt(root, path) === undefined;
  const loc = ['body', ...path];
  if (missing) return { loc, msg: 'Field required', type: 'missing' };
  return { loc, msg: issue.message, type: typeName(issue) };
}

function typeName(issue: Issue): string {
  if (issue.code === 'invalid_type') return `${issue.expected === 'boolean' ? 'bool' : issue.expected}_type`;
  if (issue.code === 'too_small')
    return issue.origin === 'string' ? 'string_too_short' : 'greater_than_equal';
  if (issue.code === 'too_big') return issue.origin === 'string' ? 'string_too_long' : 'less_than_equal';
  if (issue.code === 'invalid_format') return 'string_pattern_mismatch';
  return 'value_error';
}

function valueAt(root: unknown, path: readonly (string | number)[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { toAppError, type ErrorCode } from '../src/errors.js';

/** The one table from what went wrong to the HTTP status; the legacy and the native error shape both read it. */
export const STATUS_OF: Readonly<Record<ErrorCode, ContentfulStatusCode>> = {
  'invalid-argument': 422,
  'path-outside-roots': 403,
  'file-not-found': 404,
  'not-a-file': 400,
  'media-undecodable': 415,
  'media-too-large': 413,
  'no-face': 422,
  'avatar-not-found': 404,
  'avatar-exists': 409,
  'avatar-not-ready': 409,
  'avatar-in-use': 409,
  'action-not-found': 404,
  'session-not-found': 404,
  'session-closed': 409,
  superseded: 409,
  'peer-not-found': 404,
  'sender-exists': 409,
  'utterance-not-found': 404,
  'utterance-closed': 409,
  'recording-not-found': 404,
  'recording-exists': 409,
  'recording-running': 409,
  'storage-full': 507,
  'sdp-invalid': 400,
  'sdp-unsupported': 422,
  'no-capacity': 503,
  'model-invalid': 500,
  'ffmpeg-missing': 500,
  'ffmpeg-failed': 500,
  'service-failed': 502,
  timeout: 504,
  'worker-died': 503,
  'not-supported': 501,
  internal: 500,
};

const TITLE_OF: Readonly<Record<number, string>> = {
  307: 'Temporary Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  422: 'Unprocessable Content',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  507: 'Insufficient Storage',
};

/** One value of a request that does not validate. `loc` starts with where it was: body, path, query. */
export interface FieldError {
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly type: string;
}

/** A refusal that only the HTTP edge knows: a header, a method, a body that is too big. `code` is stable. */
export class HttpRefusal extends Error {
  readonly status: ContentfulStatusCode;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly errors: readonly FieldError[] | undefined;

  constructor(
    status: ContentfulStatusCode,
    code: string,
    message: string,
    more: { headers?: Record<string, string>; errors?: readonly FieldError[] } = {},
  ) {
    super(message);
    this.name = 'HttpRefusal';
    this.status = status;
    this.code = code;
    this.headers = more.headers ?? {};
    this.errors = more.errors;
  }
}

const RETRY_AFTER_S = 5;
/** A session that is ending is gone for good in a moment, or there again under its old id. */
const RETRY_CLOSED_AFTER_S = 2;

/** Any thrown value as what the client may know. The text of an internal fault stays in the log. */
export function toRefusal(error: unknown): HttpRefusal {
  if (error instanceof HttpRefusal) return error;
  const known = toAppError(error);
  const status = STATUS_OF[known.code];
  const detail = known.code === 'internal' ? 'The server failed; its log says why.' : known.message;
  const retryAfterS =
    known.code === 'session-closed' ? RETRY_CLOSED_AFTER_S : status === 503 ? RETRY_AFTER_S : undefined;
  const headers: Record<string, string> =
    retryAfterS === undefined ? {} : { 'Retry-After': String(retryAfterS) };
  return new HttpRefusal(status, known.code, detail, { headers });
}

export function isLegacyPath(path: string): boolean {
  return path === '/api' || path.startsWith('/api/');
}

/** The answer for a refusal, in the shape of the API that was asked. */
export function refusalResponse(c: Context, refusal: HttpRefusal): Response {
  const headers = { ...refusal.headers, 'Cache-Control': 'no-store' };
  if (isLegacyPath(c.req.path)) {
    return c.json({ detail: legacyDetail(refusal) }, refusal.status, headers);
  }
  const problem = {
    type: 'about:blank',
    title: TITLE_OF[refusal.status] ?? 'Error',
    status: refusal.status,
    detail: refusal.message,
    code: refusal.code,
    instance: c.req.path,
    ...(refusal.errors ? { errors: refusal.errors } : {}),
  };
  return c.body(JSON.stringify(problem), refusal.status, {
    ...headers,
    'Content-Type': 'application/problem+json',
  });
}

/** Legacy clients rely on 422 always carrying a list and every other status a sentence. */
function legacyDetail(refusal: HttpRefusal): string | readonly FieldError[] {
  if (refusal.status !== 422) return refusal.message;
  return refusal.errors ?? [{ loc: ['body'], msg: refusal.message, type: 'value_error' }];
}

import { AppError } from '../../errors.js';
import { notAModel } from './checks.js';
import { persist, type DownloadLimits } from './limits.js';
import { openUrl, type OpenResponse, type RequestOptions } from './request.js';

/** How a file server is asked. */
export interface Access {
  readonly limits: DownloadLimits;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
}

/** What a server offers at a URL. */
export interface Remote {
  readonly url: string;
  readonly sizeBytes: number | undefined;
  /** ETag, or else Last-Modified: the version mark. */
  readonly validator: string | null;
  /** As the hub states it for its large files. */
  readonly sha256: string | undefined;
  /** Set when the server has no ranges: the whole file, already on its way. To be closed. */
  readonly whole: OpenResponse | undefined;
}

const HEAD_BYTES = 512;

export function openWith(
  url: string,
  access: Access,
  headers: RequestOptions['headers'] = {},
): Promise<OpenResponse> {
  const { idleLimitMs, idleBytes } = access.limits;
  return openUrl(url, { headers, token: access.token, signal: access.signal, idleLimitMs, idleBytes });
}

/**
 * Asks for the first bytes: they tell size, version, whether there are ranges, and whether it is a file at all.
 * @throws AppError; NotThere when another candidate may be tried
 */
export function askRemote(url: string, access: Access): Promise<Remote> {
  return persist(url, access.limits, access.signal, async () => {
    const response = await openWith(url, access, { range: `bytes=0-${HEAD_BYTES - 1}` });
    try {
      return await describe(url, response);
    } catch (error) {
      response.close();
      throw error;
    }
  });
}

async function describe(url: string, response: OpenResponse): Promise<Remote> {
  const { headers, status } = response;
  const type = headers.get('content-type') ?? '';
  const validator = headers.get('etag') ?? headers.get('last-modified');
  const common = { url, validator, sha256: response.linkedSha256 };
  if (status === 416) throw new AppError('model-invalid', `${url} is an empty file`);
  if (status === 206) {
    const total = rangeOf(headers)?.totalBytes;
    if (total === undefined)
      throw new AppError('not-supported', `${url} answers ranges without saying how long the file is`);
    const head: Uint8Array[] = [];
    for await (const bytes of response.body()) head.push(bytes);
    assertModel(url, Buffer.concat(head), type);
    return { ...common, sizeBytes: total, whole: undefined };
  }
  assertModel(url, undefined, type);
  const length = headers.get('content-encoding') === null ? headers.get('content-length') : null;
  if (length === '0') throw new AppError('model-invalid', `${url} is an empty file`);
  return { ...common, sizeBytes: length === null ? undefined : Number(length), whole: response };
}

/** `head` undefined: not known yet. */
export function assertModel(url: string, head: Uint8Array | undefined, contentType: string): void {
  const fault = notAModel(head ?? new Uint8Array(), contentType);
  if (fault !== undefined) throw new AppError('model-invalid', `${url} sent ${fault}`);
}

/** `Content-Range: bytes 0-511/12345`, the end exclusive. */
export function rangeOf(
  headers: Headers,
): { start: number; end: number; totalBytes: number | undefined } | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  if (match === null) return undefined;
  return {
    start: Number(match[1]),
    end: Number(match[2]) + 1,
    totalBytes: match[3] === '*' ? undefined : Number(match[3]),
  };
}

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** An HTTP server on a free port of this machine that lives as long as the test. */
export async function startServer(t: TestContext, handler: Handler): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Bytes without a pattern that a shifted or swapped piece would repeat. */
export function noise(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = seed;
  for (let i = 0; i < sizeBytes; i += 1) {
    state = (Math.imul(1_664_525, state) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export interface Served {
  readonly etag?: string | undefined;
  /** False: a server without ranges. */
  readonly ranges?: boolean;
  /** Closes the line after so many bytes of this answer. */
  readonly breakAfter?: number | undefined;
}

/** A well-behaved file server's answer, with ranges and If-Range, unless told otherwise. */
export function serve(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer,
  { etag = '"v1"', ranges = true, breakAfter }: Served = {},
): void {
  const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  let body = bytes;
  response.setHeader('content-type', 'application/octet-stream');
  response.setHeader('etag', etag);
  if (ranges && asked !== null && (condition === undefined || condition === etag)) {
    const start = Number(asked[1]);
    const end = Math.min(asked[2] === '' ? bytes.length : Number(asked[2]) + 1, bytes.length);
    if (start >= bytes.length) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      return;
    }
    body = bytes.subarray(start, end);
    response.statusCode = 206;
    response.setHeader('content-range', `bytes ${start}-${end - 1}/${bytes.length}`);
  }
  response.setHeader('content-length', body.length);
  if (breakAfter === undefined || breakAfter >= body.length) response.end(body);
  else response.write(body.subarray(0, breakAfter), () => response.destroy());
}

/** The range that a request asks for, as `[start, end)`; undefined for the whole file. */
export function askedRange(request: IncomingMessage): readonly [number, number] | undefined {
  const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  return match === null ? undefined : [Number(match[1]), Number(match[2]) + 1];
}

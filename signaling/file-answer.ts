import { open, type FileHandle } from 'node:fs/promises';
import type { Context } from 'hono';
import { byteRange, type ByteRange } from './byte-range.js';
import { HttpRefusal } from './problem.js';

const CHUNK_BYTES = 65_536;

/**
 * A file of ours that may be large: whole, or one range of it (RFC 9110 section 14), as the client takes it. It is open
 * before the answer begins, so that one that is deleted meanwhile is read to its end.
 */
export async function fileAnswer(
  c: Context,
  file: { readonly path: string; readonly type: string; readonly name: string },
): Promise<Response> {
  const handle = await open(file.path, 'r').catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new HttpRefusal(404, 'file-not-found', 'the file is gone');
  });
  let isHandedOver = false;
  try {
    const { size, mtimeMs } = await handle.stat();
    const etag = `"${size.toString(36)}-${Math.trunc(mtimeMs).toString(36)}"`;
    const headers = {
      'Content-Type': file.type,
      'Content-Disposition': `inline; filename="${file.name}"`,
      'Accept-Ranges': 'bytes',
      'Cache-Control': 'private, no-cache',
      'X-Content-Type-Options': 'nosniff',
      ETag: etag,
    };
    if (c.req.header('if-none-match') === etag) return c.body(null, 304, headers);
    const asked = isSame(c.req.header('if-range'), etag) ? byteRange(c.req.header('range'), size) : undefined;
    if (asked === 'none')
      throw new HttpRefusal(416, 'range-not-satisfiable', `the file has ${size} bytes`, {
        headers: { 'Content-Range': `bytes */${size}` },
      });
    const { from, to } = asked ?? { from: 0, to: size };
    const told = {
      ...headers,
      'Content-Length': String(to - from),
      ...(asked === undefined ? {} : { 'Content-Range': `bytes ${from}-${to - 1}/${size}` }),
    };
    const status = asked === undefined ? 200 : 206;
    if (c.req.method === 'HEAD') return c.body(null, status, told);
    isHandedOver = true;
    return c.body(bodyOf(handle, { from, to }, c.req.raw.signal), status, told);
  } finally {
    if (!isHandedOver) await handle.close();
  }
}

/** Without the header, any file is the same one. */
function isSame(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange === etag;
}

/** Takes ownership of the handle: closed at the end, or when the client is gone, also one that never read. */
function bodyOf(handle: FileHandle, { from, to }: ByteRange, gone: AbortSignal): ReadableStream<Uint8Array> {
  let at = from;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= handle.close().catch(() => {}));
  const onGone = (): void => void close();
  gone.addEventListener('abort', onGone, { once: true });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bytes = new Uint8Array(Math.min(CHUNK_BYTES, to - at));
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, at);
        at += bytesRead;
        if (bytesRead > 0) controller.enqueue(bytes.subarray(0, bytesRead));
        if (at < to && bytesRead > 0) return;
        gone.removeEventListener('abort', onGone);
        await close();
        controller.close();
      },
      cancel: close,
    },
    { highWaterMark: 0 },
  );
}

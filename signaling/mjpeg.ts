import { childAbort, pulledBody } from './streams.js';

const BOUNDARY = 'frame';

/** Pictures as multipart/x-mixed-replace, which a bare `<img>` plays. Ends when `pictures` ends. */
export function mjpegResponse(
  pictures: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
  clientSignal: AbortSignal,
): Response {
  const { signal, abort } = childAbort(clientSignal);
  return new Response(pulledBody(parts(pictures(signal), abort), abort), { headers: MJPEG_HEADERS });
}

export const MJPEG_HEADERS: Readonly<Record<string, string>> = {
  'Content-Type': `multipart/x-mixed-replace; boundary=${BOUNDARY}`,
  'Cache-Control': 'no-store, no-cache, must-revalidate',
  Pragma: 'no-cache',
  'X-Accel-Buffering': 'no',
};

async function* parts(pictures: AsyncIterable<Uint8Array>, abort: () => void): AsyncGenerator<Uint8Array> {
  try {
    for await (const jpeg of pictures) {
      const head = `--${BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.byteLength}\r\n\r\n`;
      // One piece a picture, so that a client that goes away leaves no half part behind in our own queue.
      yield Buffer.concat([Buffer.from(head, 'latin1'), jpeg, CRLF]);
    }
    yield Buffer.from(`--${BOUNDARY}--\r\n`, 'latin1');
  } finally {
    abort();
  }
}

const CRLF = Buffer.from('\r\n');

import { runFfmpeg } from '../../src/adapters/ffmpeg.js';
import type { Box } from '../../src/media/frame.js';
import { testFfmpeg } from './media.js';

/** Somebody who watches a session through `<img>`: keeps every picture that comes. */
export class MjpegViewer {
  readonly #abort = new AbortController();
  readonly #reading: Promise<void>;
  #pictures: Buffer[] = [];

  private constructor(body: ReadableStream<Uint8Array>) {
    this.#reading = this.#read(body).catch((error: unknown) => {
      if (!this.#abort.signal.aborted) throw error;
    });
    this.#reading.catch(() => {});
  }

  static async open(url: string): Promise<MjpegViewer> {
    const abort = new AbortController();
    const response = await fetch(url, { signal: abort.signal });
    if (!response.ok || response.body === null) throw new Error(`${url} answered ${response.status}`);
    const viewer = new MjpegViewer(response.body);
    viewer.#abort.signal.addEventListener('abort', () => abort.abort());
    return viewer;
  }

  /** Pictures since the last take(). */
  get count(): number {
    return this.#pictures.length;
  }

  /** Gives the pictures so far and begins anew. */
  take(): Buffer[] {
    const pictures = this.#pictures;
    this.#pictures = [];
    return pictures;
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#reading;
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    let left = Buffer.alloc(0);
    for await (const piece of body as unknown as AsyncIterable<Uint8Array>) {
      left = Buffer.concat([left, piece]);
      for (;;) {
        const head = /Content-Length: (\d+)\r\n\r\n/.exec(left.toString('latin1', 0, 200));
        if (head === null) break;
        const start = head.index + head[0].length;
        const end = start + Number(head[1]);
        if (left.length < end) break;
        this.#pictures.push(left.subarray(start, end));
        left = left.subarray(end);
      }
    }
  }
}

/** Mean red, green and blue of a part of each JPEG. */
export async function meanColours(jpegs: readonly Buffer[], part: Box): Promise<[number, number, number][]> {
  if (jpegs.length === 0) return [];
  const { x1, y1, x2, y2 } = part;
  const ffmpeg = await testFfmpeg();
  const run = runFfmpeg(
    ffmpeg,
    [
      ...['-loglevel', 'error', '-f', 'image2pipe', '-c:v', 'mjpeg', '-i', 'pipe:0'],
      ...['-vf', `crop=${x2 - x1}:${y2 - y1}:${x1}:${y1},scale=1:1:flags=area`],
      ...[...ffmpeg.vsyncArgs, '-f', 'rawvideo', '-pix_fmt', 'rgb24', 'pipe:1'],
    ],
    { timeLimitMs: 30_000 },
  );
  run.stdin.end(Buffer.concat(jpegs));
  const pieces: Buffer[] = [];
  for await (const piece of run.stdout) pieces.push(piece as Buffer);
  await run.done;
  const bytes = Buffer.concat(pieces);
  return Array.from({ length: bytes.length / 3 }, (_, k) => [
    bytes[3 * k]!,
    bytes[3 * k + 1]!,
    bytes[3 * k + 2]!,
  ]);
}

/** By how much a colour is greener than grey, in levels; skin is below 0. */
export function greenness([red, green, blue]: readonly [number, number, number]): number {
  return green - (red + blue) / 2;
}

import { runFfmpeg } from '../../src/adapters/ffmpeg.js';
import type { EncodedPicture } from '../../src/media/frame.js';
import { testFfmpeg } from './media.js';

/** VP8 pictures as an IVF file, their indices as time stamps. */
export function ivfOf(pictures: readonly EncodedPicture[], widthPx: number, heightPx: number): Buffer {
  const head = Buffer.alloc(32);
  head.write('DKIF', 0, 'latin1');
  head.writeUInt16LE(32, 6);
  head.write('VP80', 8, 'latin1');
  head.writeUInt16LE(widthPx, 12);
  head.writeUInt16LE(heightPx, 14);
  head.writeUInt32LE(25, 16);
  head.writeUInt32LE(1, 20);
  return Buffer.concat([head, ...pictures.map(ivfFrame)]);
}

function ivfFrame(picture: EncodedPicture): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(picture.data.length, 0);
  head.writeBigUInt64LE(BigInt(picture.index), 4);
  return Buffer.concat([head, picture.data]);
}

/**
 * What ffmpeg makes of them: I420 pictures of the given size, one after the other (of another size: scaled to it).
 * @throws at the first fault that the decoder finds
 */
export async function decodeVp8(
  pictures: readonly EncodedPicture[],
  widthPx: number,
  heightPx: number,
): Promise<Buffer> {
  const ffmpeg = await testFfmpeg();
  const out: Buffer[] = [];
  let faults = '';
  const run = runFfmpeg(
    ffmpeg,
    [
      ...['-loglevel', 'warning', '-err_detect', 'explode', '-xerror', '-f', 'ivf', '-i', 'pipe:0'],
      ...ffmpeg.vsyncArgs,
      ...['-s', `${widthPx}x${heightPx}`, '-f', 'rawvideo', '-pix_fmt', 'yuv420p', 'pipe:1'],
    ],
    { timeLimitMs: 10_000, onStderr: (text) => (faults += text) },
  );
  run.stdout.on('data', (bytes: Buffer) => out.push(bytes));
  run.stdin.end(ivfOf(pictures, widthPx, heightPx));
  await run.done;
  if (faults !== '') throw new Error(`the decoder says: ${faults}`);
  return Buffer.concat(out);
}

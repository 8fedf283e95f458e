import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import type { RgbImage } from '../../src/media/frame.js';

/** The folder of test media beside the repository, or undefined. */
export function testDataDir(): string | undefined {
  const dir = resolve(process.cwd(), '../shared/data');
  return existsSync(dir) ? dir : undefined;
}

export function testFfmpegPath(): string | undefined {
  try {
    const path = createRequire(import.meta.url).resolve('@ffmpeg-installer/linux-x64/package.json');
    const binary = join(dirname(path), 'ffmpeg');
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}

/** The first `count` pictures of a file as RGB, all in memory; `filter` is ffmpeg's -vf. */
export async function readPictures(
  ffmpeg: string,
  path: string,
  count: number,
  filter = 'null',
): Promise<RgbImage[]> {
  const args = ['-v', 'error', '-i', path, '-frames:v', String(count), '-vf', filter, '-vcodec', 'ppm'];
  const bytes = await output(ffmpeg, [...args, '-f', 'image2pipe', '-']);
  const images: RgbImage[] = [];
  let at = 0;
  while (at < bytes.length) {
    const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.subarray(at, at + 40).toString('latin1'));
    if (!header) throw new Error('ffmpeg did not write PPM pictures');
    const [widthPx, heightPx] = [Number(header[1]), Number(header[2])];
    const start = at + header[0].length;
    at = start + widthPx * heightPx * 3;
    images.push({ widthPx, heightPx, data: bytes.subarray(start, at) });
  }
  return images;
}

/** The first picture of a file as PNG bytes, exactly the pixels that `readPictures` gives. */
export function readPng(ffmpeg: string, path: string, filter = 'null'): Promise<Buffer> {
  const args = [
    '-v',
    'error',
    '-i',
    path,
    '-frames:v',
    '1',
    '-vf',
    filter,
    '-pix_fmt',
    'rgb24',
    '-vcodec',
    'png',
  ];
  return output(ffmpeg, [...args, '-f', 'image2pipe', '-']);
}

function output(command: string, args: readonly string[]): Promise<Buffer> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const parts: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => parts.push(part));
    child.on('error', fail);
    child.on('close', (code) =>
      code === 0 ? done(Buffer.concat(parts)) : fail(new Error(`ffmpeg ended with ${code}`)),
    );
  });
}

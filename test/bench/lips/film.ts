import { runFfmpeg, userInputArgs, type Ffmpeg } from '../../../src/adapters/ffmpeg.js';
import { readOutput } from '../../../src/adapters/ffmpeg-read.js';
import { Y4mParser } from '../../../src/avatar/footage.js';
import type { RgbImage } from '../../../src/media/frame.js';
import { Downsampler48To16 } from '../../../src/media/resample.js';
import { i420ToRgb } from '../../../src/media/yuv.js';

const STALL_LIMIT_MS = 20_000;

/** The pictures' own rate as ffmpeg tells it; 25 if it does not. */
export async function pictureRate(ffmpeg: Ffmpeg, file: string): Promise<number> {
  let told = '';
  const run = runFfmpeg(ffmpeg, ['-loglevel', 'info', ...userInputArgs(file)], {
    onStderr: (text) => (told += text),
  });
  run.stdin.end();
  run.stdout.resume();
  await run.done.catch(() => undefined); // it misses an output, which is meant
  return Number(/([\d.]+) fps/.exec(told)?.[1] ?? 25);
}

/**
 * Pictures at a constant rate, the k-th at k / fps on the clock that the sound has, too. One buffer is reused. The
 * short side is at most 720 pixels, as in a prepared avatar.
 */
export async function* readFilm(ffmpeg: Ffmpeg, file: string, fps: number): AsyncGenerator<RgbImage> {
  const even = (side: string) => `2*trunc(${side}*min(1,720/min(iw,ih))/2)`;
  const filters = `fps=${fps}:start_time=0,scale=w='${even('iw')}':h='${even('ih')}':out_color_matrix=bt601:out_range=tv,format=yuv420p`;
  const run = runFfmpeg(ffmpeg, [
    ...['-threads', '1', ...userInputArgs(file), '-map', '0:V:0', '-an', '-vf', filters],
    ...['-f', 'yuv4mpegpipe', 'pipe:1'],
  ]);
  run.stdin.end();
  const parser = new Y4mParser();
  let rgb: RgbImage | undefined;
  for await (const bytes of readOutput(run, STALL_LIMIT_MS)) {
    for (const { widthPx, heightPx, data } of parser.push(bytes)) {
      rgb ??= { widthPx, heightPx, data: new Uint8Array(widthPx * heightPx * 3) };
      i420ToRgb(data, widthPx, heightPx, rgb.data);
      yield rgb;
    }
  }
}

/** The whole sound as an engine gets it: 16 kHz mono, -1..1, through the product's own resampler. */
export async function readSound(ffmpeg: Ffmpeg, file: string): Promise<Float32Array> {
  const run = runFfmpeg(ffmpeg, [
    ...['-threads', '1', ...userInputArgs(file), '-map', '0:a:0', '-vn'],
    ...['-af', 'aresample=async=1:first_pts=0', '-ac', '1', '-ar', '48000', '-f', 's16le', 'pipe:1'],
  ]);
  run.stdin.end();
  const parts: Buffer[] = [];
  for await (const bytes of readOutput(run, STALL_LIMIT_MS)) parts.push(bytes);
  const bytes = Buffer.concat(parts);
  const stereo = new Int16Array((bytes.length >> 1) * 2);
  for (let at = 0; at < stereo.length; at += 2) stereo[at] = stereo[at + 1] = bytes.readInt16LE(at);
  return new Downsampler48To16().push(stereo);
}

/**
 * Trims a video to its first minute and makes it 720p H.264, in the browser, with ffmpeg as WebAssembly.
 * Loaded by import() only when it is needed: the core alone has 32 MB.
 */
import { FFFSType, FFmpeg } from '@ffmpeg/ffmpeg';
import { MAX_SECONDS } from './upload-check.js';

const CORE = '/assets/ffmpeg/esm/ffmpeg-core';
const SHORT_SIDE_PX = 720;

export interface ShrinkOptions {
  signal: AbortSignal;
  onStage(stage: 'loading' | 'converting'): void;
  /** 0..1 of the conversion. */
  onProgress(fraction: number): void;
}

export async function shrinkVideo(file: File, options: ShrinkOptions): Promise<File> {
  options.signal.throwIfAborted();
  const ffmpeg = new FFmpeg();
  const log: string[] = [];
  let limitS = MAX_SECONDS;
  // A running conversion cannot be talked to: ending its worker is the way to stop it.
  const aborted = new Promise<never>((_, reject) => {
    options.signal.addEventListener('abort', () => reject(options.signal.reason as Error), { once: true });
  });
  ffmpeg.on('log', ({ message }) => {
    log.push(message);
    if (log.length > 20) log.shift();
    const length = /Duration: (\d+):(\d+):(\d+(?:\.\d+)?)/.exec(message);
    if (length) limitS = Math.min(MAX_SECONDS, secondsOf(length)) || MAX_SECONDS;
    // "time=00:00:03.20": how much of the output is written. The progress event counts against the whole input.
    const time = /time=(\d+):(\d+):(\d+(?:\.\d+)?)/.exec(message);
    if (!time) return;
    options.onProgress(Math.min(1, secondsOf(time) / limitS));
  });
  try {
    return await Promise.race([convert(ffmpeg, file, options, log), aborted]);
  } finally {
    ffmpeg.terminate();
  }
}

/** Hours, minutes, seconds. */
const secondsOf = (match: RegExpExecArray): number =>
  Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]);

async function convert(ffmpeg: FFmpeg, file: File, options: ShrinkOptions, log: string[]): Promise<File> {
  options.onStage('loading');
  const url = (end: string): string => new URL(`${CORE}${end}`, location.href).href;
  await ffmpeg.load({ coreURL: url('.js'), wasmURL: url('.wasm') });
  options.onStage('converting');
  // Mounted, not written: the file is read piece by piece and never copied whole into the 2 GB of WebAssembly.
  await ffmpeg.createDir('/in');
  await ffmpeg.mount(FFFSType.WORKERFS, { blobs: [{ name: 'video', data: file }] }, '/in');
  const short = `min(${SHORT_SIDE_PX},min(iw,ih))`;
  const code = await ffmpeg.exec([
    ...['-t', String(MAX_SECONDS), '-i', '/in/video', '-map', '0:v:0', '-an', '-sn', '-dn'],
    ...['-vf', `scale='if(gt(iw,ih),-2,trunc(${short}/2)*2)':'if(gt(iw,ih),trunc(${short}/2)*2,-2)'`],
    ...['-fpsmax', '30', '-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '23', '-pix_fmt', 'yuv420p'],
    ...['-movflags', '+faststart', '/out.mp4'],
  ]);
  if (code !== 0) throw new Error(`The video could not be converted: ${log.at(-1) ?? 'no reason given'}`);
  const data = await ffmpeg.readFile('/out.mp4');
  if (typeof data === 'string') throw new Error('The converted video could not be read.');
  return new File([data as Uint8Array<ArrayBuffer>], file.name.replace(/\.[^.]*$/, '') + '.mp4', {
    type: 'video/mp4',
  });
}

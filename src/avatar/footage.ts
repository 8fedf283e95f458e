import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import {
  assertDecodable,
  isStillPicture,
  runFfmpeg,
  userInputArgs,
  type Ffmpeg,
  type RunOptions,
} from '../adapters/ffmpeg.js';
import { readOutput } from '../adapters/ffmpeg-read.js';
import { undecodable } from '../adapters/ffmpeg-undecodable.js';
import { AppError, isAppError } from '../errors.js';
import { i420SizeBytes } from '../media/frame.js';
import { jpegOrientation, uprightFilters } from './exif.js';
import { feedPngs, listPngs, sizeOfPngs } from './png-files.js';

const STALL_LIMIT_MS = 20_000;
const EXIF_HEAD_BYTES = 65_536;
/** Above this ffmpeg would be asked for gigabytes by a picture of a few bytes. */
const MAX_PIXELS = 100_000_000;

export interface Footage {
  readonly still: boolean;
  /** How many pictures are to be expected, at most `maxFrames`; undefined while ffmpeg has not told. */
  expectedFrames(): number | undefined;
  /** Upright pictures in order. The buffer is reused: it is valid until the next one is asked for. */
  readonly pictures: AsyncIterable<FootagePicture>;
}

export interface FootagePicture {
  readonly widthPx: number;
  readonly heightPx: number;
  /** I420, BT.601 limited range. */
  readonly data: Uint8Array;
}

export interface FootageOptions {
  fps: number;
  maxShortSidePx: number;
  maxFrames: number;
  signal?: AbortSignal;
}

/** Refuses what {@link openFootage} would refuse at first sight; a folder may be given for its PNG files. */
export async function assertFootage(filePath: string): Promise<void> {
  if (await isFolder(filePath)) await listPngs(filePath);
  else await assertDecodable(filePath);
}

/**
 * Opens a video or a photo as upright I420 pictures of square pixels at a constant rate, the short side at most
 * `maxShortSidePx`, both sides even. Stops after `maxFrames`. The pictures end without an error when `signal` aborts.
 * Of a folder the PNG files are taken, sorted by name, as pictures at the rate `fps`.
 */
export async function openFootage(
  ffmpeg: Ffmpeg,
  filePath: string,
  options: FootageOptions,
): Promise<Footage> {
  if (await isFolder(filePath))
    return openPngs(ffmpeg, (await listPngs(filePath)).slice(0, options.maxFrames), options);
  await assertDecodable(filePath);
  const still = isStillPicture(filePath);
  const rotation = still ? uprightFilters(jpegOrientation(await headOf(filePath))) : [];
  const maxFrames = still ? 1 : options.maxFrames;
  const filters = [
    ...(still ? [] : [`fps=${options.fps}`]),
    ...rotation,
    shrinkFilter(options.maxShortSidePx),
    ...I420_FILTERS,
  ];
  const args = [
    ...['-loglevel', 'info', '-nostats', ...DECODER_ARGS, ...(still ? ['-noautorotate'] : [])],
    // Capital V leaves out cover pictures of sound files.
    ...[...userInputArgs(filePath), '-map', '0:V:0', '-an', '-sn', '-dn', '-vf', filters.join(',')],
    ...['-frames:v', String(maxFrames), '-f', 'yuv4mpegpipe', 'pipe:1'],
  ];
  let told = '';
  let durationS: number | undefined;
  const run: RunOptions = {
    onStderr(text) {
      if (durationS !== undefined || told.length > 100_000) return;
      told += text;
      const found = /Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)/.exec(told);
      if (found !== null) durationS = Number(found[1]) * 3600 + Number(found[2]) * 60 + Number(found[3]);
    },
  };
  if (options.signal !== undefined) run.signal = options.signal;
  return {
    still,
    expectedFrames: () =>
      still
        ? 1
        : durationS === undefined
          ? undefined
          : Math.min(maxFrames, Math.max(1, Math.round(durationS * options.fps))),
    pictures: decode(ffmpeg, args, run, filePath),
  };
}

/**
 * Opens PNG files of one size as I420 pictures, one each, in the order given. Without `maxShortSidePx` a pixel stays a
 * pixel: of an odd side the last row or column is left out. The pictures end with `media-undecodable` if one of the
 * files cannot be decoded.
 * @throws AppError media-undecodable if the files are not PNG or not of one size
 */
export async function openPngs(
  ffmpeg: Ffmpeg,
  files: readonly string[],
  options: { fps: number; maxShortSidePx?: number; signal?: AbortSignal },
): Promise<Footage> {
  const { widthPx, heightPx } = await sizeOfPngs(files);
  const name = path.basename(files[0] ?? '');
  if (widthPx < 2 || heightPx < 2 || widthPx * heightPx > MAX_PIXELS)
    throw new AppError(
      'media-undecodable',
      `${name} has ${widthPx}x${heightPx} pixels, which is no picture to use`,
    );
  const filters = [
    options.maxShortSidePx === undefined
      ? `crop=${widthPx & ~1}:${heightPx & ~1}:0:0,${I420_SCALE}`
      : shrinkFilter(options.maxShortSidePx),
    ...I420_FILTERS,
  ];
  const args = [
    ...[...DECODER_ARGS, '-err_detect', 'explode', '-f', 'png_pipe', '-framerate', String(options.fps)],
    ...['-i', 'pipe:0', '-map', '0:v:0', '-vf', filters.join(','), ...ffmpeg.vsyncArgs],
    ...['-f', 'yuv4mpegpipe', 'pipe:1'],
  ];
  const run: RunOptions = options.signal === undefined ? {} : { signal: options.signal };
  return {
    still: files.length === 1,
    expectedFrames: () => files.length,
    pictures: decode(ffmpeg, args, run, path.dirname(files[0] ?? ''), files),
  };
}

const DECODER_ARGS = ['-threads', '1', '-max_pixels', String(MAX_PIXELS)];
const I420_SCALE = 'scale=out_color_matrix=bt601:out_range=tv:flags=bicubic+accurate_rnd';
const I420_FILTERS = ['setsar=1', 'format=yuv420p'];

/** Square pixels first (sar), then shrink by one factor for both sides, then cut to even. */
function shrinkFilter(maxShortSidePx: number): string {
  const factor = `min(1,${maxShortSidePx}/min(iw*sar,ih))`;
  return `scale=w='max(2,2*trunc(iw*sar*${factor}/2+0.25))':h='max(2,2*trunc(ih*${factor}/2+0.25))':out_color_matrix=bt601:out_range=tv:flags=bicubic+accurate_rnd`;
}

async function isFolder(filePath: string): Promise<boolean> {
  return (await stat(filePath).catch(() => undefined))?.isDirectory() ?? false;
}

/** Without `pngs` ffmpeg reads the file that its arguments name. */
async function* decode(
  ffmpeg: Ffmpeg,
  args: string[],
  options: RunOptions,
  filePath: string,
  pngs?: readonly string[],
): AsyncGenerator<FootagePicture, void, undefined> {
  const run = runFfmpeg(ffmpeg, args, options);
  let feedFault: unknown;
  const fed = feedPngs(pngs ?? [], run.stdin).catch((error: unknown) => {
    feedFault = error;
  });
  const parser = new Y4mParser();
  let count = 0;
  try {
    for await (const bytes of readOutput(run, STALL_LIMIT_MS)) {
      for (const picture of parser.push(bytes)) {
        count++;
        yield picture;
      }
    }
  } catch (error) {
    if (!isAppError(error, 'ffmpeg-failed')) throw error;
    // A video that breaks off late is used up to there.
    if (count === 0 && pngs === undefined) throw undecodable(filePath, 'picture', error);
  }
  if (options.signal?.aborted === true) return;
  await fed;
  if (feedFault !== undefined) throw feedFault;
  if (pngs !== undefined && count !== pngs.length)
    throw new AppError(
      'media-undecodable',
      `${pngs.length - count} of the ${pngs.length} PNG files from ${path.basename(pngs[0]!)} on cannot be decoded; copy or make them again`,
    );
  if (count === 0) throw new AppError('media-undecodable', `${path.basename(filePath)} holds no picture`);
}

/**
 * Reads YUV4MPEG2, which tells the size of the pictures that ffmpeg chose: a line `YUV4MPEG2 W.. H.. ...`, then for
 * each picture a line `FRAME...` and its I420 bytes. One picture buffer is reused.
 */
export class Y4mParser {
  #line = '';
  #size: { widthPx: number; heightPx: number } | undefined;
  #picture: Uint8Array = new Uint8Array(0);
  /** Bytes of the picture that have come; -1 while a line is being read. */
  #filled = -1;

  *push(bytes: Uint8Array): Generator<FootagePicture, void, undefined> {
    let at = 0;
    while (at < bytes.length) {
      if (this.#filled < 0) {
        const end = bytes.indexOf(0x0a, at);
        const stop = end < 0 ? bytes.length : end;
        this.#line += Buffer.from(bytes.buffer, bytes.byteOffset + at, stop - at).toString('latin1');
        at = stop + 1;
        if (end < 0) continue;
        this.#readLine(this.#line);
        this.#line = '';
        continue;
      }
      const part = bytes.subarray(at, at + this.#picture.length - this.#filled);
      this.#picture.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === this.#picture.length && this.#size !== undefined) {
        this.#filled = -1;
        yield { ...this.#size, data: this.#picture };
      }
    }
  }

  #readLine(line: string): void {
    if (this.#size !== undefined) {
      if (!line.startsWith('FRAME')) throw new AppError('ffmpeg-failed', 'ffmpeg lost step between pictures');
      this.#filled = 0;
      return;
    }
    const width = / W(\d+)/.exec(line);
    const height = / H(\d+)/.exec(line);
    if (!line.startsWith('YUV4MPEG2') || width === null || height === null)
      throw new AppError('ffmpeg-failed', 'ffmpeg told no picture size');
    this.#size = { widthPx: Number(width[1]), heightPx: Number(height[1]) };
    this.#picture = new Uint8Array(i420SizeBytes(this.#size.widthPx, this.#size.heightPx));
  }
}

async function headOf(filePath: string): Promise<Uint8Array> {
  const handle = await open(filePath, 'r');
  try {
    const head = Buffer.alloc(EXIF_HEAD_BYTES);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Writes one I420 picture as a JPEG file, at most 640 pixels high. */
export async function writePreview(ffmpeg: Ffmpeg, picture: FootagePicture, filePath: string): Promise<void> {
  const run = runFfmpeg(
    ffmpeg,
    [
      ...[
        '-f',
        'rawvideo',
        '-pix_fmt',
        'yuv420p',
        '-s',
        `${picture.widthPx}x${picture.heightPx}`,
        '-i',
        'pipe:0',
      ],
      ...['-vf', "scale=w=-2:h='min(640,ih)':in_color_matrix=bt601:in_range=tv:out_range=pc,format=yuvj420p"],
      ...[
        '-frames:v',
        '1',
        '-q:v',
        '3',
        '-c:v',
        'mjpeg',
        '-f',
        'image2pipe',
        '-y',
        `file:${path.resolve(filePath)}`,
      ],
    ],
    { timeLimitMs: STALL_LIMIT_MS },
  );
  run.stdin.end(picture.data);
  run.stdout.resume();
  await run.done;
}

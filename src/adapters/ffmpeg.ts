/**
 * The only file that starts ffmpeg. Which binary is used is decided once, by trial: a binary counts if it passes
 * the self-test of ffmpeg-self-test.ts, not by its version string.
 */
import { spawn } from 'node:child_process';
import { chmodSync, closeSync, openSync, readSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { setPriority } from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { AppError } from '../errors.js';
import type { Log } from '../lib/log.js';
import {
  h264TestArgs,
  h264TestFault,
  selfTestArgs,
  selfTestFault,
  selfTestInput,
} from './ffmpeg-self-test.js';
import { ALLOWED_DEMUXERS, imageDemuxer, refusal, SNIFF_BYTES } from './ffmpeg-sniff.js';

export interface Ffmpeg {
  readonly path: string;
  readonly origin: 'FFMPEG_BIN' | 'ffmpeg-static' | 'PATH' | '@ffmpeg-installer';
  readonly version: string;
  /** How this version spells "keep every time stamp": `-fps_mode passthrough`, before 5.1 `-vsync 0`. */
  readonly vsyncArgs: readonly string[];
  /** It has libx264, and that makes key pictures on demand. */
  readonly codesH264: boolean;
}

export interface FfmpegProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** `pipe:3`, `pipe:4`, ... of the arguments. */
  readonly extra: readonly Readable[];
  /**
   * Resolves when ffmpeg has left with code 0 and its output has been read, and also when it was killed or its
   * signal aborted; rejects with `ffmpeg-failed` or `timeout`. Handled already: it may be left unawaited.
   */
  readonly done: Promise<void>;
  /** Ends ffmpeg and resolves when it is gone. Output that was not read is lost. */
  kill(): Promise<void>;
}

export interface RunOptions {
  signal?: AbortSignal;
  timeLimitMs?: number;
  /** 0 (default) .. 19, POSIX nice value. */
  niceness?: number;
  extraPipes?: number;
  /** Every piece of text that ffmpeg writes to stderr. */
  onStderr?: (text: string) => void;
}

const STDERR_KEPT = 4000;
const STDERR_LINES = 6;
const KILL_AFTER_MS = 1500;
const SELF_TEST_LIMIT_MS = 15_000;
const VSYNC_SPELLINGS: readonly (readonly string[])[] = [
  ['-fps_mode', 'passthrough'],
  ['-vsync', '0'],
];

/** Starts ffmpeg. `-nostdin`, no banner and log level `error` stand first; later arguments may override the level. */
export function runFfmpeg(
  ffmpeg: Pick<Ffmpeg, 'path'>,
  args: readonly string[],
  options: RunOptions = {},
): FfmpegProcess {
  const extraPipes = options.extraPipes ?? 0;
  const child = spawn(ffmpeg.path, ['-hide_banner', '-nostdin', '-loglevel', 'error', ...args], {
    stdio: ['pipe', 'pipe', 'pipe', ...Array.from({ length: extraPipes }, () => 'pipe' as const)],
    windowsHide: true,
  });
  const stdin = child.stdio[0] as Writable;
  const stdout = child.stdio[1] as Readable;
  const stderr = child.stdio[2] as Readable;
  const extra = child.stdio.slice(3) as Readable[];
  if (options.niceness !== undefined && child.pid !== undefined) {
    try {
      setPriority(child.pid, options.niceness);
    } catch {
      // It may have left already, or the system may not allow it; neither matters.
    }
  }

  let tail = '';
  let stopping = false;
  let timedOut = false;
  let gone = false;
  stderr.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-STDERR_KEPT);
    options.onStderr?.(text);
  });
  // A pipe breaks when ffmpeg leaves first; why it left is told by `done`.
  for (const pipe of [stdin, stdout, stderr, ...extra]) pipe.on('error', () => {});

  const left = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  }).then(() => {
    gone = true;
  });

  const done = new Promise<void>((resolve, reject) => {
    child.once('error', (error) =>
      reject(
        new AppError('ffmpeg-failed', `cannot start ${ffmpeg.path}: ${error.message}`, { cause: error }),
      ),
    );
    child.once('close', (code, signal) => {
      if (timedOut) {
        reject(
          new AppError(
            'timeout',
            `ffmpeg was stopped after its limit of ${options.timeLimitMs} ms${lastLines(tail)}`,
          ),
        );
      } else if (stopping || code === 0) resolve();
      else
        reject(
          new AppError('ffmpeg-failed', `ffmpeg ended with ${signal ?? `code ${code}`}${lastLines(tail)}`),
        );
    });
  });

  const kill = (): Promise<void> => {
    stopping = true;
    if (!gone && child.pid !== undefined) {
      child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
      void left.then(() => clearTimeout(hard));
    }
    // `close` waits for the pipes, which nobody may be reading any more.
    for (const pipe of [stdin, stdout, stderr, ...extra]) pipe.destroy();
    return left;
  };
  const onAbort = (): void => void kill();
  let timer: NodeJS.Timeout | undefined;
  if (options.timeLimitMs !== undefined) {
    timer = setTimeout(() => {
      timedOut = true;
      void kill();
    }, options.timeLimitMs);
  }
  if (options.signal?.aborted) onAbort();
  else options.signal?.addEventListener('abort', onAbort, { once: true });
  const settled = (): void => {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  };
  done.then(settled, settled);
  return { stdin, stdout, extra, done, kill };
}

function lastLines(stderr: string): string {
  // Indented lines describe streams; what went wrong stands at the margin.
  const lines = stderr
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== '' && !/^(?: {2}|Input #|Output #)/.test(line));
  return lines.length === 0 ? '' : `: ${lines.slice(-STDERR_LINES).join(' | ')}`;
}

/**
 * Input arguments for a file that a user named: only local files, only container readers that cannot point
 * elsewhere, and a still picture with its reader named. Call {@link assertDecodable} first.
 */
export function userInputArgs(filePath: string): string[] {
  const demuxer = imageDemuxer(headOf(filePath));
  return [
    ...['-protocol_whitelist', 'file,pipe', '-format_whitelist', ALLOWED_DEMUXERS.join(',')],
    ...(demuxer === undefined ? [] : ['-f', demuxer]),
    ...['-i', `file:${path.resolve(filePath)}`],
  ];
}

/** True if the file is a still picture (PNG, JPEG, WebP, BMP, TIFF), judged by its first bytes. */
export function isStillPicture(filePath: string): boolean {
  return imageDemuxer(headOf(filePath)) !== undefined;
}

function headOf(filePath: string): Uint8Array {
  const head = Buffer.alloc(SNIFF_BYTES);
  try {
    const descriptor = openSync(filePath, 'r');
    try {
      return head.subarray(0, readSync(descriptor, head, 0, head.length, 0));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return head.subarray(0, 0); // ffmpeg will say what is wrong with it
  }
}

/** Refuses what must not reach ffmpeg: nothing there, not a plain file, empty, text, playlists, scripts. */
export async function assertDecodable(filePath: string): Promise<void> {
  const name = path.basename(filePath);
  const info = await stat(filePath).catch((cause: unknown) => {
    throw new AppError('file-not-found', `there is no file ${name}`, { cause });
  });
  if (!info.isFile())
    throw new AppError('not-a-file', `${name} is ${info.isDirectory() ? 'a directory' : 'not a plain file'}`);
  const handle = await open(filePath, 'r').catch((cause: unknown) => {
    throw new AppError('file-not-found', `${name} cannot be opened for reading`, { cause });
  });
  try {
    const head = Buffer.alloc(SNIFF_BYTES);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    const reason = refusal(head.subarray(0, bytesRead));
    if (reason !== undefined) throw new AppError('media-undecodable', `${name} is refused: ${reason}`);
  } finally {
    await handle.close();
  }
}

interface Candidate {
  readonly origin: Ffmpeg['origin'];
  readonly path: string;
}

/**
 * Finds a usable ffmpeg: the binary the operator named (then nothing else is tried), ffmpeg-static, `ffmpeg` on
 * PATH, the old build of \@ffmpeg-installer. Throws `ffmpeg-missing` with what to do.
 */
export async function findFfmpeg(options: { ffmpegBin?: string; log: Log }): Promise<Ffmpeg> {
  const { log, ffmpegBin } = options;
  const tried: string[] = [];
  const candidates: (Candidate | undefined)[] =
    ffmpegBin !== undefined && ffmpegBin !== ''
      ? [{ origin: 'FFMPEG_BIN', path: ffmpegBin }]
      : [packaged('ffmpeg-static'), { origin: 'PATH', path: 'ffmpeg' }, packaged('@ffmpeg-installer')];
  for (const candidate of candidates) {
    if (candidate === undefined) continue;
    try {
      const found = await selfTest(candidate);
      log.info(
        {
          ...{ path: found.path, origin: found.origin, version: found.version },
          ...{ vsync: found.vsyncArgs.join(' '), h264: found.codesH264 },
        },
        'ffmpeg found',
      );
      if (found.origin === '@ffmpeg-installer') {
        log.warn(
          { version: found.version },
          'using the old bundled ffmpeg; get a current one with: apt-get install ffmpeg (or set FFMPEG_BIN)',
        );
      }
      return found;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      tried.push(`${candidate.origin} (${candidate.path}): ${reason}`);
      log.debug({ origin: candidate.origin, path: candidate.path, reason }, 'ffmpeg candidate refused');
    }
  }
  throw new AppError(
    'ffmpeg-missing',
    `no usable ffmpeg with libvpx was found; install one with "apt-get install ffmpeg" or set FFMPEG_BIN. Tried: ${tried.join('; ')}`,
  );
}

/** Where a package keeps its binary. The packages' own entry points read the environment or throw, so they are not loaded. */
function packaged(origin: 'ffmpeg-static' | '@ffmpeg-installer'): Candidate | undefined {
  const file = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg';
  const require = createRequire(import.meta.url);
  try {
    if (origin === 'ffmpeg-static') {
      return { origin, path: path.join(path.dirname(require.resolve('ffmpeg-static/package.json')), file) };
    }
    const inner = createRequire(require.resolve('@ffmpeg-installer/ffmpeg/package.json'));
    const folder = path.dirname(
      inner.resolve(`@ffmpeg-installer/${process.platform}-${process.arch}/package.json`),
    );
    const binary = path.join(folder, file);
    try {
      chmodSync(binary, 0o755); // the package ships it without the executable bit
    } catch {
      // Read-only or someone else's; the self-test tells whether it runs.
    }
    return { origin, path: binary };
  } catch {
    return undefined;
  }
}

/** Tries both spellings of the frame-timing option; throws the reason of the last failure. */
async function selfTest(candidate: Candidate): Promise<Ffmpeg> {
  let fault: string | undefined = 'it was not tried';
  for (const vsyncArgs of VSYNC_SPELLINGS) {
    fault = await faultOf(candidate, selfTestArgs(vsyncArgs), selfTestFault);
    if (fault === undefined) {
      const [version, h264Fault] = await Promise.all([
        versionOf(candidate),
        faultOf(candidate, h264TestArgs(vsyncArgs), h264TestFault),
      ]);
      return { ...candidate, vsyncArgs, version, codesH264: h264Fault === undefined };
    }
    if (fault.startsWith('cannot start')) break;
  }
  throw new Error(fault);
}

/** What is wrong with the binary's answer to the test pictures; undefined if nothing is. */
async function faultOf(
  candidate: Candidate,
  args: readonly string[],
  judge: (output: Uint8Array) => string | undefined,
): Promise<string | undefined> {
  const run = runFfmpeg(candidate, args, { timeLimitMs: SELF_TEST_LIMIT_MS });
  run.stdin.end(selfTestInput());
  const output: Buffer[] = [];
  run.stdout.on('data', (bytes: Buffer) => output.push(bytes));
  try {
    await run.done;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return judge(Buffer.concat(output));
}

async function versionOf(candidate: Candidate): Promise<string> {
  const run = runFfmpeg(candidate, ['-version'], { timeLimitMs: SELF_TEST_LIMIT_MS });
  let text = '';
  run.stdin.end();
  run.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  await run.done;
  return /^ffmpeg version (\S+)/m.exec(text)?.[1] ?? 'unknown';
}

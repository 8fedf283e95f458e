import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { assertDecodable, findFfmpeg } from '../adapters/ffmpeg.js';
import { AppError, toAppError } from '../errors.js';
import type { Log } from '../lib/log.js';
import { createLogger } from '../logger.js';
import { projectRoot } from '../paths.js';
import { runJob } from '../worker/job.js';
import type { PrepareInput } from '../worker/prepare-job.js';
import type { RenderInput } from '../worker/render-job.js';
import type { RenderResult } from '../worker/render.js';

/** `npm run render -- --source <video|photo|avatar id> --audio <file> --out <file.mp4>` */

const USAGE =
  'usage: npm run render -- --source <video, photo or avatar id> --audio <file> --out <file.mp4> [--fps 25] [--data-dir ./data] [--models-dir ./models] [--ffmpeg <program>]';

function readArgs() {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      source: text,
      audio: text,
      out: text,
      fps: text,
      'data-dir': text,
      'models-dir': text,
      ffmpeg: text,
    },
  });
  const { source, audio, out } = values;
  if (source === undefined || audio === undefined || out === undefined)
    throw new AppError('invalid-argument', USAGE);
  const fps = Number(values.fps ?? 25);
  if (!Number.isInteger(fps) || fps < 5 || fps > 60)
    throw new AppError('invalid-argument', `--fps: must be a whole number from 5 to 60, got ${values.fps}`);
  return {
    source,
    audio,
    out,
    fps,
    dataDir: values['data-dir'] ?? './data',
    modelsDir: path.resolve(values['models-dir'] ?? path.join(projectRoot(), 'models')),
    ffmpegBin: values.ffmpeg,
  };
}

/** One line that redraws itself on a terminal, and a line every tenth elsewhere. */
function progressBar(label: string): (fraction: number) => void {
  let last = -1;
  return (fraction) => {
    const step = Math.floor(fraction * (process.stderr.isTTY ? 100 : 10));
    if (step === last) return;
    last = step;
    const filled = Math.round(fraction * 30);
    const bar = `${label} [${'#'.repeat(filled)}${'-'.repeat(30 - filled)}] ${Math.round(fraction * 100)} %`;
    process.stderr.write(process.stderr.isTTY ? `\r${bar}${fraction >= 1 ? '\n' : ''}` : `${bar}\n`);
  };
}

async function render(log: Log): Promise<void> {
  const args = readArgs();
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort(new AppError('internal', 'stopped')));
  const ffmpeg = await findFfmpeg({
    ...(args.ffmpegBin === undefined ? {} : { ffmpegBin: args.ffmpegBin }),
    log,
  });
  await assertDecodable(args.audio);
  const isFile = await stat(args.source).then(
    (entry) => entry.isFile(),
    () => false,
  );
  const scratch = isFile ? await mkdtemp(path.join(tmpdir(), 'musecast-render-')) : undefined;
  try {
    const avatarsDir = scratch ?? path.resolve(args.dataDir, 'avatars');
    const common = { avatarsDir, modelsDir: args.modelsDir, ffmpeg, fps: args.fps, logLevel: 'warn' };
    if (scratch !== undefined) {
      await assertDecodable(args.source);
      const input: PrepareInput = { ...common, id: 'source', sourcePath: path.resolve(args.source) };
      await runJob('prepare-job', input, { signal: abort.signal, onProgress: progressBar('preparing') });
    }
    const input: RenderInput = {
      ...common,
      avatarId: scratch === undefined ? args.source : 'source',
      audioPath: path.resolve(args.audio),
      outPath: path.resolve(args.out),
    };
    const startedMs = performance.now();
    const { durationMs } = await runJob<RenderResult>('render-job', input, {
      signal: abort.signal,
      onProgress: progressBar('rendering'),
    });
    const tookMs = performance.now() - startedMs;
    process.stderr.write(
      `${args.out}: ${(durationMs / 1000).toFixed(1)} s in ${(tookMs / 1000).toFixed(1)} s, ${(durationMs / tookMs).toFixed(1)} times real time\n`,
    );
  } finally {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  }
}

render(createLogger('warn')).catch((error: unknown) => {
  process.stderr.write(`${toAppError(error).message}\n`);
  process.exit(error instanceof AppError && error.code === 'invalid-argument' ? 2 : 1);
});

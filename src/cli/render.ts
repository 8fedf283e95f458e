import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { assertDecodable, findFfmpeg } from '../adapters/ffmpeg.js';
import { readConfig } from '../config.js';
import { AppError, toAppError } from '../errors.js';
import { faceSettingsOf } from '../face-settings.js';
import type { Log } from '../lib/log.js';
import { createLogger } from '../logger.js';
import { runJob } from '../worker/job.js';
import type { PrepareInput } from '../worker/prepare-job.js';
import type { RenderInput } from '../worker/render-job.js';
import type { RenderResult } from '../worker/render.js';

/** `npm run render -- --source <video|photo|avatar id> --audio <file> --out <file.mp4>` */

const USAGE =
  'usage: npm run render -- --source <video, photo or avatar id> --audio <file> --out <file.mp4> [flags of the server: --engine, --fps, --data-dir, --musetalk-dir, ...]';

/** Its own three options; the others are the server's, with the same environment variables and defaults. */
function readArgs() {
  const own = new Map<string, string>();
  const rest: string[] = [];
  const argv = process.argv.slice(2);
  for (let i = 0; i < argv.length; i += 1) {
    const match = /^--(source|audio|out)(?:=(.*))?$/.exec(argv[i] ?? '');
    if (match?.[1] === undefined) rest.push(argv[i] ?? '');
    else own.set(match[1], match[2] ?? argv[(i += 1)] ?? '');
  }
  const [source, audio, out] = ['source', 'audio', 'out'].map((name) => own.get(name));
  if (!source || !audio || !out) throw new AppError('invalid-argument', USAGE);
  return { source, audio, out, config: readConfig(rest, process.env) };
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
  const { config } = args;
  const ffmpegBin = config.ffmpegBin ?? config.ffmpegPath;
  const ffmpeg = await findFfmpeg({ ...(ffmpegBin === undefined ? {} : { ffmpegBin }), log });
  const face = faceSettingsOf(config);
  await assertDecodable(args.audio);
  const isFile = await stat(args.source).then(
    (entry) => entry.isFile(),
    () => false,
  );
  const scratch = isFile ? await mkdtemp(path.join(tmpdir(), 'musecast-render-')) : undefined;
  try {
    const avatarsDir = scratch ?? path.join(config.dataDir, 'avatars');
    const common = {
      avatarsDir,
      modelsDir: config.modelsDir,
      ffmpeg,
      fps: config.fps,
      logLevel: 'warn',
      ...('missing' in face ? {} : { face }),
    };
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

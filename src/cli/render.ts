import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { assertDecodable, findFfmpeg } from '../adapters/ffmpeg.js';
import { AvatarStore } from '../avatar/store.js';
import { readConfig } from '../config.js';
import { AppError, toAppError } from '../errors.js';
import { faceSettingsOf } from '../face-settings.js';
import type { Log } from '../lib/log.js';
import { createLogger } from '../logger.js';
import { avatarJobFor } from '../worker/avatar-job.js';
import { runJob } from '../worker/job.js';
import type { PrepareInput } from '../worker/prepare-job.js';
import type { RenderInput } from '../worker/render-job.js';
import type { RenderResult } from '../worker/render.js';
import { takeOwnOptions } from './own-options.js';
import { progressBar } from './progress-bar.js';

/** `npm run render -- --source <video|photo|folder|avatar id> --audio <file> --out <file.mp4>` */

const USAGE =
  'usage: npm run render -- --source <video, photo, folder of PNG pictures or avatar id> --audio <file> --out <file.mp4> [flags of the server: --engine, --fps, --data-dir, --musetalk-dir, ...]';

/** Its own three options; the others are the server's, with the same environment variables and defaults. */
function readArgs() {
  const names = ['source', 'audio', 'out'];
  const { own, rest } = takeOwnOptions(process.argv.slice(2), names);
  const [source, audio, out] = names.map((name) => own.get(name));
  if (!source || !audio || !out) throw new AppError('invalid-argument', USAGE);
  return { source, audio, out, config: readConfig(rest, process.env) };
}

/** Whether a source is something to make an avatar of; a folder is not where an avatar has its name. */
async function isFootage(source: string, avatarsDir: string): Promise<boolean> {
  const entry = await stat(source).catch(() => undefined);
  if (entry?.isDirectory() !== true) return entry?.isFile() ?? false;
  return new AvatarStore(avatarsDir).get(source).then(
    () => false,
    () => true,
  );
}

async function render(log: Log): Promise<void> {
  const args = readArgs();
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort(new AppError('internal', 'stopped')));
  const { config } = args;
  const { ffmpegBin } = config;
  const ffmpeg = await findFfmpeg({ ...(ffmpegBin === undefined ? {} : { ffmpegBin }), log });
  const face = faceSettingsOf(config);
  await assertDecodable(args.audio);
  const storedDir = path.join(config.dataDir, 'avatars');
  const scratch = (await isFootage(args.source, storedDir))
    ? await mkdtemp(path.join(tmpdir(), 'musecast-render-'))
    : undefined;
  try {
    const avatarsDir = scratch ?? storedDir;
    const common = {
      avatarsDir,
      modelsDir: config.modelsDir,
      ffmpeg,
      fps: config.fps,
      logLevel: 'warn',
      ...('missing' in face ? {} : { face }),
    };
    if (scratch !== undefined) {
      const input: PrepareInput = { ...common, id: 'source', sourcePath: path.resolve(args.source) };
      await runJob(await avatarJobFor(input.sourcePath), input, {
        signal: abort.signal,
        onProgress: progressBar('preparing'),
      });
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

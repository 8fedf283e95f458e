import path from 'node:path';
import { findFfmpeg } from '../adapters/ffmpeg.js';
import { AVATAR_FPS, type AvatarManifest } from '../avatar/manifest.js';
import { readConfig } from '../config.js';
import { AppError, toAppError } from '../errors.js';
import { createLogger } from '../logger.js';
import type { ImportInput } from '../worker/import-job.js';
import { runJob } from '../worker/job.js';
import { takeOwnOptions } from './own-options.js';
import { progressBar } from './progress-bar.js';

/** `npm run import -- --folder <prepared by the MuseTalk reference> --id <avatar>` */

const USAGE =
  'usage: npm run import -- --folder <folder that the MuseTalk reference prepared> --id <avatar> [flags of the server: --data-dir, --models-dir, --ffmpeg, ...]';

/** Its own two options; the others are the server's, with the same environment variables and defaults. */
function readArgs() {
  const { own, rest } = takeOwnOptions(process.argv.slice(2), ['folder', 'id']);
  const folder = own.get('folder');
  const id = own.get('id');
  if (!folder || !id) throw new AppError('invalid-argument', USAGE);
  return { folder, id, config: readConfig(rest, process.env) };
}

async function importFolder(): Promise<void> {
  const { folder, id, config } = readArgs();
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort(new AppError('internal', 'stopped')));
  const { ffmpegBin } = config;
  const input: ImportInput = {
    id,
    sourcePath: path.resolve(folder),
    avatarsDir: path.join(config.dataDir, 'avatars'),
    modelsDir: config.modelsDir,
    fps: AVATAR_FPS,
    ffmpeg: await findFfmpeg({
      ...(ffmpegBin === undefined ? {} : { ffmpegBin }),
      log: createLogger('warn'),
    }),
    logLevel: 'warn',
  };
  const manifest = await runJob<AvatarManifest>('import-job', input, {
    signal: abort.signal,
    onProgress: progressBar('importing'),
  });
  const { frameCount, widthPx, heightPx, quality } = manifest;
  process.stderr.write(`avatar ${id}: ${frameCount} pictures of ${widthPx}x${heightPx} pixels\n`);
  for (const note of quality.notes) process.stderr.write(`  ${note}\n`);
}

importFolder().catch((error: unknown) => {
  process.stderr.write(`${toAppError(error).message}\n`);
  process.exit(error instanceof AppError && error.code === 'invalid-argument' ? 2 : 1);
});

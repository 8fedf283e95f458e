import type { Ffmpeg } from '../adapters/ffmpeg.js';
import type { AvatarManifest } from '../avatar/manifest.js';
import { prepareAvatar } from '../avatar/prepare.js';
import { ensureFaceModels } from '../face/models.js';
import { smoothLandmarks } from '../face/smoothing.js';
import { FaceTracker } from '../face/tracker.js';
import { createLogger } from '../logger.js';
import { serveJob } from './job.js';

export interface PrepareInput {
  id: string;
  sourcePath: string;
  avatarsDir: string;
  modelsDir: string;
  fps: number;
  ffmpeg: Ffmpeg;
  logLevel: string;
}

/** Process entry: prepares one avatar (see job.ts). */
await serveJob<PrepareInput, AvatarManifest>(async (input, { onProgress, signal }) => {
  const log = createLogger(input.logLevel, { process: 'prepare', avatar: input.id });
  const tracker = await FaceTracker.create(await ensureFaceModels(input.modelsDir, log));
  try {
    return await prepareAvatar({ ...input, tracker, smooth: smoothLandmarks, onProgress, signal, log });
  } finally {
    await tracker.close();
  }
});

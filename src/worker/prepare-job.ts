import type { Ffmpeg } from '../adapters/ffmpeg.js';
import type { AvatarManifest } from '../avatar/manifest.js';
import { AvatarStore } from '../avatar/store.js';
import { prepareAvatar } from '../avatar/prepare.js';
import { ensureFaceModels } from '../face/models.js';
import { smoothLandmarks } from '../face/smoothing.js';
import { FaceTracker } from '../face/tracker.js';
import { createLogger } from '../logger.js';
import type { FaceEngineSettings } from '../engine/engine-settings.js';
import type { AvatarFaceParameters } from '../engine/face-basis.js';
import { toAppError } from '../errors.js';
import { serveJob } from './job.js';
import { prepareFaces } from './prepare-faces.js';
import { prepareStill } from './prepare-still.js';

export interface PrepareInput {
  id: string;
  sourcePath: string;
  avatarsDir: string;
  modelsDir: string;
  fps: number;
  ffmpeg: Ffmpeg;
  /** Also prepare it for this engine. */
  face?: FaceEngineSettings;
  /** Parameters of this avatar that differ from the engine's. */
  faceParameters?: AvatarFaceParameters;
  logLevel: string;
}

/** How much of a preparation with generated faces is over when the footage is tracked. */
const TRACKED_SHARE = 0.4;

/** Process entry: prepares one avatar (see job.ts). */
await serveJob<PrepareInput, AvatarManifest>(async (input, { onProgress, signal }) => {
  const log = createLogger(input.logLevel, { process: 'prepare', avatar: input.id });
  const share = input.face === undefined ? 1 : TRACKED_SHARE;
  const tracker = await FaceTracker.create(await ensureFaceModels(input.modelsDir, log));
  const manifest = await prepareAvatar({
    ...input,
    tracker,
    smooth: smoothLandmarks,
    onProgress: (fraction) => onProgress(share * fraction),
    signal,
    log,
  }).finally(() => tracker.close());
  const store = new AvatarStore(input.avatarsDir);
  await prepareStill(store, manifest.id, log);
  if (input.face !== undefined) {
    try {
      await prepareFaces({
        ...input,
        face: input.face,
        onProgress: (fraction) => onProgress(share + (1 - share) * fraction),
        signal,
        log,
      });
    } catch (error) {
      // The avatar is whole without them: the CPU engine draws it, and whoever asks for the other is told why not.
      signal.throwIfAborted();
      log.warn({ err: toAppError(error) }, 'prepared for the CPU engine only');
    }
  }
  return store.get(manifest.id);
});

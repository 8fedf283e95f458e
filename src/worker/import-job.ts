import path from 'node:path';
import type { Ffmpeg } from '../adapters/ffmpeg.js';
import type { AvatarManifest } from '../avatar/manifest.js';
import { AvatarStore } from '../avatar/store.js';
import { importReference, type MaterialTarget } from '../avatar/reference/import-reference.js';
import { materialFolder } from '../engine/face-basis.js';
import { DEFAULT_FACE_PARAMETERS } from '../engine/faces/face-material.js';
import { BY_REFERENCE, type MaterialHeader } from '../engine/faces/material-file.js';
import { MaterialWriter } from '../engine/faces/material-writer.js';
import { INPUT_VALUES } from '../engine/musetalk/face-encoder.js';
import { FACE_SIDE_PX } from '../engine/musetalk/models/model-set.js';
import { ensureFaceModels } from '../face/models.js';
import { smoothLandmarks } from '../face/smoothing.js';
import { FaceTracker } from '../face/tracker.js';
import { createLogger } from '../logger.js';
import { serveJob } from './job.js';
import { prepareStill } from './prepare-still.js';

const FAMILY = 'musetalk';

export interface ImportInput {
  id: string;
  /** A folder that the MuseTalk reference prepared. */
  sourcePath: string;
  avatarsDir: string;
  modelsDir: string;
  fps: number;
  ffmpeg: Ffmpeg;
  logLevel: string;
}

/** Process entry: makes an avatar, and its material for MuseTalk, of a folder of the reference (see job.ts). */
await serveJob<ImportInput, AvatarManifest>(async (input, { onProgress, signal }) => {
  const log = createLogger(input.logLevel, { process: 'import', avatar: input.id });
  const tracker = await FaceTracker.create(await ensureFaceModels(input.modelsDir, log));
  await importReference({
    ...input,
    folderPath: input.sourcePath,
    tracker,
    smooth: smoothLandmarks,
    // Until it is whole, the avatar's folder has another name than its id.
    openSink: (target) =>
      MaterialWriter.create(
        materialFolder(input.avatarsDir, path.basename(target.folder), FAMILY),
        headerOf(target),
      ),
    onProgress,
    signal,
    log,
  }).finally(() => tracker.close());
  const store = new AvatarStore(input.avatarsDir);
  await prepareStill(store, input.id, log);
  await store.noteFaces(input.id, FAMILY, []);
  return store.get(input.id);
});

/** What the folder tells of its origin; the rest is the reference's defaults. Folders that tell no version are of v1. */
function headerOf({ info }: MaterialTarget): MaterialHeader {
  return {
    family: FAMILY,
    parameters: {
      ...DEFAULT_FACE_PARAMETERS,
      version: info.version ?? 'v1',
      bboxShiftPx: info.bboxShift,
      smoothBoxes: false,
    },
    modelHashes: {},
    landmarks: BY_REFERENCE,
    parsing: BY_REFERENCE,
    faceSidePx: FACE_SIDE_PX,
    inputValues: INPUT_VALUES,
  };
}

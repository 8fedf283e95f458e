import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { AvatarStore } from '../avatar/store.js';
import type { FaceEngineSettings } from '../engine/engine-settings.js';
import { openEngine } from './open-engine.js';
import { createLogger } from '../logger.js';
import { serveJob } from './job.js';
import { renderToFile, type RenderResult } from './render.js';

export interface RenderInput {
  avatarId: string;
  avatarsDir: string;
  modelsDir: string;
  audioPath: string;
  outPath: string;
  framesDir?: string;
  limitMs?: number;
  fps: number;
  /** Absent: the CPU engine. */
  face?: FaceEngineSettings;
  ffmpeg: Ffmpeg;
  logLevel: string;
}

/** Process entry: renders one file (see job.ts). */
await serveJob<RenderInput, RenderResult>(async (input, { onProgress, signal }) => {
  const log = createLogger(input.logLevel, { process: 'render', avatar: input.avatarId });
  const avatar = await new AvatarStore(input.avatarsDir).open(input.avatarId);
  // A file has time: its faces are rehearsed, which gives the reference's own numbers.
  const face = input.face && { ...input.face, mode: 'prerendered' as const };
  const { engine } = await openEngine({ ...input, ...(face === undefined ? {} : { face }), log });
  try {
    return await renderToFile({ ...input, engine, avatar, onProgress, signal });
  } finally {
    await engine.close();
    avatar.close();
  }
});

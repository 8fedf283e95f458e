import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { AvatarStore } from '../avatar/store.js';
import { CpuEngine } from '../engine/cpu/cpu-engine.js';
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
  ffmpeg: Ffmpeg;
  logLevel: string;
}

/** Process entry: renders one file (see job.ts). */
await serveJob<RenderInput, RenderResult>(async (input, { onProgress, signal }) => {
  const log = createLogger(input.logLevel, { process: 'render', avatar: input.avatarId });
  const avatar = await new AvatarStore(input.avatarsDir).open(input.avatarId);
  const engine = await CpuEngine.create({ modelsDir: input.modelsDir, log });
  try {
    return await renderToFile({ ...input, engine, avatar, onProgress, signal });
  } finally {
    await engine.close();
    avatar.close();
  }
});

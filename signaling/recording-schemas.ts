import { z } from '@hono/zod-openapi';
import { END_REASONS } from '../src/session/recording/recording-manifest.js';

/** Of one recording; the server's own limits hold where they are lower. */
export const recordingStartSchema = z
  .object({
    maxLengthS: z.number().int().min(1).max(604_800).optional(),
    maxBytes: z.number().int().min(65_536).max(Number.MAX_SAFE_INTEGER).optional(),
  })
  .strict()
  .openapi('RecordingStart');

export const recordingSchema = z
  .object({
    id: z.string(),
    session: z.string(),
    avatar: z.string(),
    state: z.enum(['recording', 'finished', 'recovered']),
    reason: z.enum(END_REASONS).optional().openapi({ description: 'Why it ended.' }),
    createdAtUnixS: z.number(),
    startMediaMs: z
      .number()
      .optional()
      .openapi({ description: 'Media time of the session at which the file begins.' }),
    fps: z.number(),
    widthPx: z.number().int().optional(),
    heightPx: z.number().int().optional(),
    durationMs: z.number(),
    sizeBytes: z.number().int(),
    mp4: z
      .object({
        state: z.enum(['making', 'ready', 'failed']),
        progress: z.number().min(0).max(1),
        sizeBytes: z.number().int().optional(),
        message: z.string().optional(),
      })
      .optional()
      .openapi({ description: 'Once somebody asked for it.' }),
    urls: z.object({ file: z.string() }),
  })
  .openapi('Recording');

import { z } from 'zod';

/** Why a recording ended; `server-died` is found out at the next start. */
export const END_REASONS = [
  'stopped',
  'session-ended',
  'max-length',
  'max-bytes',
  'storage-full',
  'disk-slow',
  'disk-failed',
  'server-died',
] as const;
export type EndReason = (typeof END_REASONS)[number];

/** Random, so that nobody finds one by trying; also the name of its files. */
export const RECORDING_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const count = z.number().int().min(0);

/** `<id>.json`, beside `<id>.webm` and what was made of it. */
export const manifestSchema = z.object({
  version: z.literal(1),
  id: z.string().regex(RECORDING_ID),
  session: z.string(),
  avatar: z.string(),
  createdAtUnixS: z.number(),
  fps: z.number().positive(),
  state: z.enum(['recording', 'finished', 'recovered']),
  /** Of one that is over. */
  reason: z.enum(END_REASONS).optional(),
  /** Media time of the session at which the file begins; absent until the first picture. */
  startMediaMs: z.number().optional(),
  widthPx: count.optional(),
  heightPx: count.optional(),
  durationMs: z.number().min(0),
  sizeBytes: count,
  /** The process that writes it. */
  pid: count,
});
export type RecordingManifest = Readonly<z.infer<typeof manifestSchema>>;

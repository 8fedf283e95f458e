import { z } from '@hono/zod-openapi';
import { textSchema, voiceSchema } from '../schemas.js';

/** Bodies as LiveTalking's clients write them: `null` and an empty string often stand for nothing. */

const blank = z.string().max(1024).nullish();
/** Older clients send numbers. */
const sessionId = z.union([z.string(), z.number()]).default('').transform(String);
const flag = z
  .union([z.boolean(), z.number(), z.string()])
  .nullish()
  .transform((given) => given === true || given === 1 || /^(true|1)$/i.test(String(given)));

export const offerSchema = z
  .object({
    sdp: z.string().min(1),
    type: z.literal('offer'),
    avatar: blank,
    refaudio: blank,
    reftext: z.string().nullish(),
    custom_config: z.string().max(65_536).nullish().openapi({
      description: 'JSON: [{"audiotype": 2, "imgpath": "wave"}]; the last part of imgpath names an action.',
    }),
  })
  .openapi('LiveTalkingOffer');

export const customConfigSchema = z
  .array(
    z.object({
      audiotype: z.number().int(),
      imgpath: z.string().max(4096).nullish(),
      audiopath: z.string().max(4096).nullish(),
    }),
  )
  .max(64);
export type CustomConfig = z.infer<typeof customConfigSchema>;

export const sessionSchema = z.object({ sessionid: sessionId }).openapi('LiveTalkingSession');

export const humanSchema = z
  .object({
    sessionid: sessionId,
    type: z.enum(['echo', 'chat']),
    text: textSchema,
    interrupt: flag,
    tts: z.object({ voice: voiceSchema.nullish() }).nullish(),
  })
  .openapi('LiveTalkingHuman');

export const audioTypeSchema = z
  .object({ sessionid: sessionId, audiotype: z.coerce.number().int() })
  .openapi('LiveTalkingAudioType');

export const recordSchema = z
  .object({ sessionid: sessionId, type: z.enum(['start_record', 'end_record']) })
  .openapi('LiveTalkingRecord');

/** As JSON, or as the fields of a form; what concerns networks that are not here is passed over. */
export const avatarTaskSchema = z
  .object({
    model: z.enum(['wav2lip', 'musetalk'], { error: 'must be wav2lip or musetalk' }),
    avatar_id: z.string(),
    video_path: z.string().min(1).max(4096).optional(),
    nosmooth: flag,
    bbox_shift: z.coerce.number().int().min(-100).max(100).default(0),
    extra_margin: z.coerce.number().int().min(0).max(200).default(10),
    parsing_mode: z.enum(['jaw', 'raw', 'neck']).default('jaw'),
    task_id: z
      .string()
      .regex(/^[\w.-]{1,128}$/, 'must be 1 to 128 letters, digits, dots, underscores or dashes')
      .optional(),
    notifyurl: blank,
  })
  .openapi('LiveTalkingAvatarTask');

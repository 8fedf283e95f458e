import { z } from '@hono/zod-openapi';
import { LIVE_RATES } from '../src/media/upsample.js';

/** First character never a dot or dash: an id is also a folder name. */
export const AVATAR_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export const avatarIdSchema = z
  .string()
  .regex(
    AVATAR_ID,
    'must be 1 to 64 letters, digits, dots, underscores or dashes, and begin with a letter or digit',
  )
  .openapi({ example: 'avatar1' });

const pathSchema = z.string().min(1, 'must not be empty').max(4096);

/** Pictures a second. */
export const fpsSchema = z.number().int().min(5).max(60).openapi({ example: 25 });

export const legacyAvatarCreateSchema = z
  .object({
    avatar_id: avatarIdSchema,
    video_path: pathSchema.openapi({ example: 'data/video/yongen.mp4' }),
    bbox_shift: z.number().int().min(-100).max(100).default(0),
    batch_size: z.number().int().min(1).max(256).default(20),
  })
  .openapi('LegacyAvatarCreate');

export const legacyInferenceStartSchema = z
  .object({
    avatar_id: avatarIdSchema,
    audio_path: pathSchema.openapi({ example: 'data/audio/yongen.wav' }),
    fps: fpsSchema.default(25),
    skip_save_images: z.boolean().default(true),
  })
  .openapi('LegacyInferenceStart');

export const legacyErrorSchema = z
  .object({
    detail: z.union([
      z.string(),
      z.array(
        z.object({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string(), type: z.string() }),
      ),
    ]),
  })
  .openapi('LegacyError');

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string().openapi({ description: 'Stable; meant for programs.', example: 'avatar-not-found' }),
    instance: z.string(),
    errors: z
      .array(z.object({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string(), type: z.string() }))
      .optional(),
  })
  .openapi('Problem');

export const avatarSchema = z
  .object({
    id: z.string(),
    state: z.enum(['preparing', 'ready', 'failed']),
    progress: z.number().min(0).max(1),
    createdAtUnixS: z.number(),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
    widthPx: z.number().int().optional(),
    heightPx: z.number().int().optional(),
    fps: z.number().optional(),
    frameCount: z.number().int().optional(),
    still: z.boolean().optional(),
    quality: z
      .object({
        framesUsed: z.number().int(),
        framesWithoutFace: z.number().int(),
        framesTooSmall: z.number().int(),
        framesTurnedAway: z.number().int(),
        mouthOpening: z.object({ min: z.number(), median: z.number(), max: z.number() }),
        notes: z.array(z.string()),
      })
      .optional(),
    faces: z.record(z.string(), z.object({ notes: z.array(z.string()) })).optional(),
  })
  .openapi('Avatar');

/** A clip that an avatar can play. */
export const actionSchema = avatarSchema
  .omit({ id: true, faces: true })
  .extend({ name: z.string(), durationMs: z.number().optional() })
  .openapi('Action');

export const actionFromPathSchema = z
  .object({ name: avatarIdSchema, path: pathSchema })
  .openapi('ActionFromPath');
export const actionFormSchema = z.object({ name: avatarIdSchema });

/**
 * Names and ranges of the MuseTalk script's own options; what is absent is the server's setting. Not the version: that
 * belongs to the weights, which all avatars share.
 */
export const faceParametersSchema = z
  .object({
    bboxShiftPx: z.number().int().min(-100).max(100),
    extraMarginPx: z.number().int().min(0).max(200),
    parsingMode: z.enum(['jaw', 'raw', 'neck']),
    leftCheekWidthPx: z.number().int().min(0).max(256),
    rightCheekWidthPx: z.number().int().min(0).max(256),
    smoothBoxes: z.boolean(),
  })
  .partial()
  .strict()
  .openapi('FaceParameters');

export const avatarFromPathSchema = z
  .object({ id: avatarIdSchema, path: pathSchema, faceParameters: faceParametersSchema.optional() })
  .openapi('AvatarFromPath');
/** As a form's fields, the parameters being JSON. */
export const avatarFormSchema = z.object({
  id: avatarIdSchema,
  faceParameters: faceParametersSchema.optional(),
});

/** Sound that is already on the server: a path inside the media roots, or the demo that is shipped. */
export const soundSchema = z
  .union([z.object({ path: pathSchema }), z.object({ demo: z.literal(true) })])
  .openapi('Sound');

export const speechModeSchema = z.enum(['append', 'replace', 'interrupt']).openapi({
  description:
    'Behind all that waits; instead of all that plays and waits; or instead of what plays, before what waits.',
});

/** Hz. */
export const liveRateSchema = z.union(LIVE_RATES.map((rate) => z.literal(rate)));

/** A moment of a session, as its viewers' players count it, too. */
export const heardAtSchema = z
  .object({
    mediaMs: z.number(),
    rtp: z.object({ audio: z.number().int(), video: z.number().int() }),
  })
  .openapi('HeardAt');

/** An utterance as it is told. */
export const utteranceInfoSchema = z
  .object({
    id: z.string(),
    state: z.enum(['waiting', 'playing', 'ended', 'interrupted', 'failed']),
    mode: speechModeSchema,
    createdAtUnixS: z.number(),
    playedMs: z.number().openapi({ description: 'How much of its sound was heard.' }),
    durationMs: z.number().optional().openapi({ description: 'Known once its sound was read to the end.' }),
    startedAtMs: z.number().optional().openapi({ description: 'Media time.' }),
    endedAtMs: z.number().optional(),
    resumable: z.boolean(),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
  })
  .openapi('UtteranceInfo');

/** Characters of one request: some ten minutes of speech. */
const MAX_TEXT_CHARS = 10_000;

/** Text to be spoken, or to be answered by a language model. */
export const textSchema = z.string().trim().min(1, 'must not be empty').max(MAX_TEXT_CHARS);
/** A name that the speech service knows. */
export const voiceSchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 visible ASCII characters');

export const utteranceSchema = z
  .object({
    path: pathSchema.optional(),
    demo: z.literal(true).optional(),
    text: textSchema.optional(),
    type: z
      .enum(['say', 'chat'])
      .optional()
      .openapi({ description: 'Of text: it is spoken (say), or what the language model answers to it.' }),
    voice: voiceSchema.optional().openapi({ description: 'Of text.' }),
    stream: z.object({ sampleRate: liveRateSchema }).optional(),
    mode: speechModeSchema.default('append'),
  })
  .refine(
    (body) => [body.path, body.demo, body.text, body.stream].filter((one) => one !== undefined).length === 1,
    { message: 'exactly one of path, demo, text and stream is needed' },
  )
  .refine(({ text, type, voice }) => text !== undefined || (type === undefined && voice === undefined), {
    message: 'type and voice go together with text',
  })
  .openapi('Utterance');

export const sessionCreateSchema = z
  .object({
    avatar: avatarIdSchema,
    engine: z.enum(['auto', 'cpu', 'musetalk', 'wav2lip']).optional(),
    fps: fpsSchema.optional(),
    audio: soundSchema.optional(),
    saveImages: z.boolean().optional(),
    endAfterSpeech: z.boolean().optional(),
    idleTimeoutS: z.number().int().min(5).max(86_400).optional(),
    maxLengthS: z.number().int().min(5).max(604_800).optional(),
  })
  .openapi('SessionCreate');

const playoutDelayMs = z.number().int().min(0).max(40_950);

/** The delay's range is that of the playout-delay header extension: 12 bits of 10 ms. */
export const sessionSettingsSchema = z
  .object({
    avatar: avatarIdSchema.optional().openapi({
      description:
        'Takes the place of the present one with a cross-fade of 200 ms; fitted into the picture size of the session.',
    }),
    background: z
      .string()
      .regex(/^#[0-9a-f]{6}$/i, 'must be a colour such as #00b140')
      .nullable()
      .optional()
      .openapi({
        description: 'Behind the person of a photo; null: its own. Avatars of footage keep theirs.',
      }),
    fps: fpsSchema
      .optional()
      .openapi({ description: 'At most what the session began with: pictures are left out.' }),
    idleActions: z
      .array(z.object({ name: avatarIdSchema, everyS: z.number().min(1).max(3600) }).strict())
      .max(8)
      .optional()
      .openapi({ description: 'Played while nobody speaks, each after a pause of everyS seconds.' }),
    maxBitrateBps: z.number().int().min(100_000).max(8_000_000).optional(),
    quality: z.enum(['auto', 'high', 'mid', 'low']).optional(),
    mouthStrength: z.number().min(0).max(2).optional(),
    mouthSmoothing: z.number().min(0).max(0.95).optional(),
    playoutDelayMs: z
      .object({ min: playoutDelayMs, max: playoutDelayMs })
      .strict()
      .refine(({ min, max }) => min <= max, { message: 'min must not exceed max' })
      .optional(),
  })
  .strict()
  .openapi('SessionSettings');

/** What a session's avatar shall play. */
export const actionPlaySchema = z
  .object({ name: avatarIdSchema, times: z.number().int().min(1).max(1000).default(1) })
  .strict()
  .openapi('ActionPlay');

/** What it plays then. */
export const actionPlayingSchema = z
  .object({ id: z.string(), name: z.string(), at: heardAtSchema })
  .openapi('ActionPlaying');

export const sessionSchema = z
  .object({
    id: z.string(),
    avatar: z.string(),
    state: z.enum(['idle', 'listening', 'speaking', 'ended']),
    fps: z.number(),
    createdAtUnixS: z.number(),
    viewers: z.number().int(),
    action: z
      .object({ id: z.string(), name: z.string() })
      .optional()
      .openapi({ description: 'The action that plays.' }),
    widthPx: z.number().int(),
    heightPx: z.number().int(),
    engine: z.string(),
    engineMode: z.enum(['live', 'prerendered']),
    engineReason: z.string(),
    rendering: z.array(z.object({ utteranceId: z.string(), progress: z.number().min(0).max(1) })),
    live: z
      .object({
        depthMs: z.number(),
        targetMs: z.number(),
        jitterMs: z.number(),
        receivedMs: z.number(),
        spokenMs: z.number(),
        discardedMs: z.number(),
        hasRoom: z.boolean(),
      })
      .optional()
      .openapi({ description: 'How the sound of a live sender arrives and waits, while there is one.' }),
    settings: sessionSettingsSchema,
    stats: z.record(z.string(), z.number()),
    urls: z.object({
      whep: z.string(),
      whip: z.string(),
      mjpeg: z.string(),
      utterances: z.string(),
      audio: z.string(),
      events: z.string(),
      recording: z.string(),
      iceServers: z.string().optional(),
    }),
  })
  .openapi('Session');

/** The answer to a change of settings. */
export const sessionChangedSchema = sessionSchema
  .extend({
    takesHold: z
      .record(z.string(), z.object({ ms: z.number().nullable(), why: z.string().optional() }))
      .openapi({
        description:
          'For each setting: how long after the request what leaves the server shows it; null where that cannot be said.',
      }),
  })
  .openapi('SessionChanged');

const spreadSchema = z
  .object({ count: z.number().int(), min: z.number(), p50: z.number(), p95: z.number(), max: z.number() })
  .openapi('Spread', { description: 'Absent until there is a first value.' });

const viewerStatsSchema = z
  .object({
    id: z.string(),
    state: z.enum(['connecting', 'connected', 'closed']),
    rendition: z.string().optional(),
    moves: z.number().int().optional().openapi({ description: 'Times moved to another rendition.' }),
    sentBps: z.number().optional(),
    estimateBps: z
      .number()
      .optional()
      .openapi({ description: 'What the viewer says that its link carries.' }),
    connectedS: z.number().optional(),
    firstFrameMs: z.number().optional().openapi({ description: 'From the offer to the first picture sent.' }),
    lastPictureAgoMs: z.number().optional(),
    lastPictureMediaMs: z.number().optional(),
    frameGapMs: spreadSchema.optional(),
    rttMs: z.number().optional(),
    jitterMs: z.number().optional(),
    lostShare: z.number().min(0).max(1).optional(),
    freezes: z.number().int().optional(),
    freezeMs: z.number().optional(),
    picturesSent: z.number().int().optional(),
    keyPicturesSent: z.number().int().optional(),
    picturesHeldBack: z.number().int().optional(),
    soundsSent: z.number().int().optional(),
    keyframesRequested: z
      .object({ pli: z.number().int(), fir: z.number().int(), join: z.number().int() })
      .optional(),
    packetsRetransmitted: z.number().int().optional(),
    nacksMissed: z.number().int().optional(),
  })
  .openapi('ViewerStats');

export const sessionDetailSchema = sessionSchema
  .extend({
    media: z.object({
      skewMs: spreadSchema.optional().openapi({
        description: 'How much later a picture leaves than it should after the sound of its media time.',
      }),
      frameGapMs: spreadSchema.optional(),
      renderMs: spreadSchema.optional(),
      encoderDelayMs: spreadSchema.optional(),
      eventLoopDelayMs: spreadSchema.optional(),
      queuedPictures: spreadSchema.optional(),
      queuedSounds: spreadSchema.optional(),
      pictures: z.object({
        sent: z.number().int(),
        late: z.number().int(),
        dropped: z.number().int(),
        skipped: z.number().int(),
      }),
      freezes: z.number().int(),
      freezeMs: z.number(),
      allViewers: z.object({
        firstFrameMs: spreadSchema.optional(),
        frameGapMs: spreadSchema.optional(),
        rttMs: spreadSchema.optional(),
        lostShare: spreadSchema.optional(),
        freezes: z.number().int(),
        freezeMs: z.number(),
      }),
    }),
    viewerStats: z.array(viewerStatsSchema).max(100),
  })
  .openapi('SessionDetail');

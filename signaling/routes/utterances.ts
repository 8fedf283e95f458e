import { z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { LiveRate } from '../../src/media/upsample.js';
import { route } from '../describe.js';
import { fingerprintOf, fingerprintOfFile, Idempotency } from '../idempotency.js';
import { pathParam } from '../params.js';
import type { MediaPathsPort, SessionsPort, SpeechMode, TalkPort, UtteranceInfo } from '../ports.js';
import { HttpRefusal } from '../problem.js';
import { bodyChunks, mediaTypeOf, readBody, readJson, validate } from '../request-body.js';
import {
  heardAtSchema,
  liveRateSchema,
  speechModeSchema,
  utteranceInfoSchema,
  utteranceSchema,
} from '../schemas.js';
import { discard, receiveForm, receiveRaw, type UploadedFile } from '../uploads.js';

export interface UtteranceRoutesOptions {
  readonly maxUploadBytes: number;
  readonly demoAudioPath: string;
}

/** A piece of sound in a request of its own: 10 s at 48 kHz. */
export const MAX_PIECE_BYTES = 1_048_576;

const binary = z.string().openapi({ format: 'binary' });
const accepted = utteranceInfoSchema.extend({ utteranceId: z.string() });

export async function soundPathOf(
  sound: { path?: string | undefined; demo?: true | undefined },
  paths: MediaPathsPort,
  demoAudioPath: string,
): Promise<string> {
  return sound.path !== undefined ? paths.resolve(sound.path) : demoAudioPath;
}

/** What a session says: one resource an utterance, and the verbs that stop and go on. */
export function utteranceRoutes(
  app: OpenAPIHono,
  ports: { sessions: SessionsPort; talk: TalkPort; paths: MediaPathsPort },
  options: UtteranceRoutesOptions,
): void {
  const { sessions, talk, paths } = ports;
  const limits = { uploadsDir: paths.uploadsDir, maxUploadBytes: options.maxUploadBytes };
  const idempotency = new Idempotency<UtteranceInfo>();

  route(
    app,
    {
      method: 'post',
      path: '/v1/sessions/{id}/utterances',
      tag: 'sessions',
      summary:
        'Say something: a sound file, a path, text, or sound that follows in pieces. Idempotency-Key is heeded',
      body: {
        'application/json': utteranceSchema,
        'multipart/form-data': z.object({ mode: speechModeSchema.optional(), file: binary }),
        'audio/*': binary,
      },
      status: 201,
      answer: 'Queued (200 for a repeat under one Idempotency-Key); Location tells what becomes of it',
      schema: accepted,
      refusals: [400, 403, 404, 409, 413, 415, 422, 429, 501, 503],
    },
    async function say(c) {
      const id = pathParam(c, 'id');
      // An unknown session is refused before a large body is taken in.
      sessions.get(id);
      const { answer, isRepeat } = await sayBody(c, id);
      return c.json({ utteranceId: answer.id, ...answer }, isRepeat ? 200 : 201, {
        Location: `/v1/sessions/${encodeURIComponent(id)}/utterances/${answer.id}`,
      });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/sessions/{id}/utterances',
      tag: 'sessions',
      summary: 'List what a session says, will say, and said',
      status: 200,
      answer: 'In the order in which they were accepted; of those that are over, the newest 256',
      schema: z.object({ utterances: z.array(utteranceInfoSchema) }),
      refusals: [404],
    },
    (c) => c.json({ utterances: talk.utterances(pathParam(c, 'id')) }),
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/sessions/{id}/utterances/{utterance}',
      tag: 'sessions',
      summary: 'Tell what became of an utterance, and how much of it was heard',
      status: 200,
      answer: 'The utterance',
      schema: utteranceInfoSchema,
      refusals: [404],
    },
    (c) => c.json(talk.utterance(pathParam(c, 'id'), pathParam(c, 'utterance'))),
  );

  route(
    app,
    {
      method: 'delete',
      path: '/v1/sessions/{id}/utterances/{utterance}',
      tag: 'sessions',
      summary: 'Take an utterance out, be it waiting or playing; the others go on',
      status: 204,
      answer: 'It is not heard any more; also if it was over before',
      refusals: [404],
    },
    async function drop(c) {
      await talk.dropUtterance(pathParam(c, 'id'), pathParam(c, 'utterance'));
      return c.body(null, 204);
    },
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/sessions/{id}/utterances/{utterance}/sound',
      tag: 'sessions',
      summary: 'The next piece of an utterance that was opened with "stream": PCM16LE, mono, 1 MiB at most',
      body: { 'application/octet-stream': binary },
      status: 200,
      answer: 'Taken; hasRoom false asks to wait until less of it is buffered. ?last=true ends the utterance',
      schema: z.object({ receivedMs: z.number(), bufferedMs: z.number(), hasRoom: z.boolean() }),
      refusals: [400, 404, 409, 413, 422, 429, 503],
    },
    async function takePiece(c) {
      const [id, utterance] = [pathParam(c, 'id'), pathParam(c, 'utterance')];
      talk.utterance(id, utterance);
      const bytes = await readBody(c, MAX_PIECE_BYTES);
      const { seq, last } = validate(pieceQuery, c.req.query());
      if (bytes.length % 2 !== 0)
        throw new HttpRefusal(400, 'odd-pcm', `${bytes.length} bytes are no whole number of 16-bit samples`);
      return c.json(talk.pushSound(id, utterance, bytes, { ...(seq === undefined ? {} : { seq }), last }));
    },
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/sessions/{id}/interrupt',
      tag: 'sessions',
      summary: 'Stop speaking and drop what is queued',
      status: 200,
      answer: 'It is silent: what was heard of each, and how long the stop took',
      schema: z.object({
        playedMs: z.number().openapi({ description: 'How much was heard of what played.' }),
        dropped: z.array(z.object({ utteranceId: z.string(), playedMs: z.number() })),
        resumable: z.boolean(),
        silentAt: heardAtSchema.optional(),
        shutAt: heardAtSchema.optional(),
        soundStoppedMs: z.number().openapi({ description: 'From the request to the first silent packet.' }),
        mouthClosedMs: z
          .number()
          .optional()
          .openapi({ description: 'To the first picture with a shut mouth.' }),
        stoppedMs: z.number(),
      }),
      refusals: [404, 429],
    },
    async (c) => c.json(await talk.interrupt(pathParam(c, 'id'))),
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/sessions/{id}/resume',
      tag: 'sessions',
      summary: 'Go on with what was interrupted last, from where it stopped',
      status: 200,
      answer: 'Queued before all that waits',
      schema: z.object({ resumed: z.array(z.string()) }),
      refusals: [404, 409, 429],
    },
    (c) => c.json(talk.resume(pathParam(c, 'id'))),
  );

  async function sayBody(c: Context, id: string): Promise<{ answer: UtteranceInfo; isRepeat: boolean }> {
    const mediaType = mediaTypeOf(c);
    const key = c.req.header('idempotency-key');
    if (mediaType === 'application/json') {
      const body = await readJson(c, utteranceSchema);
      const print = () => Promise.resolve(fingerprintOf(JSON.stringify(body)));
      return idempotency.once(id, key, print, () => sayJson(id, body));
    }
    if (mediaType === 'audio/pcm') {
      const said = sayWhileItComes(c, id);
      return { answer: await said, isRepeat: false };
    }
    const { file, mode } = await receiveSound(c, mediaType);
    let isOwned = false;
    try {
      return await idempotency.once(
        id,
        key,
        () => fingerprintOfFile(file.path, mode),
        () => {
          isOwned = true;
          return talk.say(id, { audioPath: file.path, audioIsUpload: true, mode });
        },
      );
    } finally {
      if (!isOwned) await discard(file);
    }
  }

  async function sayJson(id: string, body: z.infer<typeof utteranceSchema>): Promise<UtteranceInfo> {
    const { mode, text, type, voice, stream } = body;
    if (text !== undefined)
      return type === 'chat' ? talk.chat(id, { text, voice, mode }) : talk.sayText(id, { text, voice, mode });
    if (stream !== undefined) return talk.openUtterance(id, { ...stream, mode });
    return talk.say(id, { audioPath: await soundPathOf(body, paths, options.demoAudioPath), mode });
  }

  /** Raw sound is spoken while its body still arrives; the sender is held back when it is far ahead. */
  async function sayWhileItComes(c: Context, id: string): Promise<UtteranceInfo> {
    const sampleRate = rateOf(c);
    const { id: utteranceId } = talk.openUtterance(id, { sampleRate, mode: modeOf(c) });
    try {
      for await (const bytes of bodyChunks(c)) {
        let { hasRoom } = talk.pushSound(id, utteranceId, bytes, {});
        while (!hasRoom && !c.req.raw.signal.aborted) {
          await new Promise((resolve) => setTimeout(resolve, WAIT_FOR_ROOM_MS));
          ({ hasRoom } = talk.pushSound(id, utteranceId, new Uint8Array(0), {}));
        }
      }
    } finally {
      // What came of a body that broke off is spoken.
      endQuietly(id, utteranceId);
    }
    return talk.utterance(id, utteranceId);
  }

  function endQuietly(id: string, utteranceId: string): void {
    try {
      talk.pushSound(id, utteranceId, new Uint8Array(0), { last: true });
    } catch {
      // It is over already, or its session is.
    }
  }

  async function receiveSound(
    c: Context,
    mediaType: string,
  ): Promise<{ file: UploadedFile; mode: SpeechMode }> {
    if (mediaType === 'multipart/form-data') {
      const { file, fields } = await receiveForm(c, limits, (early) => void modeOf(c, early));
      try {
        return { file, mode: modeOf(c, fields) };
      } catch (error) {
        await discard(file);
        throw error;
      }
    }
    if (
      /^(audio|video)\//.test(mediaType) ||
      mediaType === 'application/octet-stream' ||
      mediaType === 'application/ogg'
    ) {
      const mode = modeOf(c);
      return { file: await receiveRaw(c, limits), mode };
    }
    throw new HttpRefusal(
      415,
      'unsupported-media-type',
      `an utterance is JSON, a form with a file, or a sound file, not "${mediaType}"`,
    );
  }
}

const WAIT_FOR_ROOM_MS = 100;

const pieceQuery = z.object({
  seq: z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number from 0')
    .transform(Number)
    .optional(),
  last: z
    .enum(['true', 'false'])
    .default('false')
    .transform((given) => given === 'true'),
});

function modeOf(c: Context, fields: Readonly<Record<string, string>> = {}): SpeechMode {
  const mode = fields['mode'] ?? c.req.query('mode');
  return mode === undefined ? 'append' : validate(z.object({ mode: speechModeSchema }), { mode }).mode;
}

/** `audio/pcm;rate=16000` */
function rateOf(c: Context): LiveRate {
  const rate = /;\s*rate="?(\d+)"?/i.exec(c.req.header('content-type') ?? '')?.[1];
  return validate(z.object({ rate: liveRateSchema }), { rate: Number(rate) }).rate;
}

import { z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { AppError, isAppError } from '../../src/errors.js';
import type { Log } from '../../src/lib/log.js';
import { route, type RouteText } from '../describe.js';
import type { AvatarsPort, MediaPathsPort, RecordingsPort, SessionsPort, TalkPort } from '../ports.js';
import { validate } from '../request-body.js';
import { readOfferBody, SDP } from '../sdp-http.js';
import { sseResponse } from '../sse.js';
import { AVATAR_ID } from '../schemas.js';
import { discard, receiveForm } from '../uploads.js';
import { avatarTaskRoutes } from './avatar-task-routes.js';
import { enveloped, jsonBody, ok } from './envelope.js';
import { Guests } from './guests.js';
import { recordRoutes } from './record-routes.js';
import { audioTypeSchema, humanSchema, offerSchema, sessionSchema } from './schemas.js';
import { followSpeech, type SpeechStatus } from './speech-events.js';

export interface LiveTalkingOptions {
  /** Of offers that name none. */
  readonly avatarId: string;
  readonly maxSessions: number;
  /** What its admin page shows; nothing secret. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** The HTTP API of LiveTalking over our sessions: see livetalking.md. */
export function liveTalkingRoutes(
  app: OpenAPIHono,
  ports: {
    avatars: AvatarsPort;
    sessions: SessionsPort;
    talk: TalkPort;
    recordings: RecordingsPort;
    paths: MediaPathsPort;
    log: Log;
  },
  options: LiveTalkingOptions & { maxUploadBytes: number; keepAliveMs: number; nowMs: () => number },
): void {
  const { sessions, talk, recordings, paths, log } = ports;
  const limits = { uploadsDir: paths.uploadsDir, maxUploadBytes: options.maxUploadBytes };
  const guests = new Guests(sessions, options);

  /** One that is answered in the envelope. */
  const post = (
    path: string,
    text: Pick<RouteText, 'summary' | 'body'> & { answer?: string },
    handler: (c: Context) => Promise<Response>,
  ): void => {
    const answer = text.answer ?? 'code 0, or code -1 and msg';
    route(
      app,
      { method: 'post', path, tag: 'livetalking', status: 200, ...text, answer },
      enveloped(log, handler),
    );
  };

  post(
    '/offer',
    {
      summary: 'Watch an avatar in a session of its own, which ends when its viewer leaves',
      body: { 'application/json': offerSchema },
      answer: 'sdp, type and sessionid; or code -1 and msg',
    },
    async (c) => {
      const { sdp, ...wishes } = await jsonBody(c, offerSchema);
      const { sessionId, answerSdp } = await guests.join(sdp, wishes);
      return c.json({ sdp: answerSdp, type: 'answer', sessionid: sessionId });
    },
  );

  route(
    app,
    {
      method: 'post',
      path: '/whep',
      tag: 'livetalking',
      summary: 'The same as a bare SDP offer; avatar, refaudio and custom_config in the query',
      body: { 'application/sdp': z.string() },
      status: 201,
      answer: 'The SDP answer; X-Session-ID names the session',
      answerType: 'application/sdp',
      refusals: [400, 404, 409, 415, 422, 503],
    },
    async function whep(c) {
      const sdp = await readOfferBody(c);
      const wishes = validate(whepQuery, c.req.query());
      const { sessionId, peerId, answerSdp } = await guests.join(sdp, wishes);
      return c.body(answerSdp, 201, {
        'Content-Type': SDP,
        Location: `/whep/${sessionId}/${peerId}`,
        'X-Session-ID': sessionId,
      });
    },
  );

  post(
    '/human',
    {
      summary: 'Say a text (echo), or what a language model answers to it (chat)',
      body: { 'application/json': humanSchema },
    },
    async (c) => {
      const { sessionid: id, type, text, interrupt, tts } = await jsonBody(c, humanSchema);
      sessions.get(id);
      const voice = tts?.voice ?? guests.get(id)?.voice;
      const mode = interrupt ? 'replace' : 'append';
      if (type === 'chat') talk.chat(id, { text, voice, mode });
      else talk.sayText(id, { text: text.replaceAll('**', ''), voice, mode });
      return ok(c);
    },
  );

  post(
    '/humanaudio',
    {
      summary: 'Say a sound file',
      body: {
        'multipart/form-data': sessionSchema.extend({ file: z.string().openapi({ format: 'binary' }) }),
      },
    },
    async (c) => {
      const { file, fields } = await receiveForm(c, limits, ({ sessionid }) => {
        // An unknown session is refused before the long part is taken in.
        if (sessionid !== undefined) sessions.get(sessionid);
      });
      const id = fields['sessionid'] ?? '';
      try {
        sessions.get(id);
      } catch (error) {
        await discard(file);
        throw error;
      }
      await talk.say(id, { audioPath: file.path, audioIsUpload: true });
      return ok(c);
    },
  );

  post(
    '/interrupt_talk',
    { summary: 'Stop speaking and drop what is queued', body: { 'application/json': sessionSchema } },
    async (c) => {
      await talk.interrupt((await jsonBody(c, sessionSchema)).sessionid);
      return ok(c);
    },
  );

  post(
    '/is_speaking',
    {
      summary: 'Tell whether it speaks, as viewers hear it',
      body: { 'application/json': sessionSchema },
      answer: 'data: true or false; or code -1 and msg',
    },
    async (c) => ok(c, sessions.get((await jsonBody(c, sessionSchema)).sessionid).state === 'speaking'),
  );

  route(
    app,
    {
      method: 'get',
      path: '/sse',
      tag: 'livetalking',
      summary: 'Follow what is said: ?sessionid=',
      status: 200,
      answer: 'Server-sent events without a name: {"status": "start" or "end", "text"}',
      answerType: 'text/event-stream',
    },
    enveloped(log, (c) => {
      const id = c.req.query('sessionid') ?? '';
      sessions.get(id);
      return sseResponse<SpeechStatus | 'over'>(
        {
          subscribe: (listener) => followSpeech(sessions, id, listener),
          dataOf: (told) => (told === 'over' ? undefined : told),
          isLast: (told) => told === 'over',
          limit: 256,
        },
        { clientSignal: c.req.raw.signal, keepAliveMs: options.keepAliveMs },
      );
    }),
  );

  post(
    '/set_audiotype',
    {
      summary: 'Play an action of the avatar; 0 ends it',
      body: { 'application/json': audioTypeSchema },
    },
    async (c) => {
      const { sessionid: id, audiotype } = await jsonBody(c, audioTypeSchema);
      sessions.get(id);
      await act(id, audiotype).catch((error: unknown) => {
        // What has ended already need not be ended.
        if (audiotype !== 0 || !isAppError(error, 'action-not-found')) throw error;
      });
      return ok(c);
    },
  );

  recordRoutes(app, ports);
  avatarTaskRoutes(app, ports, options);

  route(
    app,
    {
      method: 'get',
      path: '/api/admin/config',
      tag: 'livetalking',
      summary: 'Tell what the server was started with, as far as it is no secret',
      status: 200,
      answer: 'data.config',
    },
    enveloped(log, (c) => ok(c, { config: options.config })),
  );

  route(
    app,
    {
      method: 'get',
      path: '/api/admin/sessions',
      tag: 'livetalking',
      summary: 'List the sessions',
      status: 200,
      answer: 'data.sessions',
    },
    enveloped(log, (c) =>
      ok(c, {
        sessions: sessions.list().map(({ id, state, engine, avatar }) => ({
          sessionid: id,
          speaking: state === 'speaking',
          recording: isRecording(id),
          model: engine,
          avatar_id: avatar,
          REF_FILE: guests.get(id)?.voice ?? options.config['REF_FILE'] ?? '',
          transport: 'webrtc',
          batch_size: 1,
          customopt: guests.get(id)?.customs ?? [],
        })),
      }),
    ),
  );

  /** By the offer's custom_config, or by an action whose name is the number. */
  async function act(id: string, audiotype: number): Promise<void> {
    if (audiotype === 0) {
      sessions.stopActing(id);
      return;
    }
    const custom = guests.get(id)?.customs.find((one) => one.audiotype === audiotype);
    // A clip is a folder of pictures there.
    const name = custom?.imgpath?.split(/[\\/]/).findLast((part) => part !== '') ?? String(audiotype);
    if (!AVATAR_ID.test(name))
      throw new AppError('action-not-found', `there is no action "${name.slice(0, 80)}"`);
    const audioPath = custom?.audiopath ? await paths.resolve(custom.audiopath) : undefined;
    await sessions.act(id, { name, times: 1 });
    if (audioPath !== undefined) await talk.say(id, { audioPath });
  }

  function isRecording(id: string): boolean {
    return recordings.list(id).some(({ state }) => state === 'recording');
  }
}

const whepQuery = offerSchema.pick({ avatar: true, refaudio: true, custom_config: true });

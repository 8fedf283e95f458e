import { z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { route } from '../describe.js';
import { pathParam } from '../params.js';
import type { MediaPathsPort, NumberedEvent, SessionInfo, SessionsPort, TalkPort } from '../ports.js';
import { readJson } from '../request-body.js';
import {
  sessionCreateSchema,
  sessionChangedSchema,
  sessionDetailSchema,
  sessionSchema,
  sessionSettingsSchema,
} from '../schemas.js';
import { SSE_HEADERS, sseResponse } from '../sse.js';
import { soundPathOf, utteranceRoutes } from './utterances.js';

export interface SessionRoutesOptions {
  readonly maxUploadBytes: number;
  readonly demoAudioPath: string;
  readonly keepAliveMs: number;
  /** Players are told ICE servers by the WHEP endpoint. */
  readonly hasIceServers: boolean;
}

/** A number that a client got from us; anything else asks for all that is kept. */
function lastEventId(c: Context): number | undefined {
  const given = c.req.header('last-event-id') ?? c.req.query('lastEventId');
  if (given === undefined || given === '') return undefined;
  return /^\d{1,15}$/.test(given) ? Number(given) : 0;
}

export function sessionRoutes(
  app: OpenAPIHono,
  ports: { sessions: SessionsPort; talk: TalkPort; paths: MediaPathsPort },
  options: SessionRoutesOptions,
): void {
  const { sessions, paths } = ports;
  utteranceRoutes(app, ports, options);

  route(
    app,
    {
      method: 'get',
      path: '/v1/sessions',
      tag: 'sessions',
      summary: 'List the sessions',
      status: 200,
      answer: 'All sessions',
      schema: z.object({ sessions: z.array(sessionSchema) }),
    },
    (c) => c.json({ sessions: sessions.list().map(withUrls) }),
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/sessions',
      tag: 'sessions',
      summary: 'Start a session',
      body: { 'application/json': sessionCreateSchema },
      status: 201,
      answer: 'Started; urls says how to watch it and how to make it speak',
      schema: sessionSchema,
      refusals: [400, 403, 404, 409, 415, 422, 429, 500, 501, 503],
    },
    async function createSession(c) {
      const body = await readJson(c, sessionCreateSchema);
      const audioPath = body.audio && (await soundPathOf(body.audio, paths, options.demoAudioPath));
      const info = await sessions.create({
        avatarId: body.avatar,
        ...(body.engine !== undefined ? { engine: body.engine } : {}),
        ...(body.fps !== undefined ? { fps: body.fps } : {}),
        ...(audioPath !== undefined ? { audioPath } : {}),
        ...(body.saveImages !== undefined ? { saveImages: body.saveImages } : {}),
        ...(body.endAfterSpeech !== undefined ? { endAfterSpeech: body.endAfterSpeech } : {}),
        ...(body.idleTimeoutS !== undefined ? { idleTimeoutS: body.idleTimeoutS } : {}),
        ...(body.maxLengthS !== undefined ? { maxLengthS: body.maxLengthS } : {}),
      });
      return c.json(withUrls(info), 201, { Location: `/v1/sessions/${info.id}` });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/sessions/{id}',
      tag: 'sessions',
      summary: 'Describe a session',
      status: 200,
      answer: 'The session, and what it and its viewers measured so far',
      schema: sessionDetailSchema,
      refusals: [404],
    },
    async function describeSession(c) {
      const id = pathParam(c, 'id');
      return c.json({ ...withUrls(sessions.get(id)), ...(await sessions.media(id)) });
    },
  );

  route(
    app,
    {
      method: 'patch',
      path: '/v1/sessions/{id}',
      tag: 'sessions',
      summary: 'Change the settings that are given; a running picture does not break',
      body: { 'application/json': sessionSettingsSchema },
      status: 200,
      answer: 'The session, and when each setting takes hold',
      schema: sessionChangedSchema,
      refusals: [400, 404, 409, 415, 422, 501, 503, 504],
    },
    async function configure(c) {
      const id = pathParam(c, 'id');
      sessions.get(id);
      const settings = await readJson(c, sessionSettingsSchema);
      const given = Object.entries(settings).filter(([, value]) => value !== undefined);
      const info = await sessions.configure(id, Object.fromEntries(given));
      return c.json({ ...withUrls(info), takesHold: info.takesHold });
    },
  );

  route(
    app,
    {
      method: 'delete',
      path: '/v1/sessions/{id}',
      tag: 'sessions',
      summary: 'End a session',
      status: 204,
      answer: 'Ended',
      refusals: [404],
    },
    async function endSession(c) {
      await sessions.stop(pathParam(c, 'id'));
      return c.body(null, 204);
    },
  );

  route(
    app,
    {
      method: 'post',
      path: '/v1/sessions/{id}/keep-alive',
      tag: 'sessions',
      summary: 'Say that a session is still wanted, though nobody watches or uses it',
      status: 204,
      answer: 'Its idle and linger times begin anew',
      refusals: [404, 429],
    },
    function keepAlive(c) {
      sessions.keepAlive(pathParam(c, 'id'));
      return c.body(null, 204);
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/sessions/{id}/events',
      tag: 'sessions',
      summary:
        'Follow a session: its state, its utterances as they are heard, its viewers, its own end; Last-Event-ID replays',
      status: 200,
      answer: 'Server-sent events; each is named and carries JSON',
      answerType: 'text/event-stream',
      refusals: [404],
    },
    function followSession(c) {
      const id = pathParam(c, 'id');
      sessions.get(id);
      if (c.req.method === 'HEAD') return c.body(null, 200, { ...SSE_HEADERS });
      const afterId = lastEventId(c);
      return sseResponse<NumberedEvent>(
        {
          subscribe: (listener) => sessions.subscribe(id, listener, afterId),
          idOf: (event) => String(event.id),
          nameOf: ({ event }) => event,
          dataOf: ({ data }) => data,
          isLast: ({ event }) => event === 'session.ended',
          // All that can be replayed at once.
          limit: 1024,
        },
        { clientSignal: c.req.raw.signal, keepAliveMs: options.keepAliveMs },
      );
    },
  );

  function withUrls(info: SessionInfo): SessionInfo & { urls: Record<string, string> } {
    const urls = {
      whep: `/whep/${info.id}`,
      whip: `/whip/${info.id}`,
      mjpeg: `/api/stream/${info.id}`,
      utterances: `/v1/sessions/${info.id}/utterances`,
      /** A WebSocket. */
      audio: `/v1/sessions/${info.id}/audio`,
      events: `/v1/sessions/${info.id}/events`,
      recording: `/v1/sessions/${info.id}/recording`,
      // A HEAD there names them in its Links, before an offer is made.
      ...(options.hasIceServers ? { iceServers: `/whep/${info.id}` } : {}),
    };
    return { ...info, urls };
  }
}

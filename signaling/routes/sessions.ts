import { z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { AppError } from '../../src/errors.js';
import { route } from '../describe.js';
import { pathParam } from '../params.js';
import type { MediaPathsPort, SessionEvent, SessionInfo, SessionsPort } from '../ports.js';
import { HttpRefusal } from '../problem.js';
import { mediaTypeOf, readJson } from '../request-body.js';
import {
  sessionCreateSchema,
  sessionDetailSchema,
  sessionSchema,
  sessionSettingsSchema,
  utteranceSchema,
} from '../schemas.js';
import { SSE_HEADERS, sseResponse } from '../sse.js';
import { discard, receiveForm, receiveRaw, type UploadedFile } from '../uploads.js';

export interface SessionRoutesOptions {
  readonly maxUploadBytes: number;
  readonly demoAudioPath: string;
  readonly keepAliveMs: number;
  /** Players are told ICE servers by the WHEP endpoint. */
  readonly hasIceServers: boolean;
}

const binary = z.string().openapi({ format: 'binary' });

export function sessionRoutes(
  app: OpenAPIHono,
  ports: { sessions: SessionsPort; paths: MediaPathsPort },
  options: SessionRoutesOptions,
): void {
  const { sessions, paths } = ports;
  const limits = { uploadsDir: paths.uploadsDir, maxUploadBytes: options.maxUploadBytes };

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
      const audioPath = body.audio && (await soundPath(body.audio));
      const info = await sessions.create({
        avatarId: body.avatar,
        ...(body.engine !== undefined ? { engine: body.engine } : {}),
        ...(body.fps !== undefined ? { fps: body.fps } : {}),
        ...(audioPath !== undefined ? { audioPath } : {}),
        ...(body.saveImages !== undefined ? { saveImages: body.saveImages } : {}),
        ...(body.endAfterSpeech !== undefined ? { endAfterSpeech: body.endAfterSpeech } : {}),
      });
      return c.json(withUrls(info), 201, { Location: `/v1/sessions/${info.id}` });
    },
  );

  async function soundPath(sound: { path?: string | undefined; demo?: true | undefined }): Promise<string> {
    return sound.path !== undefined ? paths.resolve(sound.path) : options.demoAudioPath;
  }

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
      answer: 'The session',
      schema: sessionSchema,
      refusals: [400, 404, 409, 415, 422, 501],
    },
    async function configure(c) {
      const id = pathParam(c, 'id');
      sessions.get(id);
      const { maxBitrateBps, quality, playoutDelayMs } = await readJson(c, sessionSettingsSchema);
      const info = await sessions.configure(id, {
        ...(maxBitrateBps !== undefined ? { maxBitrateBps } : {}),
        ...(quality !== undefined ? { quality } : {}),
        ...(playoutDelayMs !== undefined ? { playoutDelayMs } : {}),
      });
      return c.json(withUrls(info));
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
      path: '/v1/sessions/{id}/utterances',
      tag: 'sessions',
      summary: 'Say something after what is already queued',
      body: {
        'application/json': utteranceSchema,
        'multipart/form-data': z.object({ file: binary }),
        'audio/*': binary,
      },
      status: 201,
      answer: 'Queued',
      schema: z.object({ utteranceId: z.string() }),
      refusals: [400, 403, 404, 409, 413, 415, 422, 429, 501, 503],
    },
    async function say(c) {
      const id = pathParam(c, 'id');
      // An unknown session is refused before a large body is taken in.
      sessions.get(id);
      return c.json(await sayBody(c, id), 201);
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
      answer: 'Interrupted; playedMs says how much of it was heard',
      schema: z.object({ playedMs: z.number() }),
      refusals: [404, 429, 501],
    },
    async function interrupt(c) {
      const id = pathParam(c, 'id');
      sessions.get(id);
      if (!sessions.interrupt) throw new AppError('not-supported', 'this server cannot interrupt speech');
      return c.json(await sessions.interrupt(id));
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/sessions/{id}/events',
      tag: 'sessions',
      summary: 'Follow a session: its state, its viewers, rendering ahead, ends of utterances, its own end',
      status: 200,
      answer: 'Server-sent events; each is named and carries JSON',
      answerType: 'text/event-stream',
      refusals: [404],
    },
    function followSession(c) {
      const id = pathParam(c, 'id');
      sessions.get(id);
      if (c.req.method === 'HEAD') return c.body(null, 200, { ...SSE_HEADERS });
      return sseResponse<SessionEvent>(
        {
          subscribe: (listener) => sessions.subscribe(id, listener),
          nameOf: ({ event }) => event,
          dataOf: ({ data }) => data,
          isLast: ({ event }) => event === 'session.ended',
          limit: 256,
        },
        { clientSignal: c.req.raw.signal, keepAliveMs: options.keepAliveMs },
      );
    },
  );

  async function sayBody(c: Context, id: string): Promise<{ utteranceId: string }> {
    const mediaType = mediaTypeOf(c);
    if (mediaType === 'application/json') {
      const body = await readJson(c, utteranceSchema);
      if (body.text !== undefined)
        throw new AppError(
          'not-supported',
          'no speech synthesiser is configured: send sound instead of text',
        );
      if (body.mode === 'replace')
        throw new AppError('not-supported', 'mode "replace" is not available: utterances are appended');
      return sessions.say(id, { audioPath: await soundPath(body) });
    }
    const file = await receiveSound(c, mediaType);
    try {
      return await sessions.say(id, { audioPath: file.path, audioIsUpload: true });
    } catch (error) {
      await discard(file);
      throw error;
    }
  }

  async function receiveSound(c: Context, mediaType: string): Promise<UploadedFile> {
    if (mediaType === 'multipart/form-data') return (await receiveForm(c, limits)).file;
    if (
      /^(audio|video)\//.test(mediaType) ||
      mediaType === 'application/octet-stream' ||
      mediaType === 'application/ogg'
    ) {
      return receiveRaw(c, limits);
    }
    throw new HttpRefusal(
      415,
      'unsupported-media-type',
      `an utterance is JSON, a form with a file, or a sound file, not "${mediaType}"`,
    );
  }

  function withUrls(info: SessionInfo): SessionInfo & { urls: Record<string, string> } {
    const urls = {
      whep: `/whep/${info.id}`,
      mjpeg: `/api/stream/${info.id}`,
      utterances: `/v1/sessions/${info.id}/utterances`,
      events: `/v1/sessions/${info.id}/events`,
      // A HEAD there names them in its Links, before an offer is made.
      ...(options.hasIceServers ? { iceServers: `/whep/${info.id}` } : {}),
    };
    return { ...info, urls };
  }
}

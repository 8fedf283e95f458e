import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { pathParam } from '../params.js';
import { route } from '../describe.js';
import { MJPEG_HEADERS, mjpegResponse } from '../mjpeg.js';
import type { AvatarInfo, AvatarsPort, MediaPathsPort, SessionsPort } from '../ports.js';
import { readJson } from '../request-body.js';
import { legacyAvatarCreateSchema, legacyInferenceStartSchema } from '../schemas.js';

/** The API that existing clients of the reference server speak. Its shapes are frozen: add nothing, rename nothing. */
export function legacyRoutes(
  app: OpenAPIHono,
  ports: { avatars: AvatarsPort; sessions: SessionsPort; paths: MediaPathsPort },
): void {
  route(
    app,
    {
      method: 'get',
      path: '/api/health',
      tag: 'legacy',
      summary: 'Say that the server runs',
      status: 200,
      answer: 'It runs',
      schema: healthSchema,
    },
    (c) => c.json({ status: 'ok', message: 'MuseTalk Streaming API is running' }),
  );

  route(
    app,
    {
      method: 'post',
      path: '/api/avatar/create',
      tag: 'legacy',
      summary: 'Prepare an avatar and answer when it is ready',
      body: { 'application/json': legacyAvatarCreateSchema },
      status: 200,
      answer: 'Prepared',
      schema: z.object({ status: z.literal('success'), message: z.string(), avatar_id: z.string() }),
      refusals: [403, 404, 409, 415, 422, 429, 503],
    },
    async function createLegacyAvatar(c) {
      const body = await readJson(c, legacyAvatarCreateSchema);
      const sourcePath = await ports.paths.resolveFootage(body.video_path);
      await ports.avatars.create({
        id: body.avatar_id,
        sourcePath,
        ...(body.bbox_shift === 0 ? {} : { faceParameters: { bboxShiftPx: body.bbox_shift } }),
      });
      // A client that goes away ends only the waiting; the preparation itself carries on.
      await ports.avatars.whenReady(body.avatar_id, c.req.raw.signal);
      const message = `Avatar ${body.avatar_id} created successfully`;
      return c.json({ status: 'success', message, avatar_id: body.avatar_id });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/api/avatar/list',
      tag: 'legacy',
      summary: 'List the avatars',
      status: 200,
      answer: 'All avatars',
      schema: z.object({
        avatars: z.array(
          z.object({
            avatar_id: z.string(),
            status: z.enum(['idle', 'preparing', 'failed']),
            created_at: z.number(),
          }),
        ),
      }),
    },
    async (c) => c.json({ avatars: (await ports.avatars.list()).map(legacyAvatar) }),
  );

  route(
    app,
    {
      method: 'post',
      path: '/api/inference/start',
      tag: 'legacy',
      summary: 'Let an avatar speak a sound file',
      body: { 'application/json': legacyInferenceStartSchema },
      status: 200,
      answer: 'Started',
      schema: z.object({
        status: z.literal('success'),
        message: z.string(),
        session_id: z.string(),
        stream_url: z.string(),
      }),
      refusals: [403, 404, 409, 415, 422, 429, 503],
    },
    async function startInference(c) {
      const body = await readJson(c, legacyInferenceStartSchema);
      await ports.avatars.get(body.avatar_id);
      const audioPath = await ports.paths.resolve(body.audio_path);
      const session = await ports.sessions.create({
        avatarId: body.avatar_id,
        fps: body.fps,
        audioPath,
        legacy: true,
        saveImages: !body.skip_save_images,
        endAfterSpeech: true,
      });
      return c.json({
        status: 'success',
        message: 'Inference started',
        session_id: session.id,
        stream_url: `/api/stream/${session.id}`,
      });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/api/stream/{session_id}',
      tag: 'legacy',
      summary: 'Watch a session as motion JPEG',
      status: 200,
      answer: 'One JPEG a part, until the session ends',
      answerType: 'multipart/x-mixed-replace',
      refusals: [404, 409],
    },
    function streamPictures(c) {
      const id = pathParam(c, 'session_id');
      ports.sessions.get(id);
      if (c.req.method === 'HEAD') return c.body(null, 200, { ...MJPEG_HEADERS });
      return mjpegResponse((signal) => ports.sessions.mjpeg(id, signal), c.req.raw.signal);
    },
  );

  route(
    app,
    {
      method: 'post',
      path: '/api/inference/stop/{session_id}',
      tag: 'legacy',
      summary: 'End a session',
      status: 200,
      answer: 'Stopped',
      schema: z.object({ status: z.literal('success'), message: z.string() }),
      refusals: [404],
    },
    async function stopInference(c) {
      const id = pathParam(c, 'session_id');
      await ports.sessions.stop(id);
      return c.json({ status: 'success', message: `Session ${id} stopped` });
    },
  );
}

const healthSchema = z.object({ status: z.literal('ok'), message: z.string() });

function legacyAvatar(info: AvatarInfo): { avatar_id: string; status: string; created_at: number } {
  return {
    avatar_id: info.id,
    status: info.state === 'ready' ? 'idle' : info.state,
    created_at: info.createdAtUnixS,
  };
}

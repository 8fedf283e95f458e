import { z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { AppError } from '../../src/errors.js';
import { RECORDING_ID } from '../../src/session/recording/recording-manifest.js';
import { route } from '../describe.js';
import { fileAnswer } from '../file-answer.js';
import { pathParam } from '../params.js';
import type { RecordingInfo, RecordingsPort } from '../ports.js';
import { readJson, validate } from '../request-body.js';
import { recordingSchema, recordingStartSchema } from '../recording-schemas.js';

const MP4_RETRY_S = 2;

const fileQuery = z.object({ format: z.enum(['webm', 'mp4']).default('webm') });
const listQuery = z.object({ session: z.string().max(200).optional() });

/** What cannot be an id cannot exist either, and never gets near a folder. */
function recordingId(c: Context): string {
  const id = pathParam(c, 'id');
  if (!RECORDING_ID.test(id))
    throw new AppError('recording-not-found', `there is no recording "${id.slice(0, 80)}"`);
  return id;
}

/** Recording a session, and the recordings there are. */
export function recordingRoutes(app: OpenAPIHono, recordings: RecordingsPort): void {
  route(
    app,
    {
      method: 'post',
      path: '/v1/sessions/{id}/recording',
      tag: 'recordings',
      summary: 'Record what leaves a session, without coding it anew; the body may be left out',
      body: { 'application/json': recordingStartSchema },
      status: 201,
      answer: 'It begins at the next picture: recording.started tells when; Location names it',
      schema: recordingSchema,
      refusals: [400, 404, 409, 415, 422, 429, 507],
    },
    async function startRecording(c) {
      const { maxLengthS, maxBytes } = await optionsOf(c);
      const info = await recordings.start(pathParam(c, 'id'), {
        ...(maxLengthS === undefined ? {} : { maxLengthS }),
        ...(maxBytes === undefined ? {} : { maxBytes }),
      });
      return c.json(withUrls(info), 201, { Location: `/v1/recordings/${info.id}` });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/sessions/{id}/recording',
      tag: 'recordings',
      summary: 'Describe the recording that runs in a session, or its newest one',
      status: 200,
      answer: 'The recording',
      schema: recordingSchema,
      refusals: [404],
    },
    (c) => c.json(withUrls(recordings.ofSession(pathParam(c, 'id')))),
  );

  route(
    app,
    {
      method: 'delete',
      path: '/v1/sessions/{id}/recording',
      tag: 'recordings',
      summary: 'Stop recording; the recording stays',
      status: 200,
      answer: 'The recording, whole; also if it had ended by itself',
      schema: recordingSchema,
      refusals: [404],
    },
    async (c) => c.json(withUrls(await recordings.stop(pathParam(c, 'id')))),
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/recordings',
      tag: 'recordings',
      summary: 'List the recordings; ?session= those of one session',
      status: 200,
      answer: 'Newest first',
      schema: z.object({ recordings: z.array(recordingSchema) }),
      refusals: [422],
    },
    (c) => {
      const { session } = validate(listQuery, c.req.query());
      return c.json({ recordings: recordings.list(session).map(withUrls) });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/recordings/{id}',
      tag: 'recordings',
      summary: 'Describe a recording',
      status: 200,
      answer: 'The recording',
      schema: recordingSchema,
      refusals: [404],
    },
    (c) => c.json(withUrls(recordings.get(recordingId(c)))),
  );

  route(
    app,
    {
      method: 'get',
      path: '/v1/recordings/{id}/file',
      tag: 'recordings',
      summary: 'Fetch a recording, or a range of it (206); ?format=mp4 as H.264 and AAC',
      status: 200,
      answer:
        'WebM, of one that still runs what is written so far. An MP4 is made when it is first asked for: 202 until then',
      answerType: 'video/webm',
      refusals: [404, 409, 416, 422, 500, 501, 503, 504, 507],
    },
    async function fetchRecording(c) {
      const id = recordingId(c);
      const { format } = validate(fileQuery, c.req.query());
      const file = format === 'mp4' ? recordings.mp4(id) : recordings.webm(id);
      if (file !== undefined) return fileAnswer(c, file);
      return c.json(withUrls(recordings.get(id)), 202, {
        'Retry-After': String(MP4_RETRY_S),
        'Cache-Control': 'no-store',
      });
    },
  );

  route(
    app,
    {
      method: 'delete',
      path: '/v1/recordings/{id}',
      tag: 'recordings',
      summary: 'Delete a recording and its MP4',
      status: 204,
      answer: 'Deleted; who is fetching it gets it to the end',
      refusals: [404, 409],
    },
    async function deleteRecording(c) {
      await recordings.delete(recordingId(c));
      return c.body(null, 204);
    },
  );
}

function withUrls(info: RecordingInfo): RecordingInfo & { urls: { file: string } } {
  return { ...info, urls: { file: `/v1/recordings/${info.id}/file` } };
}

async function optionsOf(c: Context): Promise<z.infer<typeof recordingStartSchema>> {
  const isEmpty = c.req.header('content-type') === undefined && !Number(c.req.header('content-length') ?? 0);
  return isEmpty && c.req.header('transfer-encoding') === undefined ? {} : readJson(c, recordingStartSchema);
}

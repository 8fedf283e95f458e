import { setTimeout as pause } from 'node:timers/promises';
import type { OpenAPIHono } from '@hono/zod-openapi';
import { AppError, isAppError } from '../../src/errors.js';
import type { Log } from '../../src/lib/log.js';
import { route } from '../describe.js';
import { fileAnswer } from '../file-answer.js';
import { pathParam } from '../params.js';
import type { RecordingFileView, RecordingsPort, SessionsPort } from '../ports.js';
import { enveloped, jsonBody, ok } from './envelope.js';
import { recordSchema } from './schemas.js';

const LOOK_EVERY_MS = 100;
/** An MP4 is made faster than it plays; who asked for a long one asks again. */
const WAIT_LIMIT_MS = 60_000;

/** The newest recording of a session as an MP4. */
export function recordRoutes(
  app: OpenAPIHono,
  { sessions, recordings, log }: { sessions: SessionsPort; recordings: RecordingsPort; log: Log },
): void {
  route(
    app,
    {
      method: 'post',
      path: '/record',
      tag: 'livetalking',
      summary: 'Record (start_record), or stop recording (end_record); what is so already is no failure',
      body: { 'application/json': recordSchema },
      status: 200,
      answer: 'code 0, or code -1 and msg',
    },
    enveloped(log, async (c) => {
      const { sessionid: id, type } = await jsonBody(c, recordSchema);
      sessions.get(id);
      if (type === 'start_record') await recordings.start(id, {}).catch(unless('recording-exists'));
      else {
        await recordings.stop(id).catch(unless('recording-not-found'));
        // It will be asked for.
        beginMp4(recordings, id);
      }
      return ok(c);
    }),
  );

  route(
    app,
    {
      method: 'get',
      path: '/record/{session}',
      tag: 'livetalking',
      summary: 'Fetch the newest recording of a session, which may have ended',
      status: 200,
      answer: 'An MP4',
      answerType: 'video/mp4',
      refusals: [404, 416, 500, 501, 503, 504],
    },
    async function fetchRecord(c) {
      const session = pathParam(c, 'session');
      return fileAnswer(c, await mp4Of(recordings, session, c.req.raw.signal));
    },
  );
}

/** Waits while it is made. @throws file-not-found where there is none, or it still runs; timeout */
async function mp4Of(
  recordings: RecordingsPort,
  sessionId: string,
  gone: AbortSignal,
): Promise<RecordingFileView> {
  const untilMs = performance.now() + WAIT_LIMIT_MS;
  try {
    const { id } = recordings.ofSession(sessionId);
    while (!gone.aborted && performance.now() < untilMs) {
      const file = recordings.mp4(id);
      if (file !== undefined) return file;
      await pause(LOOK_EVERY_MS);
    }
  } catch (error) {
    if (!isAppError(error, 'recording-not-found') && !isAppError(error, 'recording-running')) throw error;
    throw new AppError('file-not-found', `session ${sessionId} has no recording that is over`, {
      cause: error,
    });
  }
  throw new AppError('timeout', 'the MP4 is not there yet: ask again');
}

function beginMp4(recordings: RecordingsPort, sessionId: string): void {
  try {
    recordings.mp4(recordings.ofSession(sessionId).id);
  } catch {
    // Who fetches it is told why not.
  }
}

function unless(code: 'recording-exists' | 'recording-not-found'): (error: unknown) => void {
  return (error) => {
    if (!isAppError(error, code)) throw error;
  };
}

import { z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { tokenQuery } from '../auth.js';
import { route } from '../describe.js';
import { pathParam } from '../params.js';
import { HttpRefusal } from '../problem.js';
import { readJson } from '../request-body.js';
import { SSE_HEADERS } from '../sse.js';
import { WHEP_EVENTS, type WhepEvent, type WhepEventStreams } from '../whep-event-streams.js';

const EXTENSION = 'urn:ietf:params:whep:ext:core:server-sent-events';

/** The `Link` by which a viewer learns of the extension. */
export function eventsLink(url: string): string {
  return `<${url}>; rel="${EXTENSION}"; events="${WHEP_EVENTS.join(',')}"`;
}

/** Event streams of one viewer (the server-sent-events extension of WHEP). */
export function whepEventRoutes(
  app: OpenAPIHono,
  streams: WhepEventStreams,
  options: { keepAliveMs: number; assertKnown(c: Context): void },
): void {
  route(
    app,
    {
      method: 'post',
      path: '/whep/{session}/{peer}/events',
      tag: 'whep',
      summary: 'Ask for a stream of the events that are named',
      body: { 'application/json': z.array(z.enum(WHEP_EVENTS)) },
      status: 201,
      answer: 'Location names the stream',
      refusals: [400, 404, 415, 429, 503],
    },
    async function askForEvents(c) {
      options.assertKnown(c);
      const names = wanted(await readJson(c, z.unknown()));
      const [sessionId, peerId] = [pathParam(c, 'session'), pathParam(c, 'peer')];
      const id = streams.create(sessionId, peerId, names);
      const at = `/whep/${encodeURIComponent(sessionId)}/${encodeURIComponent(peerId)}/events/${id}`;
      return c.body(null, 201, { Location: at + tokenQuery(c), 'Cache-Control': 'no-store' });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/whep/{session}/{peer}/events/{stream}',
      tag: 'whep',
      summary: 'Follow the events that were asked for',
      status: 200,
      answer: 'Server-sent events; each is named and carries JSON',
      answerType: 'text/event-stream',
      refusals: [404],
    },
    function follow(c) {
      const { id, sessionId, peerId } = streamOf(c);
      if (!streams.has(id, sessionId, peerId)) throw unknownStream();
      if (c.req.method === 'HEAD') return c.body(null, 200, { ...SSE_HEADERS });
      return streams.response(id, { clientSignal: c.req.raw.signal, keepAliveMs: options.keepAliveMs });
    },
  );

  route(
    app,
    {
      method: 'delete',
      path: '/whep/{session}/{peer}/events/{stream}',
      tag: 'whep',
      summary: 'End a stream of events',
      status: 200,
      answer: 'Ended',
      refusals: [404, 429],
    },
    function endStream(c) {
      const { id, sessionId, peerId } = streamOf(c);
      if (!streams.delete(id, sessionId, peerId)) throw unknownStream();
      return c.body(null, 200, { 'Cache-Control': 'no-store' });
    },
  );
}

/** @throws HttpRefusal 400 for anything but a list of events that there are. */
function wanted(body: unknown): WhepEvent[] {
  const parsed = z.array(z.enum(WHEP_EVENTS)).min(1).max(32).safeParse(body);
  if (parsed.success) return parsed.data;
  throw new HttpRefusal(
    400,
    'unknown-event',
    `the body must be a JSON array of some of: ${WHEP_EVENTS.join(', ')}`,
  );
}

function streamOf(c: Context): { id: string; sessionId: string; peerId: string } {
  return { id: pathParam(c, 'stream'), sessionId: pathParam(c, 'session'), peerId: pathParam(c, 'peer') };
}

function unknownStream(): HttpRefusal {
  return new HttpRefusal(404, 'stream-not-found', 'there is no such stream of events');
}

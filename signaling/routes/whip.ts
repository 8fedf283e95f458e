import { z, type OpenAPIHono } from '@hono/zod-openapi';
import { randomUUID } from 'node:crypto';
import type { Context } from 'hono';
import { AppError } from '../../src/errors.js';
import { tokenQuery } from '../auth.js';
import { route } from '../describe.js';
import { iceServerLinks, type IceServers } from '../ice-servers.js';
import { pathParam } from '../params.js';
import type { SessionsPort, TalkPort } from '../ports.js';
import { validate } from '../request-body.js';
import {
  createdHeaders,
  ICE_FRAGMENT,
  readIcePatch,
  readOfferBody,
  SDP,
  unsupportedAs422,
} from '../sdp-http.js';

export interface WhipOptions {
  /** A PATCH without If-Match is taken for one with the right ETag. */
  readonly lenient: boolean;
  readonly iceServers?: IceServers;
  readonly nowMs: () => number;
}

const query = z.object({ role: z.enum(['speak', 'listen']).default('speak') });

/** WHIP (RFC 9725), sound only: a microphone offers, we answer with every candidate already in. */
export function whipRoutes(
  app: OpenAPIHono,
  { sessions, talk }: { sessions: SessionsPort; talk: TalkPort },
  options: WhipOptions,
): void {
  const linksFor = (name: string): string[] =>
    options.iceServers === undefined ? [] : iceServerLinks(options.iceServers, name, options.nowMs());

  route(
    app,
    {
      method: 'post',
      path: '/whip/{session}',
      tag: 'whip',
      summary: 'Let the avatar say what a microphone sends (or, with ?role=listen, be interrupted by it)',
      body: { [SDP]: z.string() },
      status: 201,
      answer: 'The SDP answer; Location names the publisher, ETag its ICE session, Link the ICE servers',
      answerType: SDP,
      refusals: [400, 404, 409, 413, 415, 422, 429, 501],
    },
    async function publish(c) {
      const id = pathParam(c, 'session');
      sessions.get(id);
      const { role } = validate(query, c.req.query());
      const { peerId, answerSdp, etag } = talk.addPublisher(id, await readOfferBody(c), role);
      const location = `/whip/${encodeURIComponent(id)}/${peerId}${tokenQuery(c)}`;
      return c.body(answerSdp, 201, createdHeaders({ location, etag, links: linksFor(peerId) }));
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/whip/{session}',
      tag: 'whip',
      summary: 'Ask whether a session takes sound, and by way of which ICE servers',
      status: 200,
      answer: 'It does; no content',
      refusals: [404],
    },
    function discover(c) {
      sessions.get(pathParam(c, 'session'));
      const links = linksFor(randomUUID());
      return c.body(null, 200, {
        'Accept-Post': SDP,
        'Cache-Control': 'no-store',
        ...(links.length > 0 ? { Link: links } : {}),
      });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/whip/{session}/{publisher}',
      tag: 'whip',
      summary: 'Ask whether a publisher is known',
      status: 204,
      answer: 'It is; no content',
      refusals: [404],
    },
    function peek(c) {
      publisherOf(c);
      return c.body(null, 204, { 'Accept-Patch': ICE_FRAGMENT, 'Cache-Control': 'no-store' });
    },
  );

  route(
    app,
    {
      method: 'patch',
      path: '/whip/{session}/{publisher}',
      tag: 'whip',
      summary:
        'Trickle ICE candidates (204), or restart ICE (If-Match: *; 200 with new credentials and a new ETag)',
      body: { [ICE_FRAGMENT]: z.string() },
      status: 200,
      answer: 'Restarted',
      answerType: ICE_FRAGMENT,
      refusals: [400, 404, 412, 413, 415, 422, 428, 429],
    },
    async function patchIce(c) {
      const { sessionId, publisherId, tag } = publisherOf(c);
      const { kind, fragment } = await readIcePatch(c, tag, options.lenient);
      const run = async () =>
        kind === 'trickle'
          ? talk.tricklePublisher(sessionId, publisherId, fragment)
          : talk.restartPublisher(sessionId, publisherId, fragment);
      const restarted = await unsupportedAs422(run());
      if (!restarted) return c.body(null, 204);
      return c.body(restarted.fragment, 200, {
        'Content-Type': ICE_FRAGMENT,
        ETag: restarted.etag,
        'Cache-Control': 'no-store',
      });
    },
  );

  route(
    app,
    {
      method: 'delete',
      path: '/whip/{session}/{publisher}',
      tag: 'whip',
      summary: 'Stop sending',
      status: 200,
      answer: 'Ended',
      refusals: [404, 429],
    },
    function stop(c) {
      const { sessionId, publisherId } = publisherOf(c);
      talk.removePublisher(sessionId, publisherId);
      return c.body(null, 200, { 'Cache-Control': 'no-store' });
    },
  );

  function publisherOf(c: Context): { sessionId: string; publisherId: string; tag: string } {
    const [sessionId, publisherId] = [pathParam(c, 'session'), pathParam(c, 'publisher')];
    const tag = talk.publisherTag(sessionId, publisherId);
    if (tag === undefined)
      throw new AppError('peer-not-found', `session ${sessionId} has no microphone ${publisherId}`);
    return { sessionId, publisherId, tag };
  }
}

/** What a preflight or a plain OPTIONS of this path may say beyond CORS; undefined outside of WHIP. */
export function whipOptionsHeaders(path: string): Record<string, string> | undefined {
  const [, root, ...rest] = path.split('/');
  if (root !== 'whip') return undefined;
  return rest.length === 1 ? { 'Accept-Post': SDP } : { 'Accept-Patch': ICE_FRAGMENT };
}

import { randomUUID } from 'node:crypto';
import { z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { AppError, isAppError } from '../../src/errors.js';
import { tokenQuery } from '../auth.js';
import { route } from '../describe.js';
import { iceServerLinks, type IceServers } from '../ice-servers.js';
import { pathParam } from '../params.js';
import type { SessionInfo, SessionsPort } from '../ports.js';
import { HttpRefusal } from '../problem.js';
import {
  createdHeaders,
  ICE_FRAGMENT,
  readIcePatch,
  readOfferBody,
  SDP,
  unsupportedAs422,
} from '../sdp-http.js';
import { WhepEventStreams } from '../whep-event-streams.js';
import { eventsLink, whepEventRoutes } from './whep-events.js';

export interface WhepOptions {
  /** A PATCH without If-Match is taken for one with the right ETag, as some players send none. */
  readonly lenient?: boolean;
  /** Where offers for sessions that are unknown here are sent: the URL that `/whep/…` is appended to. */
  readonly redirectUrl?: string;
  readonly iceServers?: IceServers;
  readonly keepAliveMs: number;
  readonly nowMs: () => number;
}

/** WHEP (draft-ietf-wish-whep): the viewer offers, we answer with every candidate already in. */
export function whepRoutes(app: OpenAPIHono, sessions: SessionsPort, options: WhepOptions): void {
  const linksFor = (name: string): string[] =>
    options.iceServers === undefined ? [] : iceServerLinks(options.iceServers, name, options.nowMs());

  route(
    app,
    {
      method: 'post',
      path: '/whep/{session}',
      tag: 'whep',
      summary: 'Watch a session over WebRTC',
      body: { [SDP]: z.string() },
      status: 201,
      answer:
        'The SDP answer; Location names the viewer, ETag its ICE session, Link the ICE servers and the event streams',
      answerType: SDP,
      refusals: [307, 400, 404, 409, 413, 415, 422, 429, 503],
    },
    async function watch(c) {
      const { id, state } = sessionOf(c);
      const offer = await readOfferBody(c);
      if (state === 'ended') throw new AppError('session-closed', `session ${id} has ended`);
      const peer = await sessions.addPeer(id, offer);
      const location = `/whep/${encodeURIComponent(id)}/${encodeURIComponent(peer.peerId)}`;
      const links = [...linksFor(peer.peerId), eventsLink(`${location}/events${tokenQuery(c)}`)];
      const headers = createdHeaders({ location: location + tokenQuery(c), etag: peer.etag, links });
      return c.body(peer.answerSdp, 201, headers);
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/whep/{session}',
      tag: 'whep',
      summary: 'Ask whether the session can be watched, and by way of which ICE servers',
      status: 200,
      answer: 'It can; no content; Link names the ICE servers, for players that need them before they offer',
      refusals: [307, 404],
    },
    function discover(c) {
      sessionOf(c);
      const links = linksFor(randomUUID());
      return c.body(null, 200, {
        'Content-Type': SDP,
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
      path: '/whep/{session}/{peer}',
      tag: 'whep',
      summary: 'Ask whether a viewer is known',
      status: 204,
      answer: 'It is; no content',
      refusals: [404],
    },
    function peekPeer(c) {
      const { sessionId, peerId } = peerOf(c);
      knownTag(sessionId, peerId);
      return c.body(null, 204, { 'Accept-Patch': ICE_FRAGMENT, 'Cache-Control': 'no-store' });
    },
  );

  route(
    app,
    {
      method: 'patch',
      path: '/whep/{session}/{peer}',
      tag: 'whep',
      summary:
        'Trickle ICE candidates (204), or restart ICE (If-Match: *; 200 with our new credentials and a new ETag)',
      body: { [ICE_FRAGMENT]: z.string() },
      status: 200,
      answer: 'Restarted',
      answerType: ICE_FRAGMENT,
      refusals: [400, 404, 412, 413, 415, 422, 428, 429],
    },
    async function patchIce(c) {
      const { sessionId, peerId } = peerOf(c);
      const { kind, fragment } = await readIcePatch(c, knownTag(sessionId, peerId), options.lenient ?? false);
      if (kind === 'trickle') {
        await unsupportedAs422(sessions.trickle(sessionId, peerId, fragment));
        return c.body(null, 204);
      }
      const restarted = await unsupportedAs422(sessions.restartIce(sessionId, peerId, fragment));
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
      path: '/whep/{session}/{peer}',
      tag: 'whep',
      summary: 'Stop watching',
      status: 200,
      answer: 'Ended',
      refusals: [404, 429],
    },
    async function stopWatching(c) {
      const { sessionId, peerId } = peerOf(c);
      await sessions.removePeer(sessionId, peerId);
      return c.body(null, 200, { 'Cache-Control': 'no-store' });
    },
  );

  whepEventRoutes(app, new WhepEventStreams(sessions), {
    keepAliveMs: options.keepAliveMs,
    assertKnown: (c) => void knownTag(peerOf(c).sessionId, peerOf(c).peerId),
  });

  /** @throws HttpRefusal 307 where another server may know the session; AppError session-not-found */
  function sessionOf(c: Context): SessionInfo {
    const id = pathParam(c, 'session');
    try {
      return sessions.get(id);
    } catch (error) {
      if (options.redirectUrl === undefined || !isAppError(error, 'session-not-found')) throw error;
      // The query goes along: it may hold the token, which a browser takes out of the headers on its way elsewhere.
      const { search } = new URL(c.req.url);
      const there = `${options.redirectUrl.replace(/\/$/, '')}/whep/${encodeURIComponent(id)}${search}`;
      throw new HttpRefusal(307, 'elsewhere', `session ${id} may be known elsewhere`, {
        headers: { Location: there },
      });
    }
  }

  function knownTag(sessionId: string, peerId: string): string {
    const tag = sessions.peerTag(sessionId, peerId);
    if (tag === undefined)
      throw new AppError('peer-not-found', `session ${sessionId} has no viewer ${peerId}`);
    return tag;
  }
}

/** What a preflight or a plain OPTIONS of this path may say beyond CORS; undefined outside of WHEP. */
export function whepOptionsHeaders(path: string): Record<string, string> | undefined {
  const [, root, ...rest] = path.split('/');
  if (root !== 'whep') return undefined;
  if (rest.length === 1) return { 'Accept-Post': SDP };
  if (rest.length === 2) return { 'Accept-Patch': ICE_FRAGMENT };
  return rest.length === 3 ? { 'Accept-Post': 'application/json' } : {};
}

function peerOf(c: Context): { sessionId: string; peerId: string } {
  return { sessionId: pathParam(c, 'session'), peerId: pathParam(c, 'peer') };
}

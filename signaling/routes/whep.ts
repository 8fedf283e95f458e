import { z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { isAppError } from '../../src/errors.js';
import { route } from '../describe.js';
import { pathParam } from '../params.js';
import { PeerTags } from '../peer-tags.js';
import type { SessionsPort } from '../ports.js';
import { HttpRefusal } from '../problem.js';
import { mediaTypeOf, readBody } from '../request-body.js';

const SDP = 'application/sdp';
const FRAGMENT = 'application/trickle-ice-sdpfrag';
const MAX_SDP_BYTES = 65_536;

/** WHEP (draft-ietf-wish-whep): the viewer offers, we answer with every candidate already in. */
export function whepRoutes(app: OpenAPIHono, sessions: SessionsPort): void {
  const tags = new PeerTags();

  route(
    app,
    {
      method: 'post',
      path: '/whep/{session}',
      tag: 'whep',
      summary: 'Watch a session over WebRTC',
      body: { [SDP]: z.string() },
      status: 201,
      answer: 'The SDP answer; Location names the viewer, ETag its ICE session',
      answerType: SDP,
      refusals: [400, 404, 409, 413, 415, 422, 429, 503],
    },
    async function watch(c) {
      assertMediaType(c, SDP);
      const sessionId = pathParam(c, 'session');
      sessions.get(sessionId);
      const offer = await readText(c);
      if (!/^v=0\r?\n/.test(offer) || !/^m=/m.test(offer)) throw malformed('the body is not an SDP offer');
      const peer = await sessions.addPeer(sessionId, offer);
      tags.set(sessionId, peer.peerId, peer.etag);
      return c.body(peer.answerSdp, 201, {
        'Content-Type': SDP,
        Location: `/whep/${encodeURIComponent(sessionId)}/${encodeURIComponent(peer.peerId)}`,
        ETag: peer.etag,
        'Accept-Patch': FRAGMENT,
        'Cache-Control': 'no-store',
      });
    },
  );

  route(
    app,
    {
      method: 'get',
      path: '/whep/{session}',
      tag: 'whep',
      summary: 'Ask whether the session can be watched',
      status: 200,
      answer: 'It can; no content',
      refusals: [404],
    },
    function discover(c) {
      sessions.get(pathParam(c, 'session'));
      return c.body(null, 200, { 'Content-Type': SDP, 'Accept-Post': SDP, 'Cache-Control': 'no-store' });
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
      sessions.get(sessionId);
      knownTag(sessionId, peerId);
      return c.body(null, 204, { 'Cache-Control': 'no-store' });
    },
  );

  route(
    app,
    {
      method: 'patch',
      path: '/whep/{session}/{peer}',
      tag: 'whep',
      summary: 'Trickle ICE candidates',
      body: { [FRAGMENT]: z.string() },
      status: 204,
      answer: 'Taken',
      refusals: [400, 404, 412, 413, 415, 422, 428],
    },
    async function trickle(c) {
      assertMediaType(c, FRAGMENT);
      const { sessionId, peerId } = peerOf(c);
      const tag = knownTag(sessionId, peerId);
      const ifMatch = c.req.header('if-match');
      if (ifMatch === undefined)
        throw new HttpRefusal(
          428,
          'precondition-required',
          'If-Match with the ETag of the viewer is required',
        );
      if (ifMatch.trim() === '*') {
        // The running ICE session is left as it is, as the draft demands of a restart that cannot be satisfied.
        throw new HttpRefusal(
          422,
          'not-supported',
          'ICE restarts are not supported: end this viewer and make a new offer',
        );
      }
      // Strong comparison (RFC 9110): a weak tag never matches, and a list matches if one of its tags does.
      if (!ifMatch.split(',').some((one) => one.trim() === tag))
        throw new HttpRefusal(412, 'precondition-failed', `If-Match ${ifMatch} is stale`);
      const fragment = await readText(c);
      if (!/^a=(candidate:|end-of-candidates|ice-ufrag:)/m.test(fragment))
        throw malformed('the body is not an ICE fragment');
      await forgetIfGone(sessionId, peerId, () => sessions.patchPeer(sessionId, peerId, fragment, tag));
      return c.body(null, 204);
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
      refusals: [404],
    },
    async function stopWatching(c) {
      const { sessionId, peerId } = peerOf(c);
      await forgetIfGone(sessionId, peerId, () => sessions.removePeer(sessionId, peerId));
      tags.delete(sessionId, peerId);
      return c.body(null, 200, { 'Cache-Control': 'no-store' });
    },
  );

  function knownTag(sessionId: string, peerId: string): string {
    const tag = tags.get(sessionId, peerId);
    if (tag === undefined)
      throw new HttpRefusal(404, 'peer-not-found', `session ${sessionId} has no viewer ${peerId}`);
    return tag;
  }

  async function forgetIfGone(sessionId: string, peerId: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (isAppError(error, 'peer-not-found') || isAppError(error, 'session-not-found'))
        tags.delete(sessionId, peerId);
      throw error;
    }
  }
}

/** What a preflight or a plain OPTIONS of this path may say beyond CORS. */
export function whepOptionsHeaders(path: string): Record<string, string> {
  if (/^\/whep\/[^/]+$/.test(path)) return { 'Accept-Post': SDP };
  if (/^\/whep\/[^/]+\/[^/]+$/.test(path)) return { 'Accept-Patch': FRAGMENT };
  return {};
}

function peerOf(c: Context): { sessionId: string; peerId: string } {
  return { sessionId: pathParam(c, 'session'), peerId: pathParam(c, 'peer') };
}

function assertMediaType(c: Context, wanted: string): void {
  const got = mediaTypeOf(c);
  if (got === wanted) return;
  const header: Record<string, string> =
    wanted === SDP ? { 'Accept-Post': SDP } : { 'Accept-Patch': FRAGMENT };
  throw new HttpRefusal(415, 'unsupported-media-type', `expected ${wanted}, got "${got}"`, {
    headers: header,
  });
}

async function readText(c: Context): Promise<string> {
  return (await readBody(c, MAX_SDP_BYTES)).toString('utf8');
}

function malformed(sentence: string): HttpRefusal {
  return new HttpRefusal(400, 'sdp-invalid', sentence);
}

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { AppOptions } from '../../../signaling/app.js';
import { AppError } from '../../../src/errors.js';
import {
  ANSWER,
  fakeServer,
  FRAGMENT,
  OFFER,
  RESTART_FRAGMENT,
  type FakeServer,
} from '../../helpers/fake-ports.js';

describe('WHEP', () => {
  let server: FakeServer;
  beforeEach(() => start());
  afterEach(() => server.close());

  async function start(options: AppOptions = {}): Promise<void> {
    server = await fakeServer(options);
    server.sessions.add('s1');
  }

  async function restart(options: AppOptions): Promise<void> {
    await server.close();
    await start(options);
  }

  const offer = (body: string, type = 'application/sdp'): RequestInit => ({
    method: 'POST',
    body,
    headers: { 'Content-Type': type },
  });
  const patch = (headers: Record<string, string>, body = FRAGMENT): RequestInit => ({
    method: 'PATCH',
    body,
    headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', ...headers },
  });

  async function status(path: string, init?: RequestInit): Promise<number> {
    const response = await server.app.request(path, init);
    const text = await response.text();
    if (response.status >= 400) {
      assert.equal(response.headers.get('content-type'), 'application/problem+json');
      assert.equal((JSON.parse(text) as { status: number }).status, response.status);
    }
    return response.status;
  }

  async function watch(): Promise<string> {
    const response = await server.app.request('/whep/s1', offer(OFFER));
    return response.headers.get('location') ?? assert.fail('no Location');
  }

  it('answers an offer with 201 and all that a player needs', async () => {
    const response = await server.app.request('/whep/s1', offer(OFFER, 'application/sdp; charset=utf-8'));
    assert.equal(response.status, 201);
    assert.equal(await response.text(), ANSWER);
    const expected = {
      'content-type': 'application/sdp',
      etag: '"tag1"',
      'accept-patch': 'application/trickle-ice-sdpfrag',
      'access-control-allow-origin': '*',
    };
    for (const [name, value] of Object.entries(expected))
      assert.equal(response.headers.get(name), value, name);
    assert.match(response.headers.get('location') ?? '', /^\/whep\/s1\/[0-9a-f-]{36}$/);
    const exposed = response.headers.get('access-control-expose-headers') ?? '';
    for (const name of ['Link', 'Location', 'ETag', 'Accept-Patch', 'Retry-After'])
      assert.ok(exposed.includes(name), name);
  });

  it('refuses offers for the right reason', async () => {
    assert.equal(await status('/whep/s1', offer(OFFER, 'text/plain')), 415);
    assert.equal(await status('/whep/s1', { method: 'POST', body: OFFER }), 415);
    assert.equal(await status('/whep/s1', offer('')), 400);
    assert.equal(await status('/whep/s1', offer('hello')), 400);
    assert.equal(await status('/whep/nobody', offer(OFFER)), 404);
    assert.equal(await status('/whep/s1', offer(OFFER + 'a=x\r\n'.repeat(20_000))), 413);
    assert.equal(server.sessions.peers.size, 0);
    server.sessions.refusal = new AppError('sdp-unsupported', 'no VP8 in the offer');
    assert.equal(await status('/whep/s1', offer(OFFER)), 422);
    server.sessions.refusal = new AppError('no-capacity', 'full');
    const full = await server.app.request('/whep/s1', offer(OFFER));
    assert.equal(full.status, 503);
    assert.match(full.headers.get('retry-after') ?? '', /^\d+$/);
    server.sessions.refusal = new AppError('session-closed', 'ending');
    const ending = await server.app.request('/whep/s1', offer(OFFER));
    assert.equal(ending.status, 409);
    assert.match(ending.headers.get('retry-after') ?? '', /^\d+$/);
  });

  it('sends offers for sessions that it does not know elsewhere, with all that came along', async () => {
    await restart({ whep: { redirectUrl: 'https://other.example/cast/' } });
    for (const method of ['POST', 'GET', 'HEAD']) {
      const init = method === 'POST' ? offer(OFFER) : { method };
      const response = await server.app.request('/whep/s9?token=abc', init);
      assert.equal(response.status, 307, method);
      assert.equal(response.headers.get('location'), 'https://other.example/cast/whep/s9?token=abc');
    }
    assert.equal(await status('/whep/s1', offer(OFFER)), 201);
    assert.equal(await status('/whep/s9/p1'), 404);
  });

  it('tells players its ICE servers, with credentials of their own', async () => {
    const urls = ['stun:stun.example:3478', 'turn:turn.example:3478?transport=udp'];
    const nowMs = () => 1_700_000_000_000;
    await restart({ iceServers: { urls, turn: { secret: 'north', ttlS: 600 } }, nowMs });
    const response = await server.app.request('/whep/s1', offer(OFFER));
    const peerId = (response.headers.get('location') ?? '').split('/').at(-1);
    const username = `1700000600:${peerId}`;
    const credential = createHmac('sha1', 'north').update(username).digest('base64');
    const links = (response.headers.get('link') ?? '').split(/, (?=<)/);
    assert.deepEqual(links.slice(0, 2), [
      '<stun:stun.example:3478>; rel="ice-server"',
      `<turn:turn.example:3478?transport=udp>; rel="ice-server"; username="${username}"; credential="${credential}"; credential-type="password"`,
    ]);
    const head = await server.app.request('/whep/s1', { method: 'HEAD' });
    assert.match(head.headers.get('link') ?? '', /^<stun:.*username="1700000600:[0-9a-f-]{36}"/);
    const preflight = await server.app.request('/whep/s1', { method: 'OPTIONS' });
    assert.equal(preflight.headers.get('link'), null);
  });

  it('tells static credentials, quoted', async () => {
    const turn = { username: 'a "b"', credential: 'c\\d' };
    await restart({ iceServers: { urls: ['turns:t:5349'], turn } });
    const head = await server.app.request('/whep/s1', { method: 'HEAD' });
    assert.equal(
      head.headers.get('link'),
      String.raw`<turns:t:5349>; rel="ice-server"; username="a \"b\""; credential="c\\d"; credential-type="password"`,
    );
  });

  it('answers OPTIONS of endpoint and viewer without a session', async () => {
    const endpoint = await server.app.request('/whep/whatever', { method: 'OPTIONS' });
    assert.equal(endpoint.status, 200);
    assert.equal(endpoint.headers.get('accept-post'), 'application/sdp');
    assert.match(endpoint.headers.get('access-control-allow-methods') ?? '', /PATCH/);
    assert.match(endpoint.headers.get('access-control-allow-headers') ?? '', /If-Match/);
    const viewer = await server.app.request('/whep/whatever/p1', { method: 'OPTIONS' });
    assert.equal(viewer.headers.get('accept-patch'), 'application/trickle-ice-sdpfrag');
  });

  it('answers GET and HEAD of the endpoint without content', async () => {
    for (const method of ['GET', 'HEAD']) {
      const response = await server.app.request('/whep/s1', { method });
      assert.equal(response.status, 200);
      assert.equal(response.headers.get('content-type'), 'application/sdp');
      assert.equal(await response.text(), '');
    }
    assert.equal(await status('/whep/nobody'), 404);
  });

  it('takes candidates under the right tag only', async () => {
    const viewer = await watch();
    assert.equal(await status(viewer, patch({ 'If-Match': '"tag1"' })), 204);
    assert.equal(await status(viewer, patch({ 'If-Match': '"other", "tag1"' })), 204);
    assert.deepEqual(server.sessions.trickled, [FRAGMENT, FRAGMENT]);
    assert.equal(await status(viewer, patch({})), 428);
    assert.equal(await status(viewer, patch({ 'If-Match': '"old"' })), 412);
    assert.equal(await status(viewer, patch({ 'If-Match': 'W/"tag1"' })), 412);
    assert.equal(
      await status(viewer, patch({ 'If-Match': '"tag1"', 'Content-Type': 'application/sdp' })),
      415,
    );
    assert.equal(await status(viewer, patch({ 'If-Match': '"tag1"' }, 'hello')), 400);
    assert.equal(await status('/whep/s1/nobody', patch({ 'If-Match': '"tag1"' })), 404);
    assert.equal(await status(viewer.replace('s1', 'other'), patch({ 'If-Match': '"tag1"' })), 404);
    assert.equal(server.sessions.trickled.length, 2);
    server.sessions.refusal = new AppError('not-supported', 'other credentials');
    assert.equal(await status(viewer, patch({ 'If-Match': '"tag1"' })), 422);
  });

  it('takes candidates without If-Match if it is told to be lenient, but no stale ones', async () => {
    await restart({ whep: { lenient: true } });
    const viewer = await watch();
    assert.equal(await status(viewer, patch({})), 204);
    assert.equal(await status(viewer, patch({ 'If-Match': '"old"' })), 412);
  });

  it('restarts ICE with a new tag, after which the old one is stale', async () => {
    const viewer = await watch();
    const response = await server.app.request(viewer, patch({ 'If-Match': '*' }, RESTART_FRAGMENT));
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/trickle-ice-sdpfrag');
    assert.equal(response.headers.get('etag'), '"tag2"');
    assert.match(await response.text(), /a=ice-ufrag:gen2\r\n/);
    assert.equal(await status(viewer, patch({ 'If-Match': '"tag1"' })), 412);
    assert.equal(await status(viewer, patch({ 'If-Match': '"tag2"' })), 204);
  });

  it('keeps the ICE session where a restart is malformed or not supported', async () => {
    const viewer = await watch();
    const bare = FRAGMENT.replace(/a=ice-pwd:.*\r\n/, '');
    assert.equal(await status(viewer, patch({ 'If-Match': '*' }, bare)), 400);
    server.sessions.refusal = new AppError('not-supported', 'no restarts');
    assert.equal(await status(viewer, patch({ 'If-Match': '*' }, RESTART_FRAGMENT)), 422);
    server.sessions.refusal = undefined;
    assert.equal(await status(viewer, patch({ 'If-Match': '"tag1"' })), 204);
  });

  it('limits the rate of PATCHes and DELETEs of a viewer', async () => {
    await restart({ rateLimit: { burst: 1, perSecond: 0.1 }, nowMs: () => 0 });
    const viewer = await watch();
    for (let n = 0; n < 10; n += 1) assert.equal(await status(viewer, patch({ 'If-Match': '"tag1"' })), 204);
    for (const init of [patch({ 'If-Match': '"tag1"' }), { method: 'DELETE' }]) {
      const refused = await server.app.request(viewer, init);
      assert.equal(refused.status, 429);
      assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
    }
    assert.equal(await status(viewer), 204);
  });

  it('sends no ETag with a trickle answer', async () => {
    const response = await server.app.request(await watch(), patch({ 'If-Match': '"tag1"' }));
    assert.equal(response.headers.get('etag'), null);
  });

  it('ends a viewer once, whatever If-Match says', async () => {
    const viewer = await watch();
    assert.equal(await status(viewer), 204);
    assert.equal(await status(viewer, { method: 'DELETE', headers: { 'If-Match': '"stale"' } }), 200);
    assert.equal(await status(viewer, { method: 'DELETE' }), 404);
    assert.equal(await status(viewer, patch({ 'If-Match': '"tag1"' })), 404);
    assert.equal(await status(viewer), 404);
  });

  it('forgets a viewer that left by itself', async () => {
    const viewer = await watch();
    server.sessions.peers.clear();
    assert.equal(await status(viewer, patch({ 'If-Match': '"tag1"' })), 404);
    assert.equal(await status(viewer, patch({})), 404);
  });

  it('answers other methods with 405 and the ones it has', async () => {
    const endpoint = await server.app.request('/whep/s1', { method: 'PUT' });
    assert.equal(endpoint.status, 405);
    assert.deepEqual((endpoint.headers.get('allow') ?? '').split(', ').sort(), [
      'GET',
      'HEAD',
      'OPTIONS',
      'POST',
    ]);
    const viewer = await server.app.request('/whep/s1/p1', { method: 'POST' });
    assert.equal(viewer.status, 405);
    assert.deepEqual((viewer.headers.get('allow') ?? '').split(', ').sort(), [
      'DELETE',
      'GET',
      'HEAD',
      'OPTIONS',
      'PATCH',
    ]);
  });
});

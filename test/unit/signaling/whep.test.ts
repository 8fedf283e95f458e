import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AppError } from '../../../src/errors.js';
import { ANSWER, fakeServer, FRAGMENT, OFFER, type FakeServer } from '../../helpers/fake-ports.js';

describe('WHEP', () => {
  let server: FakeServer;
  beforeEach(async () => {
    server = await fakeServer();
    server.sessions.add('s1');
  });
  afterEach(() => server.close());

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
      location: '/whep/s1/p1',
      etag: '"tag1"',
      'accept-patch': 'application/trickle-ice-sdpfrag',
      'access-control-allow-origin': '*',
    };
    for (const [name, value] of Object.entries(expected))
      assert.equal(response.headers.get(name), value, name);
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
  });

  it('answers OPTIONS of endpoint and viewer without a session', async () => {
    const endpoint = await server.app.request('/whep/whatever', { method: 'OPTIONS' });
    assert.equal(endpoint.status, 204);
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
    assert.equal(server.sessions.patches.length, 2);
    assert.equal(server.sessions.patches[0]?.fragment, FRAGMENT);
    assert.equal(await status(viewer, patch({})), 428);
    assert.equal(await status(viewer, patch({ 'If-Match': '"old"' })), 412);
    assert.equal(await status(viewer, patch({ 'If-Match': 'W/"tag1"' })), 412);
    assert.equal(await status(viewer, patch({ 'If-Match': '*' })), 422);
    assert.equal(
      await status(viewer, patch({ 'If-Match': '"tag1"', 'Content-Type': 'application/sdp' })),
      415,
    );
    assert.equal(await status(viewer, patch({ 'If-Match': '"tag1"' }, 'hello')), 400);
    assert.equal(await status('/whep/s1/nobody', patch({ 'If-Match': '"tag1"' })), 404);
    assert.equal(await status('/whep/other/p1', patch({ 'If-Match': '"tag1"' })), 404);
    assert.equal(server.sessions.patches.length, 2);
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

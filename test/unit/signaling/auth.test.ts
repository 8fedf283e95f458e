import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fakeServer, FRAGMENT, OFFER, type FakeServer } from '../../helpers/fake-ports.js';

const FULL = 'full-token-1';
const VIEWER = 'viewer-token-1';

describe('tokens', () => {
  let server: FakeServer;
  beforeEach(async () => {
    server = await fakeServer({ auth: { full: ['other-token', FULL], viewer: [VIEWER] } });
    server.sessions.add('s1');
    server.avatars.add('anna');
  });
  afterEach(() => server.close());

  async function ask(method: string, path: string, token?: string): Promise<Response> {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const response = await server.app.request(path, { method, headers });
    await response.body?.cancel();
    return response;
  }

  it('guards every API and leaves pages, probes and preflights open', async () => {
    for (const path of [
      '/v1/avatars',
      '/v1/sessions/s1',
      '/v1/nothing',
      '/api/avatar/list',
      '/api/stream/s1',
      '/whep/s1',
      '/metrics',
    ])
      assert.equal((await ask('GET', path)).status, 401, path);
    for (const [method, path] of [
      ['POST', '/whep/s1'],
      ['PATCH', '/whep/s1/p'],
      ['DELETE', '/v1/avatars/anna'],
      ['POST', '/'],
    ] as const)
      assert.equal((await ask(method, path)).status, 401, path);
    for (const path of [
      '/',
      '/bot/s1',
      '/assets/main-abc123.js',
      '/healthz',
      '/readyz',
      '/docs',
      '/openapi.json',
    ])
      assert.equal((await ask('GET', path)).status, 200, path);
    assert.equal((await ask('OPTIONS', '/whep/s1')).status, 200);
    assert.equal((await ask('OPTIONS', '/v1/sessions')).status, 204);
  });

  it('says what it wants and what was wrong', async () => {
    const missing = await ask('GET', '/v1/sessions');
    assert.equal(missing.headers.get('www-authenticate'), 'Bearer realm="musecast"');
    assert.equal(missing.headers.get('content-type'), 'application/problem+json');
    assert.equal(missing.headers.get('access-control-allow-origin'), '*');
    const wrong = await ask('GET', '/v1/sessions', 'full-token-2');
    assert.equal(wrong.status, 401);
    assert.match(wrong.headers.get('www-authenticate') ?? '', /^Bearer .*error="invalid_token"/);
    const basic = await server.app.request('/v1/sessions', { headers: { Authorization: 'Basic YTpi' } });
    assert.equal(basic.status, 401);
  });

  it('takes a token from the header or the URL, the header first', async () => {
    assert.equal((await ask('GET', '/v1/sessions', FULL)).status, 200);
    assert.equal((await ask('GET', '/v1/sessions', 'other-token')).status, 200);
    assert.equal((await ask('GET', `/api/stream/s1?token=${FULL}`)).status, 200);
    assert.equal((await ask('GET', `/v1/sessions?token=${FULL}`, 'wrong-token')).status, 401);
  });

  it('lets a viewer watch and nothing else', async () => {
    for (const [method, path] of [
      ['GET', '/whep/s1'],
      ['HEAD', '/whep/s1'],
      ['GET', '/api/stream/s1'],
      ['GET', '/v1/sessions/s1'],
      ['HEAD', '/v1/sessions/s1/events'],
    ] as const)
      assert.equal((await ask(method, path, VIEWER)).status, 200, path);
    for (const [method, path] of [
      ['GET', '/v1/sessions'],
      ['DELETE', '/v1/sessions/s1'],
      ['PATCH', '/v1/sessions/s1'],
      ['POST', '/v1/sessions/s1/utterances'],
      ['GET', '/v1/avatars'],
      ['POST', '/api/inference/start'],
      ['GET', '/metrics'],
    ] as const) {
      const response = await ask(method, path, VIEWER);
      assert.equal(response.status, 403, path);
      assert.match(response.headers.get('www-authenticate') ?? '', /error="insufficient_scope"/);
    }
    assert.equal(server.sessions.infos.size, 1);
  });

  it('hands a token of the URL on to the URLs that it answers with, and no other', async () => {
    const offer = { method: 'POST', body: OFFER, headers: { 'Content-Type': 'application/sdp' } };
    const response = await server.app.request(`/whep/s1?token=${VIEWER}`, offer);
    assert.equal(response.status, 201);
    const location = response.headers.get('location') ?? '';
    assert.match(location, /^\/whep\/s1\/[0-9a-f-]{36}\?token=viewer-token-1$/);
    assert.match(response.headers.get('link') ?? '', /\/events\?token=viewer-token-1>/);
    const trickled = await server.app.request(location, {
      method: 'PATCH',
      body: FRAGMENT,
      headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '"tag1"' },
    });
    assert.equal(trickled.status, 204);
    const headers = { ...offer.headers, Authorization: `Bearer ${VIEWER}` };
    const byHeader = await server.app.request('/whep/s1', { ...offer, headers });
    assert.doesNotMatch(byHeader.headers.get('location') ?? '', /token/);
  });
});

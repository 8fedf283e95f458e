import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { AppOptions } from '../../../signaling/app.js';
import { RateLimiter } from '../../../signaling/rate-limit.js';
import { fakeServer, postJson, type FakeServer } from '../../helpers/fake-ports.js';

describe('operations', () => {
  let server: FakeServer;
  afterEach(() => server.close());

  async function start(options: AppOptions = {}): Promise<FakeServer> {
    server = await fakeServer(options);
    return server;
  }

  it('is alive and ready, and says when it is not ready', async () => {
    let ready = true;
    const { app } = await start({ isReady: () => ready });
    assert.equal((await app.request('/healthz')).status, 200);
    assert.equal((await app.request('/readyz')).status, 200);
    ready = false;
    const refused = await app.request('/readyz');
    assert.equal(refused.status, 503);
    assert.ok(refused.headers.get('retry-after'));
    assert.equal((await app.request('/healthz')).status, 200);
  });

  it('is not ready if the avatars cannot be read', async () => {
    const { app, avatars } = await start();
    avatars.list = () => Promise.reject(new Error('disk'));
    assert.equal((await app.request('/readyz')).status, 503);
  });

  it('gives figures that Prometheus reads', async () => {
    const { app, avatars, sessions } = await start();
    avatars.add('a');
    sessions.add('s1');
    sessions.add('s2');
    await app.request('/nothing');
    const response = await app.request('/metrics');
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    const lines = text.trimEnd().split('\n');
    for (const line of lines)
      assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? -?[0-9.e+-]+)$/);
    for (const line of [
      'musecast_info{version="1.2.3",engine="fake"} 1',
      'musecast_avatars{state="ready"} 1',
      'musecast_sessions{state="idle"} 2',
      'musecast_session_frames_drawn 6',
      'musecast_http_requests_total{method="GET",status="404"} 1',
    ]) {
      assert.ok(lines.includes(line), line);
    }
    assert.ok(text.endsWith('\n'));
  });

  it('answers a preflight of any path', async () => {
    const { app } = await start();
    const response = await app.request('/v1/sessions', {
      method: 'OPTIONS',
      headers: { Origin: 'http://other', 'Access-Control-Request-Method': 'POST' },
    });
    assert.equal(response.status, 204);
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
    assert.equal((await app.request('/nothing')).headers.get('access-control-allow-origin'), '*');
  });

  it('limits the rate of POSTs only, and lets go after a while', async () => {
    let nowMs = 0;
    const { app } = await start({ rateLimit: { burst: 2, perSecond: 0.5 }, nowMs: () => nowMs });
    const post = () => app.request('/v1/sessions', postJson({ avatar: 'nobody' }));
    assert.equal((await post()).status, 404);
    assert.equal((await post()).status, 404);
    const refused = await post();
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get('retry-after'), '2');
    assert.equal(refused.headers.get('access-control-allow-origin'), '*');
    assert.equal((await app.request('/v1/sessions')).status, 200);
    nowMs += 2000;
    assert.equal((await post()).status, 404);
    assert.equal((await post()).status, 429);
  });

  it('counts clients apart', async () => {
    await start();
    const limiter = new RateLimiter({ burst: 1, perSecond: 1 }, () => 0);
    assert.equal(limiter.take('a'), 0);
    assert.equal(limiter.take('b'), 0);
    assert.equal(limiter.take('a'), 1);
  });
});

import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import type { AppOptions } from '../../../signaling/app.js';
import { RateLimiter } from '../../../signaling/rate-limit.js';
import { SessionMetrics } from '../../../src/session/session-metrics.js';
import { ViewerMetrics } from '../../../src/session/viewers/viewer-metrics.js';
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

  it('gives histograms a session and a viewer, in seconds, each family in one block', async () => {
    const { app, sessions } = await start();
    const metrics = new SessionMetrics(() => 0);
    metrics.timerCame(4);
    metrics.timerCame(30);
    const viewer = new ViewerMetrics(() => 0);
    viewer.report({ rttMs: 15, lostShare: 0.03, jitterMs: 2 });
    const listed = [
      {
        ...({ id: 'v"1', state: 'connected', summary: viewer.summary() } as const),
        ...{ histograms: viewer.histograms(), numbers: viewer.numbers() },
      },
    ];
    const counts = { sent: 7, late: 1, dropped: 0, skipped: 2 };
    sessions.measured = ['s1', 's2'].map((id) => metrics.figures(id, counts, viewer.tally, listed));
    const text = await (await app.request('/metrics')).text();
    const lines = text.trimEnd().split('\n');
    for (const line of [
      '# TYPE musecast_event_loop_delay_seconds histogram',
      'musecast_event_loop_delay_seconds_bucket{session="s1",le="0.003"} 0',
      'musecast_event_loop_delay_seconds_bucket{session="s1",le="0.005"} 1',
      'musecast_event_loop_delay_seconds_bucket{session="s1",le="+Inf"} 2',
      'musecast_event_loop_delay_seconds_sum{session="s1"} 0.034',
      'musecast_event_loop_delay_seconds_count{session="s1"} 2',
      'musecast_pictures_late_total{session="s2"} 1',
      'musecast_viewer_rtt_seconds_bucket{session="s1",viewer="v\\"1",le="0.01"} 0',
      'musecast_viewer_rtt_seconds_bucket{session="s1",viewer="v\\"1",le="0.02"} 1',
      'musecast_viewer_lost_ratio_bucket{session="s2",viewer="v\\"1",le="0.05"} 1',
      'musecast_viewer_jitter_seconds{session="s1",viewer="v\\"1"} 0.002',
      'musecast_all_viewers_rtt_seconds_count{session="s1"} 1',
    ]) {
      assert.ok(lines.includes(line), line);
    }
    const families = lines.filter((line) => line.startsWith('# TYPE')).map((line) => line.split(' ')[2]!);
    assert.equal(new Set(families).size, families.length, 'no family begins twice');
    let family = '';
    for (const line of lines) {
      if (line.startsWith('# TYPE')) family = line.split(' ')[2]!;
      else if (!line.startsWith('#'))
        assert.match(line, new RegExp(`^${family}(_bucket|_sum|_count)?[ {]`), 'samples follow their family');
    }

    sessions.measured = [];
    assert.doesNotMatch(await (await app.request('/metrics')).text(), /s1|v"1/);
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

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AppError } from '../../../src/errors.js';
import { sessionDetailSchema } from '../../../signaling/schemas.js';
import { fakeServer, postJson, type FakeServer } from '../../helpers/fake-ports.js';

describe('/v1/sessions', () => {
  let server: FakeServer;
  beforeEach(async () => {
    server = await fakeServer({ maxUploadBytes: 100 });
    server.avatars.add('anna');
  });
  afterEach(() => server.close());

  async function refused(path: string, init: RequestInit, status: number, code: string): Promise<void> {
    const response = await server.app.request(path, init);
    const body = (await response.json()) as { status: number; code: string };
    assert.deepEqual([response.status, body.status, body.code], [status, status, code]);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
  }

  it('starts a session and tells every URL', async () => {
    const response = await server.app.request('/v1/sessions', postJson({ avatar: 'anna', fps: 30 }));
    assert.equal(response.status, 201);
    assert.equal(response.headers.get('location'), '/v1/sessions/s1');
    const body = (await response.json()) as { id: string; avatar: string; state: string; urls: unknown };
    assert.deepEqual([body.id, body.avatar, body.state], ['s1', 'anna', 'idle']);
    assert.deepEqual(body.urls, {
      whep: '/whep/s1',
      mjpeg: '/api/stream/s1',
      utterances: '/v1/sessions/s1/utterances',
      audio: '/v1/sessions/s1/audio',
      whip: '/whip/s1',
      events: '/v1/sessions/s1/events',
      recording: '/v1/sessions/s1/recording',
    });
    assert.deepEqual(server.sessions.created, [{ avatarId: 'anna', fps: 30 }]);
  });

  it('tells what was measured of one session, and not in the list', async () => {
    server.sessions.add('s1');
    const one = (await (await server.app.request('/v1/sessions/s1')).json()) as object;
    assert.deepEqual(sessionDetailSchema.parse(one), one);
    const { sessions } = (await (await server.app.request('/v1/sessions')).json()) as { sessions: object[] };
    assert.equal(sessions.length, 1);
    for (const key of ['media', 'viewerStats']) assert.ok(key in one && !(key in sessions[0]!), key);
  });

  it('speaks at once if asked: a path, or the demo', async () => {
    await server.app.request('/v1/sessions', postJson({ avatar: 'anna', audio: { path: 'a.wav' } }));
    await server.app.request(
      '/v1/sessions',
      postJson({ avatar: 'anna', audio: { demo: true }, endAfterSpeech: true, saveImages: true }),
    );
    assert.deepEqual(server.sessions.created, [
      { avatarId: 'anna', audioPath: '/media/a.wav' },
      { avatarId: 'anna', audioPath: '/demo.wav', endAfterSpeech: true, saveImages: true },
    ]);
  });

  it('refuses what it cannot start', async () => {
    server.avatars.add('busy', 'preparing');
    await refused('/v1/sessions', postJson({ avatar: 'nobody' }), 404, 'avatar-not-found');
    await refused('/v1/sessions', postJson({ avatar: 'busy' }), 409, 'avatar-not-ready');
    await refused('/v1/sessions', postJson({ avatar: 'anna', fps: 200 }), 422, 'invalid-argument');
    await refused('/v1/sessions', postJson({ avatar: 'anna', engine: 'other' }), 422, 'invalid-argument');
    await refused('/v1/sessions', postJson({ avatar: 'anna', audio: {} }), 422, 'invalid-argument');
    await refused(
      '/v1/sessions',
      postJson({ avatar: 'anna', audio: { path: 'garbage' } }),
      415,
      'media-undecodable',
    );
    await refused(
      '/v1/sessions',
      { method: 'POST', body: 'x', headers: { 'Content-Type': 'text/plain' } },
      415,
      'unsupported-media-type',
    );
    server.sessions.refusal = new AppError('no-capacity', 'full');
    await refused('/v1/sessions', postJson({ avatar: 'anna' }), 503, 'no-capacity');
  });

  it('describes, lists and ends', async () => {
    server.sessions.add('s1');
    const { sessions } = (await (await server.app.request('/v1/sessions')).json()) as {
      sessions: { id: string }[];
    };
    assert.deepEqual(
      sessions.map((one) => one.id),
      ['s1'],
    );
    assert.equal((await server.app.request('/v1/sessions/s1')).status, 200);
    assert.equal((await server.app.request('/v1/sessions/s1', { method: 'DELETE' })).status, 204);
    await refused('/v1/sessions/s1', { method: 'DELETE' }, 404, 'session-not-found');
    await refused('/v1/sessions/s1', {}, 404, 'session-not-found');
  });

  it('changes the settings that are given and tells them', async () => {
    server.sessions.add('s1');
    const patch = (body: unknown, at = 's1') =>
      [`/v1/sessions/${at}`, { ...postJson(body), method: 'PATCH' }] as const;
    const settings = {
      ...{ maxBitrateBps: 500_000, quality: 'mid', playoutDelayMs: { min: 0, max: 400 } },
      ...{ mouthStrength: 1.5, mouthSmoothing: 0.5, fps: 12, idleActions: [{ name: 'nod', everyS: 20 }] },
      avatar: 'other',
      background: '#00B140',
    };
    for (const part of Object.entries(settings)) {
      const response = await server.app.request(...patch(Object.fromEntries([part])));
      assert.equal(response.status, 200, part[0]);
      const { takesHold } = (await response.json()) as { takesHold: object };
      assert.deepEqual(takesHold, { [part[0]]: { ms: 1 } });
    }
    const body = (await (await server.app.request('/v1/sessions/s1')).json()) as { settings: unknown };
    assert.deepEqual(body.settings, settings);
    for (const wrong of [
      { maxBitrateBps: 99_999 },
      { maxBitrateBps: 8_000_001 },
      { quality: 'best' },
      { mouthStrength: 2.1 },
      { mouthSmoothing: 1 },
      { playoutDelayMs: { min: 20, max: 10 } },
      { playoutDelayMs: { min: 0, max: 40_951 } },
      { bitrate: 1 },
      { avatar: '../other' },
      { fps: 61 },
      { background: 'green' },
      { background: '#0b1' },
      { idleActions: [{ name: 'nod', everyS: 0 }] },
      { idleActions: [{ name: 'nod' }] },
      [],
    ])
      await refused(...patch(wrong), 422, 'invalid-argument');
    await refused(...patch({}, 'nobody'), 404, 'session-not-found');
    server.sessions.refusal = new AppError('not-supported', 'not yet');
    await refused(...patch({ quality: 'low' }), 501, 'not-supported');
    assert.equal(server.sessions.configured.length, 9);
  });

  it('says where ICE servers are told, if there are any', async () => {
    const other = await fakeServer({ iceServers: { urls: ['stun:s:3478'] } });
    other.sessions.add('s1');
    const { urls } = (await (await other.app.request('/v1/sessions/s1')).json()) as {
      urls: Record<string, string>;
    };
    await other.close();
    assert.equal(urls['iceServers'], '/whep/s1');
  });

  it('names the methods that a path has', async () => {
    const response = await server.app.request('/v1/sessions', { method: 'PUT' });
    assert.equal(response.status, 405);
    assert.deepEqual((response.headers.get('allow') ?? '').split(', ').sort(), [
      'GET',
      'HEAD',
      'OPTIONS',
      'POST',
    ]);
  });
});

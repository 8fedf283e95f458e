import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AppError } from '../../../src/errors.js';
import {
  ANSWER,
  fakeServer,
  FRAGMENT,
  OFFER,
  RESTART_FRAGMENT,
  type FakeServer,
} from '../../helpers/fake-ports.js';

/** Only its sound, sent. */
const SOUND_OFFER = OFFER.slice(0, OFFER.indexOf('m=video'))
  .replace('a=group:BUNDLE 0 1', 'a=group:BUNDLE 0')
  .replace('a=recvonly', 'a=sendonly');

describe('/whip/{session}', () => {
  let server: FakeServer;
  beforeEach(async () => {
    server = await fakeServer();
    server.sessions.add('s1');
  });
  afterEach(() => server.close());

  const post = (body: string, path = '/whip/s1', type = 'application/sdp') =>
    server.app.request(path, { method: 'POST', body, headers: { 'Content-Type': type } });
  const patch = (path: string, body: string, ifMatch?: string) =>
    server.app.request(path, {
      method: 'PATCH',
      body,
      headers: {
        'Content-Type': 'application/trickle-ice-sdpfrag',
        ...(ifMatch === undefined ? {} : { 'If-Match': ifMatch }),
      },
    });

  async function refused(response: Response, status: number): Promise<void> {
    const { detail } = (await response.json()) as { detail: string };
    assert.equal(response.status, status, detail);
    assert.match(detail, /\S/);
  }

  it('answers an offer, trickles, restarts and ends (RFC 9725)', async () => {
    const created = await post(SOUND_OFFER);
    assert.equal(created.status, 201);
    assert.equal(created.headers.get('content-type'), 'application/sdp');
    assert.equal(await created.text(), ANSWER);
    const at = created.headers.get('location') ?? '';
    assert.match(at, /^\/whip\/s1\/[0-9a-f-]{36}$/);
    const etag = created.headers.get('etag') ?? '';
    assert.equal((await patch(at, FRAGMENT, etag)).status, 204);
    await refused(await patch(at, FRAGMENT), 428);
    await refused(await patch(at, FRAGMENT, '"old"'), 412);
    const restarted = await patch(at, RESTART_FRAGMENT, '*');
    assert.equal(restarted.status, 200);
    assert.notEqual(restarted.headers.get('etag'), etag);
    assert.equal((await server.app.request(at)).status, 204);
    assert.equal((await server.app.request(at, { method: 'DELETE' })).status, 200);
    await refused(await server.app.request(at, { method: 'DELETE' }), 404);
    await refused(await patch(at, FRAGMENT, etag), 404);
  });

  it('tells what it takes, and takes a partner who is listened to', async () => {
    const options = await server.app.request('/whip/s1', { method: 'OPTIONS' });
    assert.deepEqual([options.status, options.headers.get('accept-post')], [200, 'application/sdp']);
    assert.equal((await server.app.request('/whip/s1')).status, 200);
    assert.equal((await post(SOUND_OFFER, '/whip/s1?role=listen')).status, 201);
    assert.deepEqual(server.sessions.roles, ['listen']);
  });

  it('refuses what it cannot use', async () => {
    await refused(await post(SOUND_OFFER, '/whip/nobody'), 404);
    await refused(await post(SOUND_OFFER, '/whip/s1', 'text/plain'), 415);
    await refused(await post('hello'), 400);
    await refused(await post(OFFER), 422);
    await refused(await post(SOUND_OFFER, '/whip/s1?role=sing'), 422);
    server.sessions.refusal = new AppError('sender-exists', 'there is one');
    await refused(await post(SOUND_OFFER), 409);
    server.sessions.refusal = new AppError('not-supported', 'not with --senders');
    await refused(await post(SOUND_OFFER), 501);
  });
});

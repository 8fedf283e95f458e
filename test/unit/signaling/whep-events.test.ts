import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fakeServer, OFFER, postJson, type FakeServer } from '../../helpers/fake-ports.js';

describe('events of a WHEP viewer', () => {
  let server: FakeServer;
  let viewer: string;
  let events: string;
  beforeEach(async () => {
    server = await fakeServer();
    server.sessions.add('s1');
    const response = await server.app.request('/whep/s1', {
      method: 'POST',
      body: OFFER,
      headers: { 'Content-Type': 'application/sdp' },
    });
    viewer = response.headers.get('location') ?? assert.fail('no Location');
    const link = /^<([^>]+)>; rel="urn:ietf:params:whep:ext:core:server-sent-events"; events="([^"]+)"$/.exec(
      response.headers.get('link') ?? '',
    );
    events = link?.[1] ?? assert.fail('no Link');
    assert.deepEqual(link?.[2]?.split(',').slice(0, 3), ['active', 'inactive', 'viewercount']);
  });
  afterEach(() => server.close());

  async function ask(...names: string[]): Promise<string> {
    const response = await server.app.request(events, postJson(names));
    assert.equal(response.status, 201);
    return response.headers.get('location') ?? assert.fail('no Location');
  }

  /** What came until `enough` pieces with an event, or to the end. */
  async function read(response: Response, enough = Infinity): Promise<string[]> {
    const told: string[] = [];
    const reader = response.body!.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return told;
      const text = Buffer.from(value as Uint8Array).toString();
      if (text.startsWith('event: ')) told.push(text.trim().replace('\ndata: ', ' ').slice('event: '.length));
      if (told.length >= enough) {
        reader.releaseLock();
        return told;
      }
    }
  }

  it('refuses what it cannot tell', async () => {
    for (const body of [['active', 'scte35'], [], {}, 'active', [1]])
      assert.equal((await server.app.request(events, postJson(body))).status, 400, JSON.stringify(body));
    const text = { method: 'POST', body: '["active"]', headers: { 'Content-Type': 'text/plain' } };
    assert.equal((await server.app.request(events, text)).status, 415);
    assert.equal((await server.app.request('/whep/s1/nobody/events', postJson(['active']))).status, 404);
    assert.equal(server.sessions.listenerCount, 0);
  });

  it('tells what was asked for, one line of JSON each, and ends with the session', async () => {
    const response = await server.app.request(
      await ask('active', 'inactive', 'viewercount', 'speech-started'),
    );
    assert.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    assert.deepEqual(await read(response, 2), ['active {}', 'viewercount {"viewercount":1}']);
    const at = { mediaMs: 0, rtp: { audio: 0, video: 0 } };
    server.sessions.emit({ event: 'session.state', data: { state: 'speaking', ...at } });
    server.sessions.emit({ event: 'session.state', data: { state: 'idle', ...at } });
    server.sessions.emit({ event: 'session.viewers', data: { viewers: 7 } });
    server.sessions.emit({ event: 'session.ended', data: { reason: 'stopped by request' } });
    assert.deepEqual(await read(response), [
      'speech-started {}',
      'viewercount {"viewercount":7}',
      'inactive {}',
    ]);
    assert.equal(server.sessions.listenerCount, 0);
  });

  it('ends with the session also where nobody asked for that event', async () => {
    const at = await ask('active');
    const response = await server.app.request(at);
    assert.deepEqual(await read(response, 1), ['active {}']);
    server.sessions.emit({ event: 'session.ended', data: { reason: 'stopped by request' } });
    assert.deepEqual(await read(response), []);
    assert.equal((await server.app.request(at)).status, 404);
    assert.equal(server.sessions.listenerCount, 0);
  });

  it('ends with its viewer, and not with another', async () => {
    const at = await ask('active');
    const response = await server.app.request(at);
    assert.deepEqual(await read(response, 1), ['active {}']);
    server.sessions.emit({ event: 'session.viewers', data: { viewers: 3 } });
    assert.equal((await server.app.request(at, { method: 'HEAD' })).status, 200);
    assert.equal((await server.app.request(viewer, { method: 'DELETE' })).status, 200);
    assert.deepEqual(await read(response), []);
    assert.equal((await server.app.request(at)).status, 404);
    assert.equal(server.sessions.listenerCount, 0);
  });

  it('ends when it is deleted, once', async () => {
    const at = await ask('viewercount');
    const response = await server.app.request(at);
    assert.deepEqual(await read(response, 1), ['viewercount {"viewercount":1}']);
    assert.equal((await server.app.request(at, { method: 'DELETE' })).status, 200);
    assert.deepEqual(await read(response), []);
    assert.equal((await server.app.request(at, { method: 'DELETE' })).status, 404);
    assert.equal((await server.app.request(at)).status, 404);
    assert.equal((await server.app.request(viewer)).status, 204);
  });

  it('gives a viewer a few streams only', async () => {
    for (let n = 0; n < 4; n += 1) await ask('active');
    assert.equal((await server.app.request(events, postJson(['active']))).status, 503);
  });
});

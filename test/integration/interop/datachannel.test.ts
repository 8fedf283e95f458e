import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Remote } from '../../helpers/remote.js';
import { postJsonTo, startTestServer, until, type TestServer } from '../../helpers/server.js';
import type { ViewerMethods } from './datachannel-viewer.js';

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server?.close());

test('libdatachannel receives: a key picture first, 25 pictures and 50 sounds a second, DELETE ends it', async () => {
  const { status, json } = await postJsonTo(server, '/v1/sessions', {
    avatar: 'demo',
    audio: { demo: true },
  });
  assert.equal(status, 201);
  const viewer = Remote.module<ViewerMethods>(new URL('datachannel-viewer.js', import.meta.url));
  type Seen = Awaited<ReturnType<ViewerMethods['seen']>>;
  const seen = (what: string, condition: (seen: Seen) => boolean): Promise<Seen> =>
    until(what, async () => {
      const now = await viewer.call('seen', null);
      return condition(now) ? now : undefined;
    });
  try {
    const answer = await fetch(`${server.url}/whep/${String(json['id'])}`, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: await viewer.call('offer', null),
    });
    assert.equal(answer.status, 201);
    await viewer.call('answer', { sdp: await answer.text() });
    const first = await seen(
      'picture and sound',
      ({ video, audio }) => video.markers > 0 && audio.packets > 0,
    );
    assert.ok(first.beganWithKeyPicture, 'a key picture comes first');
    const last = await seen('four seconds', ({ video }) => video.markers >= first.video.markers + 100);
    const seconds = (last.atMs - first.atMs) / 1000;
    assert.ok(seconds > 3 && seconds < 5, `100 pictures came in ${seconds} s`);
    const soundsPerSecond = (last.audio.packets - first.audio.packets) / seconds;
    assert.ok(soundsPerSecond > 40 && soundsPerSecond < 60, `${soundsPerSecond} sound packets a second`);
    for (const { expected, packets } of [last.video, last.audio])
      assert.ok(expected - packets <= expected * 0.01, `${packets} of ${expected} packets`);

    const location = new URL(answer.headers.get('location') ?? '', server.url);
    assert.equal((await fetch(location, { method: 'DELETE' })).status, 200);
    await seen('end of the connection', ({ state }) => state !== 'connected');
  } finally {
    await viewer.close();
  }
});

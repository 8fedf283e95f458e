import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DatachannelViewer } from '../../helpers/datachannel-viewer.js';
import { postJsonTo, startTestServer, type TestServer } from '../../helpers/server.js';

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
  const viewer = new DatachannelViewer();
  try {
    const answer = await fetch(`${server.url}/whep/${String(json['id'])}`, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: await viewer.offer(),
    });
    assert.equal(answer.status, 201);
    await viewer.answer(await answer.text());
    const first = await viewer.until(
      'picture and sound',
      ({ video, audio }) => video.markers > 0 && audio.packets > 0,
    );
    assert.ok(first.beganWithKeyPicture, 'a key picture comes first');
    const last = await viewer.until(
      'four seconds',
      ({ video }) => video.markers >= first.video.markers + 100,
    );
    const seconds = (last.atMs - first.atMs) / 1000;
    assert.ok(seconds > 3 && seconds < 5, `100 pictures came in ${seconds} s`);
    const soundsPerSecond = (last.audio.packets - first.audio.packets) / seconds;
    assert.ok(soundsPerSecond > 40 && soundsPerSecond < 60, `${soundsPerSecond} sound packets a second`);
    for (const { expected, packets } of [last.video, last.audio])
      assert.ok(expected - packets <= expected * 0.01, `${packets} of ${expected} packets`);

    const location = new URL(answer.headers.get('location') ?? '', server.url);
    assert.equal((await fetch(location, { method: 'DELETE' })).status, 200);
    await viewer.until('end of the connection', ({ state }) => state !== 'connected');
  } finally {
    await viewer.close();
  }
});

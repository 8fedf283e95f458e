import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DatachannelClient } from '../../helpers/datachannel-client.js';
import { beginsKeyPicture } from '../../helpers/rtp-count.js';
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
  const client = new DatachannelClient('interop');
  try {
    const answer = await fetch(`${server.url}/whep/${String(json['id'])}`, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: await client.offer(),
    });
    assert.equal(answer.status, 201);
    client.answer(await answer.text());
    await client.until('first picture', ({ video }) => video.totals.markers > 0);
    assert.ok(beginsKeyPicture(client.video.firstPayload ?? new Uint8Array()), 'a key picture comes first');
    await client.until('sound', ({ audio }) => audio.totals.packets > 0);
    const startMs = performance.now();
    const before = { pictures: client.video.totals.markers, sounds: client.audio.totals.packets };
    await client.until('four seconds', ({ video }) => video.totals.markers >= before.pictures + 100);
    const seconds = (performance.now() - startMs) / 1000;
    assert.ok(seconds > 3 && seconds < 5, `100 pictures came in ${seconds} s`);
    const soundsPerSecond = (client.audio.totals.packets - before.sounds) / seconds;
    assert.ok(soundsPerSecond > 40 && soundsPerSecond < 60, `${soundsPerSecond} sound packets a second`);
    for (const { totals } of [client.video, client.audio])
      assert.ok(totals.expected - totals.packets <= totals.expected * 0.01, JSON.stringify(totals));

    const location = new URL(answer.headers.get('location') ?? '', server.url);
    assert.equal((await fetch(location, { method: 'DELETE' })).status, 200);
    await client.until('end of the connection', ({ state }) => state !== 'connected');
  } finally {
    client.close();
  }
});

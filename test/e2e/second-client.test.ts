import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startTestServer, type TestServer } from '../helpers/server.js';
import { WrtcClient } from '../helpers/wrtc-client.js';

/** The same stream in a client that is neither a browser nor of our making: libwebrtc inside Node. */

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server?.close());

test('libwebrtc plays a session: picture size, steady pictures, loud sound, DELETE ends it', async () => {
  const created = await fetch(`${server.url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ avatar: 'demo', audio: { demo: true } }),
  });
  assert.equal(created.status, 201);
  const { id } = (await created.json()) as { id: string };
  const client = new WrtcClient();
  try {
    const answer = await fetch(`${server.url}/whep/${id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: await client.offer(),
    });
    assert.equal(answer.status, 201);
    assert.match(answer.headers.get('etag') ?? '', /^".+"$/);
    await client.answer(await answer.text());
    await client.until('first picture', ({ frames }) => frames > 0);
    const startMs = performance.now();
    await client.until('three seconds of pictures', ({ frames }) => frames >= 75, 8000);
    assert.ok(performance.now() - startMs > 2000, 'pictures come in real time, not in a burst');
    await client.until('speech', ({ audioPeak }) => audioPeak > 1000);
    assert.deepEqual([client.lastPicture?.widthPx, client.lastPicture?.heightPx], [512, 600]);
    const location = new URL(answer.headers.get('location') ?? '', server.url);
    assert.equal((await fetch(location, { method: 'DELETE' })).status, 200);
    assert.equal((await fetch(location, { method: 'DELETE' })).status, 404);
    await client.until('end of the transport', ({ dtlsState }) => dtlsState !== 'connected');
  } finally {
    client.close();
  }
});

test('candidates that follow by PATCH connect; a missing or stale If-Match and a wrong type are refused', async () => {
  const created = await fetch(`${server.url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ avatar: 'demo' }),
  });
  const { id } = (await created.json()) as { id: string };
  const client = new WrtcClient();
  try {
    const candidates: string[] = [];
    const offer = await client.offer((candidate) => candidates.push(candidate));
    assert.doesNotMatch(offer, /^a=candidate/m);
    const answer = await fetch(`${server.url}/whep/${id}`, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: offer,
    });
    const location = new URL(answer.headers.get('location') ?? '', server.url);
    const etag = answer.headers.get('etag') ?? '';
    await client.answer(await answer.text());
    await client.until('candidates', () => candidates.length > 0);
    const ufrag = /^a=ice-ufrag:(\S+)/m.exec(offer)?.[1] ?? '';
    const lines = candidates.map((candidate) => `a=${candidate}`).join('\r\n');
    const body = `a=ice-ufrag:${ufrag}\r\na=ice-pwd:x\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n${lines}\r\n`;
    const patch = async (headers: Record<string, string>) =>
      (await fetch(location, { method: 'PATCH', headers, body })).status;
    const type = { 'content-type': 'application/trickle-ice-sdpfrag' };
    assert.equal(await patch(type), 428);
    assert.equal(await patch({ ...type, 'if-match': '"stale"' }), 412);
    assert.equal(await patch({ 'content-type': 'text/plain', 'if-match': etag }), 415);
    assert.equal(await patch({ ...type, 'if-match': etag }), 204);
    await client.until('pictures', ({ frames }) => frames >= 5);
  } finally {
    client.close();
    await fetch(`${server.url}/v1/sessions/${id}`, { method: 'DELETE' });
  }
});

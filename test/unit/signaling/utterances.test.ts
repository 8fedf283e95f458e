import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AppError } from '../../../src/errors.js';
import { fakeServer, postJson, type FakeServer } from '../../helpers/fake-ports.js';

const URL = '/v1/sessions/s1/utterances';

describe('/v1/sessions/{id}/utterances', () => {
  let server: FakeServer;
  beforeEach(async () => {
    server = await fakeServer({ maxUploadBytes: 100 });
    server.sessions.add('s1');
  });
  afterEach(() => server.close());

  async function refused(path: string, init: RequestInit, status: number, code: string): Promise<void> {
    const response = await server.app.request(path, init);
    const body = (await response.json()) as { status: number; code: string; detail: string };
    assert.deepEqual([response.status, body.status, body.code], [status, status, code], JSON.stringify(body));
    assert.match(body.detail, /\S/);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
  }

  const raw = (bytes: number, type: string, headers: Record<string, string> = {}): RequestInit => ({
    method: 'POST',
    body: new Uint8Array(bytes),
    headers: { 'Content-Type': type, ...headers },
  });
  const post = { method: 'POST' };

  it('takes speech as a path, the demo, a form, raw sound; each has a place of its own', async () => {
    const sound = Uint8Array.of(1, 2, 3, 13, 10, 45, 45);
    const form = new FormData();
    form.append('mode', 'interrupt');
    form.append('file', new Blob([sound]), 'hello.wav');
    const requests: [string, RequestInit, string][] = [
      [URL, postJson({ path: 'a.wav' }), 'append'],
      [URL, postJson({ demo: true, mode: 'replace' }), 'replace'],
      [URL, { method: 'POST', body: form }, 'interrupt'],
      [
        `${URL}?mode=replace`,
        { method: 'POST', body: sound, headers: { 'Content-Type': 'audio/wav' } },
        'replace',
      ],
    ];
    for (const [index, [url, init, mode]] of requests.entries()) {
      const response = await server.app.request(url, init);
      assert.equal(response.status, 201, String(index));
      const id = `u${index + 1}`;
      assert.equal(response.headers.get('location'), `${URL}/${id}`);
      const body = (await response.json()) as { utteranceId: string };
      assert.equal(body.utteranceId, id);
      const info = (await (await server.app.request(`${URL}/${id}`)).json()) as object;
      assert.deepEqual(body, { utteranceId: id, ...info });
      assert.equal(server.sessions.said[index]?.mode, mode);
    }
    const [first, second, third, fourth] = server.sessions.said;
    assert.equal(first?.audioPath, '/media/a.wav');
    assert.equal(second?.audioPath, '/demo.wav');
    for (const upload of [third, fourth]) {
      assert.equal(upload?.audioIsUpload, true);
      assert.deepEqual(new Uint8Array(await readFile(upload.audioPath)), sound);
    }
    const { utterances } = (await (await server.app.request(URL)).json()) as { utterances: { id: string }[] };
    assert.deepEqual(
      utterances.map(({ id }) => id),
      ['u1', 'u2', 'u3', 'u4'],
    );
  });

  it('passes text on, to be spoken or answered', async () => {
    server.sessions.can = { text: true, chat: true };
    for (const body of [
      { text: '  hello ', voice: 'bella', mode: 'replace' },
      { type: 'chat', text: 'who are you?' },
      { type: 'say', text: 'I' },
    ])
      assert.equal((await server.app.request(URL, postJson(body))).status, 201);
    assert.deepEqual(server.sessions.texts, [
      { text: 'hello', voice: 'bella', mode: 'replace', chat: false },
      { text: 'who are you?', voice: undefined, mode: 'append', chat: true },
      { text: 'I', voice: undefined, mode: 'append', chat: false },
    ]);
    for (const body of [
      { text: ' ' },
      { text: 'a'.repeat(10_001) },
      { text: 'a', voice: 'two words' },
      { text: 'a', type: 'sing' },
      { demo: true, voice: 'bella' },
      { type: 'chat' },
    ])
      await refused(URL, postJson(body), 422, 'invalid-argument');
  });

  it('refuses what cannot be spoken and keeps nothing', async () => {
    await refused('/v1/sessions/nobody/utterances', raw(1, 'audio/wav'), 404, 'session-not-found');
    await refused(URL, raw(0, 'audio/wav'), 400, 'empty-file');
    await refused(URL, raw(101, 'audio/wav'), 413, 'media-too-large');
    await refused(URL, raw(1, 'text/html'), 415, 'unsupported-media-type');
    await refused(URL, postJson({}), 422, 'invalid-argument');
    await refused(URL, postJson({ path: 'folder/' }), 400, 'not-a-file');
    await refused(URL, postJson({ path: 'a', demo: true }), 422, 'invalid-argument');
    await refused(URL, postJson({ text: 'hello' }), 501, 'not-supported');
    await refused(URL, postJson({ demo: true, mode: 'louder' }), 422, 'invalid-argument');
    await refused(`${URL}?mode=louder`, raw(10, 'audio/wav'), 422, 'invalid-argument');
    await refused(URL, postJson({ stream: { sampleRate: 44_100 } }), 422, 'invalid-argument');
    await refused(URL, raw(10, 'audio/pcm'), 422, 'invalid-argument');
    await refused(URL, raw(10, 'audio/pcm;rate=11025'), 422, 'invalid-argument');
    await refused(URL, raw(10, 'audio/wav', { 'Idempotency-Key': 'a b' }), 400, 'malformed-header');
    server.sessions.refusal = new AppError('media-undecodable', 'no sound');
    await refused(URL, raw(10, 'audio/wav'), 415, 'media-undecodable');
    server.sessions.refusal = new AppError('no-capacity', '32 utterances wait');
    await refused(URL, postJson({ demo: true }), 503, 'no-capacity');
    // The last upload belongs to the port, which refused it here without deleting it.
    assert.ok((await readdir(server.uploadsDir)).length <= 1);
  });

  it('does nothing twice under one Idempotency-Key', async () => {
    const send = (bytes: number, url = URL) =>
      server.app.request(url, raw(bytes, 'audio/wav', { 'Idempotency-Key': 'k1' }));
    const answers = await Promise.all([send(10), send(10)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 201]);
    const [one, other] = await Promise.all(answers.map((answer) => answer.json()));
    assert.deepEqual(one, other);
    assert.equal(server.sessions.said.length, 1);
    assert.equal((await readdir(server.uploadsDir)).length, 1, 'the repeat left no file');
    await refused(URL, raw(11, 'audio/wav', { 'Idempotency-Key': 'k1' }), 422, 'idempotency-key-reused');
    server.sessions.add('s2');
    assert.equal((await send(10, '/v1/sessions/s2/utterances')).status, 201, 'another session, another key');
  });

  it('may be tried again under its key after it was refused', async () => {
    const send = () => server.app.request(URL, { ...postJson({ demo: true }), headers: keyed });
    const keyed = { 'Content-Type': 'application/json', 'Idempotency-Key': 'k1' };
    server.sessions.refusal = new AppError('no-capacity', 'full');
    assert.equal((await send()).status, 503);
    server.sessions.refusal = undefined;
    assert.equal((await send()).status, 201);
  });

  it('takes sound in pieces, or as a body that is spoken while it comes', async () => {
    const opened = await server.app.request(
      URL,
      postJson({ stream: { sampleRate: 24_000 }, mode: 'replace' }),
    );
    assert.equal(opened.status, 201);
    const place = `${opened.headers.get('location')?.replaceAll(' ', '%20')}/sound`;
    const taken = await server.app.request(`${place}?seq=0&last=true`, raw(4, 'application/octet-stream'));
    assert.deepEqual(await taken.json(), { receivedMs: 20, bufferedMs: 10, hasRoom: true });
    const streamed = await server.app.request(URL, raw(6, 'audio/pcm;rate=16000'));
    assert.equal(streamed.status, 201);
    assert.deepEqual(
      server.sessions.pieces.map(({ id, bytes, last }) => [id, bytes.length, last]),
      [
        ['at 24000 Hz', 4, true],
        ['at 16000 Hz', 6, undefined],
        ['at 16000 Hz', 0, true],
      ],
    );
    await refused(place, raw(3, 'application/octet-stream'), 400, 'odd-pcm');
    await refused(place, raw(1_048_577, 'application/octet-stream'), 413, 'media-too-large');
    await refused(`${place}?seq=-1`, raw(2, 'application/octet-stream'), 422, 'invalid-argument');
    await refused(`${URL}/other/sound`, raw(2, 'application/octet-stream'), 404, 'utterance-not-found');
    server.sessions.refusal = new AppError('utterance-closed', 'it has ended');
    await refused(place, raw(2, 'application/octet-stream'), 409, 'utterance-closed');
  });

  it('takes an utterance out, as often as it is asked', async () => {
    await server.app.request(URL, postJson({ demo: true }));
    for (let i = 0; i < 2; i += 1)
      assert.equal((await server.app.request(`${URL}/u1`, { method: 'DELETE' })).status, 204);
    await refused(`${URL}/u9`, { method: 'DELETE' }, 404, 'utterance-not-found');
    await refused(`${URL}/u9`, {}, 404, 'utterance-not-found');
  });

  it('interrupts and says what it did; goes on', async () => {
    const interrupted = await server.app.request('/v1/sessions/s1/interrupt', post);
    assert.deepEqual(await interrupted.json(), {
      ...{ playedMs: 120, dropped: [{ utteranceId: 'u1', playedMs: 120 }], resumable: true },
      ...{ soundStoppedMs: 15, mouthClosedMs: 60, stoppedMs: 60 },
    });
    const resumed = await server.app.request('/v1/sessions/s1/resume', post);
    assert.deepEqual(await resumed.json(), { resumed: ['u1'] });
    await refused('/v1/sessions/nobody/interrupt', post, 404, 'session-not-found');
    await refused('/v1/sessions/nobody/resume', post, 404, 'session-not-found');
    server.sessions.refusal = new AppError('utterance-closed', 'nothing was interrupted');
    await refused('/v1/sessions/s1/resume', post, 409, 'utterance-closed');
  });

  it('tells events with numbers, and those that a client missed once more', async () => {
    const told = (id: string) => ({ event: 'utterance.accepted', data: { utteranceId: id } }) as const;
    server.sessions.emit(told('a'));
    server.sessions.emit(told('b'));
    const read = async (headers: Record<string, string>, until: string): Promise<string> => {
      const abort = new AbortController();
      const init = { headers, signal: abort.signal };
      const response = await server.app.request('/v1/sessions/s1/events', init);
      let text = '';
      const decoder = new TextDecoder();
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        text += decoder.decode(chunk);
        if (text === 'retry: 2000\n\n') server.sessions.emit(told('live'));
        if (text.includes(until)) break;
      }
      abort.abort();
      return text;
    };
    const event = (id: number, utterance: string) =>
      `id: ${id}\nevent: utterance.accepted\ndata: {"utteranceId":"${utterance}"}\n\n`;
    assert.equal(await read({}, 'live'), `retry: 2000\n\n${event(3, 'live')}`);
    assert.equal(
      await read({ 'Last-Event-ID': '1' }, '"live"}\n\n'),
      `retry: 2000\n\n${event(2, 'b')}${event(3, 'live')}`,
    );
    const all = await read({ 'Last-Event-ID': 'of another server' }, 'id: 4\n');
    assert.ok(all.includes(event(1, 'a')), all);
  });
});

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AudioClient } from '../helpers/audio-client.js';
import { descendants } from '../helpers/descendants.js';
import { voice } from '../helpers/live-sound.js';
import { postJsonTo, startTestServer, until, type TestServer } from '../helpers/server.js';

describe('the end of a session', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer(['--max-sessions', '2']);
  });
  after(() => server.close());

  const open = async (more: object = {}): Promise<string> => {
    const { status, json } = await postJsonTo(server, '/v1/sessions', { avatar: 'demo', ...more });
    assert.equal(status, 201, JSON.stringify(json));
    return String(json['id']);
  };
  const ffmpegs = (): number =>
    descendants(server.child.pid ?? 0).filter((name) => name.startsWith('ffmpeg')).length;
  const drained = async (response: Response): Promise<string> => response.text();
  const gone = (id: string) =>
    until('the session to be gone', async () => {
      const { status } = await fetch(`${server.url}/v1/sessions/${id}`);
      return status === 404 || undefined;
    });

  it('releases everything within a second, whatever it was doing', async () => {
    const before = ffmpegs();
    const id = await open();
    const at = `/v1/sessions/${id}`;
    const events = fetch(`${server.url}${at}/events`).then(drained);
    const jpegs = fetch(`${server.url}/api/stream/${id}`).then((response) => response.arrayBuffer());
    const client = await AudioClient.open(server.url, id);
    client.send({ type: 'start', sampleRate: 16_000, endAfterMs: null });
    client.sound(voice(16_000, 2000));
    const form = new FormData();
    form.append(
      'file',
      new Blob([await (await fetch(`${server.url}/demo/speech.wav`)).arrayBuffer()]),
      'a.wav',
    );
    await fetch(`${server.url}${at}/utterances`, { method: 'POST', body: form });
    for (let i = 0; i < 5; i += 1) await postJsonTo(server, `${at}/utterances`, { demo: true });
    await client.message('utterance.started');
    await postJsonTo(server, `${at}/interrupt`, {}); // what is interrupted stands by
    await postJsonTo(server, `${at}/utterances`, { demo: true });
    assert.ok(ffmpegs() > before);
    const startedMs = performance.now();
    assert.equal((await fetch(`${server.url}${at}`, { method: 'DELETE' })).status, 204);
    await Promise.all([events, jpegs, client.end()]);
    await until('every ffmpeg to be gone', () => ffmpegs() <= before || undefined);
    await until('the upload to be gone', async () => {
      const left = await readdir(path.join(server.dataDir, 'uploads'));
      return left.length === 0 || undefined;
    });
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < 1000, `${tookMs} ms`);
    assert.match(await events, /event: session.ended\n/);
  });

  it('comes after its speech, or at its greatest age, if that was asked for; and makes room for another', async () => {
    const spoken = await open({ endAfterSpeech: true });
    const old = await open({ maxLengthS: 5 });
    const full = await postJsonTo(server, '/v1/sessions', { avatar: 'demo' });
    assert.equal(full.status, 503);
    // From the first event on: that it will end was told as it began.
    const headers = { 'Last-Event-ID': '0' };
    const told = fetch(`${server.url}/v1/sessions/${old}/events`, { headers }).then(drained);
    const client = await AudioClient.open(server.url, spoken);
    client.send({ type: 'start', sampleRate: 16_000, endAfterMs: null });
    client.sound(voice(16_000, 300));
    client.send({ type: 'end' });
    await gone(spoken);
    assert.ok(
      client.told.some(({ type }) => type === 'utterance.ended'),
      'heard to its end',
    );
    await gone(old);
    assert.match(await told, /event: session.ending\n.*as long as it may[^]*event: session.ended\n/);
  });

  it('is not brought about by 1000 utterances or 100 interrupts a second', async () => {
    const id = await open();
    const at = `/v1/sessions/${id}`;
    const say = () => postJsonTo(server, `${at}/utterances`, { stream: { sampleRate: 16_000 } });
    const answers = await Promise.all(Array.from({ length: 100 }, say));
    const statuses = new Set(answers.map(({ status }) => status));
    assert.deepEqual([...statuses].sort(), [201, 503]);
    assert.equal(answers.filter(({ status }) => status === 201).length, 32);
    const refused = answers.find(({ status }) => status === 503);
    assert.match(String(refused?.json['detail']), /32 utterances waiting/);
    const stops = await Promise.all(
      Array.from({ length: 100 }, () => postJsonTo(server, `${at}/interrupt`, {})),
    );
    assert.ok(stops.every(({ status }) => status === 200));
    assert.equal((await fetch(`${server.url}${at}`)).status, 200);
    await fetch(`${server.url}${at}`, { method: 'DELETE' });
  });
});

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { noises } from '../bench/lips/noises.js';
import { AudioClient } from '../helpers/audio-client.js';
import { voice } from '../helpers/live-sound.js';
import { postJsonTo, startTestServer, until, type TestServer } from '../helpers/server.js';

/** The first seconds of samples of -1..1 as PCM16LE. */
function pcmOf(samples: Float32Array, seconds: number): Uint8Array {
  return new Uint8Array(
    Int16Array.from(samples.subarray(0, seconds * 16_000), (value) => value * 32_767).buffer,
  );
}

describe('live sound over a WebSocket', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer(['--max-sessions', '20', '--session-linger', '3']);
  });
  after(() => server.close());

  const session = async (): Promise<string> => {
    const { json } = await postJsonTo(server, '/v1/sessions', { avatar: 'demo' });
    return String(json['id']);
  };
  const start = { type: 'start', sampleRate: 16_000 };

  /** One that has begun. The place of the one before is free when the server has read of its end. */
  const sender = (id: string): Promise<AudioClient> =>
    until('the place of the sender before is free', async () => {
      const client = await AudioClient.open(server.url, id);
      client.send(start);
      const told = await Promise.race([client.message('started'), client.end()]);
      return 'type' in told ? client : undefined;
    });

  it('is spoken while it comes, and told when it is heard; every rate keeps its length', async () => {
    for (const rate of [8000, 16_000, 24_000, 48_000]) {
      const client = await AudioClient.open(server.url, await session());
      client.send({ type: 'start', sampleRate: rate, endAfterMs: null });
      await client.message('started');
      const { firstMs } = await client.stream(voice(rate, 600), rate);
      client.send({ type: 'end' });
      const started = await client.message('utterance.started');
      const ended = await client.message('utterance.ended');
      await client.message('session.state', ({ id }) => Number(id) > Number(ended['id']));
      assert.equal(ended['playedMs'], 600);
      // Sound that a busy machine sent late leaves a gap; what was heard is whole all the same.
      const spanMs = Number(ended['mediaMs']) - Number(started['mediaMs']);
      assert.ok(spanMs >= 600 && spanMs <= 800, `${spanMs} ms from its first to its last sample`);
      // 60 ms wait, 203 ms lead, 50 ms way to the ear.
      assert.ok(
        started.atMs - firstMs < 450,
        `heard ${started.atMs - firstMs} ms after the first sound was sent`,
      );
      const states = client.told.filter(({ type }) => type === 'session.state').map(({ state }) => state);
      assert.deepEqual(states, ['idle', 'speaking', 'idle']);
      const report = await client.message('audio.buffer');
      for (const key of ['depthMs', 'targetMs', 'jitterMs']) assert.equal(typeof report[key], 'number');
      client.socket.close();
    }
  });

  it('understands the LITE messages in both spellings', async () => {
    const client = await AudioClient.open(server.url, await session());
    assert.equal((await client.message('session.state_updated'))['state'], 'connected');
    const audio = Buffer.from(voice(24_000, 300)).toString('base64');
    client.send({ type: 'agent.speak', event_id: 'reply-1', audio });
    client.send({ type: 'agent.speak', event_id: 'reply-1', audio });
    client.send({ type: 'agent.speak_end', event_id: 'reply-1' });
    assert.equal((await client.message('agent.audio_buffer_appended'))['event_id'], 'reply-1');
    assert.equal((await client.message('agent.audio_buffer_committed'))['event_id'], 'reply-1');
    assert.equal((await client.message('agent.speak_started'))['event_id'], 'reply-1');
    await client.message('agent.state_updated', ({ state }) => state === 'talking');
    assert.equal((await client.message('agent.speak_ended'))['event_id'], 'reply-1');
    assert.equal((await client.message('utterance.ended'))['playedMs'], 600);
    for (const type of ['agent.keepalive', 'session.keep_alive']) {
      client.send({ type, event_id: type });
      await client.message('session.keepalive_ack', (ack) => ack['event_id'] === type);
    }
    client.send({ type: 'agent.start_listening' });
    await client.message('session.state', ({ state }) => state === 'listening');
    client.send({ type: 'agent.stop_listening' });
    client.send({
      type: 'agent.speak',
      event_id: 'reply-2',
      audio: Buffer.from(voice(24_000, 3000)).toString('base64'),
    });
    await client.message('agent.speak_started', (told) => told['event_id'] === 'reply-2');
    client.send({ type: 'agent.interrupt', event_id: 'stop-1' });
    assert.equal((await client.message('agent.audio_buffer_cleared'))['event_id'], 'stop-1');
    const { playedMs } = await client.message('utterance.interrupted');
    assert.ok(Number(playedMs) < 1000, `${String(playedMs)} ms`);
    client.socket.close();
  });

  it('a voice that is listened to interrupts the avatar; the avatar can go on', async () => {
    const id = await session();
    const listener = await AudioClient.open(server.url, id);
    listener.send({ ...start, role: 'listen' });
    await listener.message('started');
    await postJsonTo(server, `/v1/sessions/${id}/utterances`, { demo: true });
    await listener.message('utterance.started');
    await listener.stream(new Uint8Array(16_000), 16_000);
    for (const name of ['white noise -30', 'mains hum', 'keys', 'drums'])
      await listener.stream(pcmOf(noises().find((noise) => noise.name.startsWith(name))!.pcm, 1), 16_000);
    assert.ok(
      !listener.told.some(({ type }) => type === 'utterance.interrupted'),
      'silence and loud noise do not',
    );
    const speech = (await readFile('web/public/demo/speech.wav')).subarray(44 + 2 * 16_000 * 0.5);
    const { firstMs } = await listener.stream(speech.subarray(0, 2 * 16_000), 16_000);
    const interrupted = await listener.message('utterance.interrupted');
    assert.equal(interrupted['reason'], 'voice');
    assert.ok(interrupted.atMs - firstMs < 600, `${interrupted.atMs - firstMs} ms after the voice began`);
    await listener.message('session.state', ({ state }) => state === 'listening');
    const { json } = await postJsonTo(server, `/v1/sessions/${id}/resume`, {});
    assert.deepEqual(json['resumed'], [interrupted['utteranceId']]);
    const again = await listener.message('utterance.started', ({ fromMs }) => Number(fromMs) > 0);
    assert.ok(Math.abs(Number(again['fromMs']) - Number(interrupted['playedMs'])) <= 1);
    listener.socket.close();
  });

  it('is interrupted by anything loud where energy is what counts', async () => {
    const id = await session();
    const listener = await AudioClient.open(server.url, id);
    listener.send({ ...start, role: 'listen', detector: 'energy' });
    await listener.message('started');
    await postJsonTo(server, `/v1/sessions/${id}/utterances`, { demo: true });
    await listener.message('utterance.started');
    const { firstMs } = await listener.stream(voice(16_000, 400), 16_000);
    const { atMs } = await listener.message('utterance.interrupted');
    assert.ok(atMs - firstMs < 400, `${atMs - firstMs} ms after the sound began`);
    listener.socket.close();
  });

  it('refuses what it cannot use with a code and a sentence, and leaves other sessions alone', async () => {
    const id = await session();
    const other = await AudioClient.open(server.url, await session());
    const refused = async (
      code: number,
      why: RegExp,
      spoil: (client: AudioClient) => void,
    ): Promise<void> => {
      const client = await AudioClient.open(server.url, id);
      spoil(client);
      const closed = await client.end();
      const error = client.told.find(({ type }) => type === 'session.error');
      assert.equal(closed.code, code, JSON.stringify(closed));
      if (code !== 1009) assert.match(String(error?.['message'] ?? closed.reason), why);
    };
    await refused(4400, /start.*goes before/, (client) => client.sound(voice(16_000, 20)));
    await refused(4400, /whole number of 16-bit samples/, (client) => {
      client.send(start);
      client.sound(new Uint8Array(321));
    });
    await refused(4400, /base64/, (client) => client.send({ type: 'agent.speak', audio: 'not base64!' }));
    await refused(1009, /./, (client) => client.sound(new Uint8Array(10 * 2 ** 20)));
    const unknown = await AudioClient.open(server.url, 'nobody');
    assert.equal((await unknown.end()).code, 4404);

    const client = await AudioClient.open(server.url, id);
    for (const message of [
      { ...start, sampleRate: 44_100 },
      { ...start, channels: 2 },
      { type: 'agent.sing' },
      {},
    ])
      client.send(message);
    client.socket.send('text where sound is due');
    await client.message('session.error', ({ message }) => String(message).includes('not JSON'));
    assert.equal(client.told.filter(({ type }) => type === 'session.error').length, 5);
    client.send(start);
    await client.message('started');
    const second = await AudioClient.open(server.url, id);
    second.send(start);
    assert.deepEqual((await second.end()).code, 4409);
    assert.equal(client.closed, undefined, 'the first sender stays');
    client.socket.close();
    (await sender(id)).socket.close();
    assert.equal(other.closed, undefined);
    other.socket.close();
  });

  it('tells a sender that is far ahead, and holds it back; silence is no speech', async () => {
    const id = await session();
    const client = await AudioClient.open(server.url, id);
    client.send({ ...start, endAfterMs: null });
    const tenSeconds = voice(16_000, 10_000);
    for (let i = 0; i < 12; i += 1) client.sound(tenSeconds);
    await client.message('audio.buffer', ({ hasRoom }) => hasRoom === false);
    const { json } = { json: (await (await fetch(`${server.url}/v1/sessions/${id}`)).json()) as Live };
    assert.ok(json.live.depthMs <= 60_000, `${json.live.depthMs} ms wait`);
    await postJsonTo(server, `/v1/sessions/${id}/interrupt`, {});
    client.socket.close();

    const quiet = await sender(id);
    for (let i = 0; i < 60; i += 1) quiet.sound(new Uint8Array(320_000)); // ten minutes of silence
    await quiet.message('audio.buffer', ({ receivedMs }) => Number(receivedMs) === 600_000);
    const after = quiet.told.filter(({ type }) => type === 'utterance.accepted');
    assert.equal(after.length, 0);
    quiet.socket.close();
  });

  it('ends with its session', async () => {
    const id = await session();
    const client = await AudioClient.open(server.url, id);
    await fetch(`${server.url}/v1/sessions/${id}`, { method: 'DELETE' });
    assert.equal((await client.end()).code, 1000);
    await client.message('session.ended');
  });
});

it("live sound needs a token where there are any; a viewer's is not enough", async (t) => {
  const tokens = ['--auth-token', 'full-token-1', '--viewer-token', 'viewer-token-1'];
  const server = await startTestServer(tokens);
  t.after(() => server.close());
  for (const query of ['', '?token=wrong-token-1', '?token=viewer-token-1'])
    assert.equal((await (await AudioClient.open(server.url, 'any', query)).end()).code, 4401, query);
  const known = await AudioClient.open(server.url, 'any', '?token=full-token-1');
  assert.equal((await known.end()).code, 4404, 'let in, but there is no such session');
});

interface Live {
  readonly live: { readonly depthMs: number };
}

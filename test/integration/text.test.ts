import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { AudioClient } from '../helpers/audio-client.js';
import { postJsonTo, startRefused, startTestServer, until, type TestServer } from '../helpers/server.js';
import { espeakVoice, startStandIn, toneMs, toneVoice, type StandIn } from '../helpers/speech-stand-in.js';

const SPEECH_KEY = 'speech-key-not-to-be-told';
const CHAT_KEY = 'chat-key-not-to-be-told';

const espeak = await espeakVoice();

describe('text that is spoken', () => {
  let service: StandIn;
  let server: TestServer;
  before(async () => {
    service = await startStandIn();
    server = await startTestServer([
      ...['--speech-url', service.url, '--speech-key', SPEECH_KEY, '--speech-voice', 'anna'],
      ...[
        '--chat-url',
        service.url,
        '--chat-key',
        CHAT_KEY,
        '--chat-model',
        'parrot',
        '--chat-prompt',
        'Be kind.',
      ],
      ...['--max-sessions', '30', '--session-linger', '300'],
    ]);
  });
  after(async () => {
    await server.close();
    await service.close();
  });
  afterEach(() => {
    service.handle = () => false;
    service.reply = () => 'Yes.';
    service.voice = toneVoice;
    Object.assign(service, { mostWords: Infinity, speed: Infinity, mostAtOnce: 0 });
    service.requests.splice(0);
  });

  const open = async (): Promise<{ id: string; client: AudioClient; at: string }> => {
    const { json } = await postJsonTo(server, '/v1/sessions', { avatar: 'demo' });
    const id = String(json['id']);
    return { id, client: await AudioClient.open(server.url, id), at: `/v1/sessions/${id}` };
  };
  const say = async (at: string, body: object): Promise<string> => {
    const { status, json } = await postJsonTo(server, `${at}/utterances`, body);
    assert.equal(status, 201, JSON.stringify(json));
    return String(json['utteranceId']);
  };
  const view = async (at: string, id: string): Promise<Record<string, unknown>> =>
    (await (await fetch(`${server.url}${at}/utterances/${id}`)).json()) as Record<string, unknown>;

  it('is one utterance without a gap, told sentence by sentence when heard', async () => {
    const { client, at } = await open();
    const sentences = ['Hello there, friend.', 'It costs 3.50 dollars.', 'Fine?', 'Good!'];
    const utteranceId = await say(at, { text: sentences.join(' ') });
    const started = await client.message('utterance.started');
    const ended = await client.message('utterance.ended');
    assert.equal(started['utteranceId'], utteranceId);
    const texts = client.told.filter(({ type }) => type === 'utterance.text');
    assert.deepEqual(
      texts.map(({ text }) => text),
      sentences,
    );
    let dueMs = Number(started['mediaMs']);
    for (const told of texts) {
      assert.ok(Math.abs(Number(told['mediaMs']) - dueMs) < 0.1, `${String(told['mediaMs'])} for ${dueMs}`);
      dueMs += toneMs(String(told['text']));
    }
    assert.ok(Math.abs(Number(ended['mediaMs']) - dueMs) < 0.1, 'no sample between the sentences');
    assert.equal(
      ended['playedMs'],
      sentences.reduce((sum, text) => sum + toneMs(text), 0),
    );
    assert.deepEqual(service.spoken(), sentences);
    assert.ok(service.mostAtOnce <= 2, `${service.mostAtOnce} at once`);
    const [{ headers, body }] = service.requests as [StandIn['requests'][0]];
    assert.equal(headers.authorization, `Bearer ${SPEECH_KEY}`);
    assert.deepEqual(body, { model: 'tts-1', input: sentences[0], voice: 'anna', response_format: 'pcm' });
    client.socket.close();
  });

  it('begins while the rest is made, and asks for two sentences at once at most', async () => {
    service.speed = 4;
    const { client, at } = await open();
    const sentence = 'A sentence that takes its three seconds, quite long. ';
    await say(at, { text: sentence.repeat(4) });
    const started = await client.message('utterance.started');
    assert.equal(service.mostAtOnce, 2);
    assert.ok(
      service.requests.some(({ isAnswered }) => !isAnswered),
      'the sound of the second is still made',
    );
    assert.ok(service.spoken().length < 4, 'the last is not asked for yet');
    assert.equal((await view(at, String(started['utteranceId'])))['state'], 'playing');
    await postJsonTo(server, `${at}/interrupt`, {});
    client.socket.close();
  });

  it('of many texts, two are made at once; all are heard in their order, one that interrupts first', async () => {
    service.speed = 2;
    const { client, at } = await open();
    const ids: string[] = [];
    for (const name of ['One', 'Two', 'Three', 'Four'])
      ids.push(await say(at, { text: `Text number ${name}. Its end.` }));
    await until('the first requests', () => service.requests.length >= 4 || undefined);
    assert.ok(!service.spoken().some((text) => /Three|Four/.test(text)), service.spoken().join(' '));
    await client.message('utterance.started');
    ids.splice(1, 0, await say(at, { text: 'At once!', mode: 'interrupt' }));
    await client.message('utterance.ended', ({ utteranceId }) => utteranceId === ids.at(-1));
    const started = client.told.filter(({ type }) => type === 'utterance.started');
    assert.deepEqual(
      started.map(({ utteranceId }) => utteranceId),
      ids,
    );
    client.socket.close();
  });

  it('ends its requests with its session', async () => {
    service.speed = 0.5;
    const { client, at } = await open();
    await say(at, { text: 'Never to its end. And no more.' });
    await until('the requests', () => service.requests.length === 2 || undefined);
    assert.equal((await fetch(server.url + at, { method: 'DELETE' })).status, 204);
    await until(
      'them to be given up',
      () => service.requests.every(({ isAborted }) => isAborted) || undefined,
    );
    client.socket.close();
  });

  it('can be interrupted at once: the requests end, nothing is heard; resume makes the rest', async () => {
    service.speed = 0.5;
    const { client, at } = await open();
    const utteranceId = await say(at, { text: 'First sentence here. Second one.' });
    await until('the requests', () => service.requests.length === 2 || undefined);
    const { json } = await postJsonTo(server, `${at}/interrupt`, {});
    assert.deepEqual(json['dropped'], [{ utteranceId, playedMs: 0 }]);
    await until(
      'the requests to be given up',
      () => service.requests.every(({ isAborted }) => isAborted) || undefined,
    );
    assert.equal((await view(at, utteranceId))['state'], 'interrupted');
    service.speed = Infinity;
    assert.deepEqual((await postJsonTo(server, `${at}/resume`, {})).json['resumed'], [utteranceId]);
    const ended = await client.message('utterance.ended');
    assert.equal(ended['playedMs'], toneMs('First sentence here.Second one.'));
    assert.equal(client.told.filter(({ type }) => type === 'utterance.text').length, 2);
    client.socket.close();
  });

  it('goes on where it was interrupted in the middle, to the sample', async () => {
    service.speed = 1.5;
    const { client, at } = await open();
    const text = 'This is the first of two sentences. And this is the second.';
    await say(at, { text });
    await client.message('utterance.started');
    await until('some of it to be heard', async () => {
      const { json } = {
        json: (await (await fetch(`${server.url}${at}/utterances`)).json()) as {
          utterances: { playedMs: number }[];
        },
      };
      return json.utterances[0]!.playedMs > 300 || undefined;
    });
    await postJsonTo(server, `${at}/interrupt`, {});
    const cut = await client.message('utterance.interrupted');
    service.speed = Infinity;
    await postJsonTo(server, `${at}/resume`, {});
    const again = await client.message('utterance.started', ({ fromMs }) => Number(fromMs) > 0);
    assert.ok(Math.abs(Number(again['fromMs']) - Number(cut['playedMs'])) <= 1);
    const ended = await client.message('utterance.ended');
    assert.equal(ended['playedMs'], toneMs(text) - toneMs(' '));
    assert.equal(client.told.filter(({ type }) => type === 'utterance.text').length, 2, 'no caption twice');
    client.socket.close();
  });

  it('fails with the sentence of the service; what came before is heard, what follows is not held up', async () => {
    const { client, at } = await open();
    service.handle = ({ body }, response) => {
      if (body.input !== 'Broken.') return false;
      response.writeHead(500, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: `no voice for ${SPEECH_KEY} today` } }));
      return true;
    };
    const utteranceId = await say(at, { text: 'This is good. Broken. Never heard.' });
    const next = await say(at, { text: 'Next.' });
    const failed = await client.message('utterance.failed');
    assert.equal(failed['playedMs'], toneMs('This is good.'));
    assert.equal(failed['message'], 'the speech service answered 500: no voice for *** today');
    const { state, error } = await view(at, utteranceId);
    assert.equal(state, 'failed');
    assert.equal((error as { code: string }).code, 'service-failed');
    assert.equal((await client.message('utterance.ended'))['utteranceId'], next);
    assert.ok(!server.log().includes(SPEECH_KEY), 'the log tells no key');
    client.socket.close();
  });

  it('is heard of a service that sends files, too, and of one that sends them unasked', async () => {
    const { client, at } = await open();
    service.handle = ({ body }) => {
      Object.assign(body, { response_format: 'wav' });
      return false;
    };
    await say(at, { text: 'One sentence. And another.', voice: 'bella' });
    const ended = await client.message('utterance.ended');
    assert.ok(
      Math.abs(Number(ended['playedMs']) - toneMs('One sentence.And another.')) < 5,
      String(ended['playedMs']),
    );
    assert.equal(service.requests[0]!.body.voice, 'bella');
    assert.deepEqual(await readdir(path.join(server.dataDir, 'uploads')), [], 'no file is left');
    client.socket.close();
  });

  it('is refused where there is nothing to speak, or too much; a repeat under one key is one utterance', async () => {
    const { client, at } = await open();
    for (const [text, code] of [
      ['', 422],
      [' ... ', 422],
      ['a'.repeat(10_001), 422],
    ] as const)
      assert.equal((await postJsonTo(server, `${at}/utterances`, { text })).status, code, text.slice(0, 9));
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'k1' };
    const post = () =>
      fetch(`${server.url}${at}/utterances`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ text: 'Once.' }),
      });
    const [first, second] = [await post(), await post()];
    assert.deepEqual([first.status, second.status], [201, 200]);
    await client.message('utterance.ended');
    assert.equal(service.requests.length, 1);
    const told = (await (await fetch(`${server.url}/v1`)).json()) as object;
    assert.deepEqual(told, { ...told, text: true, chat: true });
    assert.doesNotMatch(JSON.stringify(told), /not-to-be-told/);
    client.socket.close();
  });

  it('comes over the WebSocket, too, under an id of the sender', async () => {
    const { client } = await open();
    client.send({ type: 'text', text: 'Hello you.', event_id: 'mine' });
    const { utteranceId, event_id } = await client.message('text.accepted');
    assert.equal(event_id, 'mine');
    assert.equal((await client.message('agent.speak_started'))['event_id'], 'mine');
    assert.equal((await client.message('utterance.ended'))['utteranceId'], utteranceId);
    client.send({ type: 'text', text: '!!!' });
    client.send({ type: 'text', text: '' });
    await until(
      'both refusals',
      () => client.told.filter(({ type }) => type === 'session.error').length === 2 || undefined,
    );
    assert.equal(client.closed, undefined);
    client.socket.close();
  });

  it(
    'is gapless with a real voice, too',
    { skip: espeak === undefined ? 'espeak-ng is not installed (Debian: apt-get install espeak-ng)' : false },
    async () => {
      if (espeak !== undefined) service.voice = espeak;
      const { client, at } = await open();
      const sentences = ['Good morning, everybody.', 'How do you do?'];
      await say(at, { text: sentences.join(' ') });
      const started = await client.message('utterance.started');
      const ended = await client.message('utterance.ended');
      const sounds = await Promise.all(sentences.map((sentence) => service.voice(sentence)));
      const lengthMs = sounds.reduce((sum, { length }) => sum + length / 48, 0);
      assert.ok(Math.abs(Number(ended['mediaMs']) - Number(started['mediaMs']) - lengthMs) < 0.1);
      client.socket.close();
    },
  );

  describe('as the answer of a language model', () => {
    it('is spoken as it is written, without its marks', async () => {
      service.reply = () => '**Sure!** Here is `it`:\n\n- one 😀\n- two';
      const { client, at } = await open();
      await say(at, { type: 'chat', text: 'Tell me.' });
      await client.message('utterance.ended');
      const texts = client.told.filter(({ type }) => type === 'utterance.text').map(({ text }) => text);
      assert.deepEqual(texts, ['Sure!', 'Here is it:', 'one', 'two']);
      const [{ body, headers }] = service.requests as [StandIn['requests'][0]];
      assert.equal(headers.authorization, `Bearer ${CHAT_KEY}`);
      assert.deepEqual(body, {
        model: 'parrot',
        messages: [
          { role: 'system', content: 'Be kind.' },
          { role: 'user', content: 'Tell me.' },
        ],
        stream: true,
      });
      client.socket.close();
    });

    it('is heard while the model still writes, and an interrupt stops the model', async () => {
      service.reply = () => 'The first sentence. And so it goes on and on.';
      service.mostWords = 6;
      const { client, at } = await open();
      await say(at, { type: 'chat', text: 'Go on for ever.' });
      await client.message('utterance.text');
      const model = service.requests[0]!;
      assert.ok(!model.isAnswered && !model.isAborted, 'the model still writes');
      await postJsonTo(server, `${at}/interrupt`, {});
      await until('the model to be stopped', () => model.isAborted || undefined);
      client.socket.close();
    });

    it('is remembered as far as it was heard', async () => {
      service.reply = ({ body }) =>
        body.messages?.length === 2
          ? 'I count. One, two, three, four, five, six, seven, eight, nine, ten.'
          : 'Well.';
      const { client, at } = await open();
      await say(at, { type: 'chat', text: 'Count.' });
      await client.message('utterance.text', ({ text }) => String(text).startsWith('One'));
      await say(at, { type: 'chat', text: 'Stop!', mode: 'replace' });
      await client.message('utterance.ended');
      await say(at, { type: 'chat', text: 'And now?' });
      const chats = await until('three questions', () => {
        const asked = service.requests.filter(({ path }) => path.endsWith('completions'));
        return asked.length === 3 ? asked : undefined;
      });
      const [, , third] = chats.map(({ body }) => body.messages!.slice(1));
      assert.deepEqual(
        third!.map(({ role }) => role),
        ['user', 'assistant', 'user', 'assistant', 'user'],
      );
      assert.match(third![1]!.content, /^I count\.( One,?( two,?)?)?$/, 'only what was heard');
      assert.deepEqual(
        third!.slice(2).map(({ content }) => content),
        ['Stop!', 'Well.', 'And now?'],
      );
      client.socket.close();
    });

    it('fails with a sentence where the model does, and the question is forgotten', async () => {
      const { client, at } = await open();
      service.handle = ({ path }, response) => {
        if (!path.endsWith('completions')) return false;
        response.writeHead(404, { 'content-type': 'application/json' });
        response.end('{"error":{"message":"model parrot not found"}}');
        return true;
      };
      await say(at, { type: 'chat', text: 'Hello?' });
      const failed = await client.message('utterance.failed');
      assert.equal(failed['message'], 'the chat service answered 404: model parrot not found');
      service.handle = () => false;
      service.requests.splice(0);
      await say(at, { type: 'chat', text: 'Anybody?' });
      await client.message('utterance.ended');
      assert.deepEqual(
        service.requests[0]!.body.messages!.map(({ content }) => content),
        ['Be kind.', 'Anybody?'],
      );
      client.socket.close();
    });
  });
});

it('text is answered 501 with a sentence where no service is named; a session without one goes on', async (t) => {
  const server = await startTestServer();
  t.after(() => server.close());
  const { json } = await postJsonTo(server, '/v1/sessions', { avatar: 'demo' });
  const at = `/v1/sessions/${String(json['id'])}/utterances`;
  for (const body of [{ text: 'Hello.' }, { text: 'Hello.', type: 'chat' }]) {
    const refused = await postJsonTo(server, at, body);
    assert.equal(refused.status, 501);
    assert.match(String(refused.json['detail']), /--speech-url/);
  }
  const client = await AudioClient.open(server.url, String(json['id']));
  client.send({ type: 'chat', text: 'Hello.' });
  assert.equal((await client.message('session.error'))['code'], 'not-supported');
  assert.equal(client.closed, undefined);
  client.socket.close();
});

it('services that cannot be are refused at the start, keys not repeated', async () => {
  const { status, stderr } = await startRefused(
    ...[
      '--speech-url',
      'ftp://x',
      '--chat-url',
      'http://u:p@x/v1',
      '--speech-key',
      'has a space',
      '--speech-rate',
      '11025',
    ],
  );
  assert.equal(status, 2);
  for (const flag of ['--speech-url', '--chat-url', '--speech-key', '--speech-rate'])
    assert.match(stderr, new RegExp(flag));
  assert.doesNotMatch(stderr, /has a space/);
});

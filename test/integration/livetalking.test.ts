import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { LiveTalkingClient, type Envelope } from '../helpers/livetalking-client.js';
import { makeMedia, testFfmpeg } from '../helpers/media.js';
import { postJsonTo, startTestServer, until, type TestServer } from '../helpers/server.js';
import { startStandIn, type StandIn } from '../helpers/speech-stand-in.js';
import { toneWav } from '../helpers/tone.js';

/** Real servers as clients of LiveTalking meet them; the viewer is libwebrtc. */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const OK = { code: 0, msg: 'ok' };

describe("LiveTalking's API", () => {
  let service: StandIn;
  let server: TestServer;
  const clients: LiveTalkingClient[] = [];
  before(async () => {
    service = await startStandIn();
    server = await startTestServer([
      ...['--livetalking', 'demo', '--max-sessions', '2'],
      ...['--speech-url', service.url, '--speech-key', 'secret-key-1', '--speech-voice', 'anna'],
      ...['--chat-url', service.url, '--chat-model', 'parrot'],
    ]);
  });
  after(async () => {
    await server.close();
    await service.close();
  });
  afterEach(async () => {
    for (const one of clients.splice(0)) one.close();
    await until('every session to be gone with its viewer', async () =>
      (await sessionsOf()).length === 0 ? true : undefined,
    );
    service.requests.splice(0);
    service.speed = Infinity;
  });

  const client = (): LiveTalkingClient => {
    const one = new LiveTalkingClient(server.url);
    clients.push(one);
    return one;
  };
  const joined = async (more: object = {}): Promise<LiveTalkingClient> => {
    const one = client();
    assert.equal(await one.offer(more), undefined);
    return one;
  };
  const sessionsOf = async (): Promise<Record<string, unknown>[]> => {
    const { data } = await new LiveTalkingClient(server.url).ask('/api/admin/sessions');
    return (data as { sessions: Record<string, unknown>[] }).sessions;
  };
  const failed = (answer: Envelope | undefined, msg: string | RegExp): void => {
    assert.equal(answer?.code, -1, JSON.stringify(answer));
    if (typeof msg === 'string') assert.equal(answer?.msg, msg);
    else assert.match(answer?.msg ?? '', msg);
  };

  it('an offer opens a session whose picture and sound come; it goes when its viewer does', async () => {
    const one = await joined({ avatar: '', refaudio: null, custom_config: '' });
    assert.match(one.sessionid, UUID);
    await one.viewer.until('a picture', ({ frames }) => frames > 2);
    assert.deepEqual(await sessionsOf(), [
      {
        ...{ sessionid: one.sessionid, speaking: false, recording: false, model: 'cpu', avatar_id: 'demo' },
        ...{ REF_FILE: 'anna', transport: 'webrtc', batch_size: 1, customopt: [] },
      },
    ]);
    one.close();
    await until('the session to be gone', async () => ((await sessionsOf()).length === 0 ? true : undefined));
    failed(await one.human('Hello?'), 'session not found');
  });

  it('echo is spoken and told sentence by sentence; is_speaking follows it', async () => {
    const one = await joined({ refaudio: 'zh-CN-YunxiaNeural' });
    const { ended } = await one.listen();
    assert.equal(await one.isSpeaking(), false);
    assert.deepEqual(await one.human('Hello **there**. How are you?'), OK);
    await until('it to speak', async () => ((await one.isSpeaking()) ? true : undefined));
    await one.viewer.until('its sound', ({ audioPeak }) => audioPeak > 500);
    await until('both sentences', () => (one.events.length === 4 ? true : undefined));
    assert.deepEqual(one.events, [
      { status: 'start', text: 'Hello there.' },
      { status: 'end', text: 'Hello there.' },
      { status: 'start', text: 'How are you?' },
      { status: 'end', text: 'How are you?' },
    ]);
    await until('it to be silent', async () => ((await one.isSpeaking()) ? undefined : true));
    assert.equal(service.requests[0]!.body.voice, 'zh-CN-YunxiaNeural', 'the voice of the offer');
    assert.deepEqual(await one.human('Other voice.', { tts: { voice: 'bella', emotion: 'glad' } }), OK);
    await until('the request', () => service.requests.at(-1)!.body.voice === 'bella' || undefined);
    one.close();
    await ended;
  });

  it('chat is answered by the model; interrupt_talk and interrupt stop at once', async () => {
    service.reply = () => 'I am a parrot. I say what I like, and I like to say a lot.';
    const one = await joined();
    await one.listen();
    assert.deepEqual(await one.human('Who are you?', { type: 'chat' }), OK);
    await until('its first sentence', () => one.events.find(({ text }) => text === 'I am a parrot.'));
    assert.deepEqual(await one.post('/interrupt_talk', { sessionid: one.sessionid }), OK);
    await until('it to be silent', async () => ((await one.isSpeaking()) ? undefined : true));
    await one.human('This is long, and it goes on for some time. It goes on.');
    await until('the long one', () => one.events.find(({ text }) => text.startsWith('This is long')));
    await one.human('Short.', { interrupt: true });
    await until('the short one', () =>
      one.events.find(({ status, text }) => status === 'end' && text === 'Short.'),
    );
    assert.ok(!one.events.some(({ text }) => text === 'It goes on.'));
    // Interrupted before a word of it: neither its requests nor its sound come through.
    service.speed = 0.5;
    service.requests.splice(0);
    await one.human('Never to be heard.');
    await until('the request', () => service.requests.length > 0 || undefined);
    await one.post('/interrupt_talk', { sessionid: one.sessionid });
    await until('the request to be given up', () => service.requests[0]!.isAborted || undefined);
    assert.ok(!one.events.some(({ text }) => text.startsWith('Never')));
  });

  it('humanaudio speaks a file, the form in any order', async () => {
    const one = await joined();
    await one.listen();
    const file = new Blob([toneWav(0.5)]);
    assert.deepEqual(await one.form('/humanaudio', { sessionid: one.sessionid, file }), OK);
    await until('it to end', () => (one.events.length === 2 ? true : undefined));
    assert.deepEqual(one.events, [
      { status: 'start', text: '' },
      { status: 'end', text: '' },
    ]);
    assert.deepEqual(await one.form('/humanaudio', { file, sessionid: one.sessionid }), OK);
    failed(await one.form('/humanaudio', { sessionid: 'nobody', file }), 'session not found');
    failed(await one.form('/humanaudio', { file }), 'session not found');
    failed(await one.form('/humanaudio', { sessionid: one.sessionid }), /has no file/);
    failed(
      await one.form('/humanaudio', { sessionid: one.sessionid, file: new Blob(['no sound at all']) }),
      /./,
    );
  });

  it('parallel offers stay within the limit, and a failed one leaves no session', async () => {
    const many = [client(), client(), client(), client()];
    const answers = await Promise.all(many.map((one) => one.offer()));
    const refused = answers.filter((answer) => answer !== undefined);
    assert.equal(refused.length, 2);
    for (const answer of refused) failed(answer, 'Maximum session limit reached (2/2)');
    // Who leaves before it is connected is missed only after half a minute.
    const accepted = many.filter(({ sessionid }) => sessionid !== '');
    await Promise.all(accepted.map(({ viewer }) => viewer.until('a picture', ({ frames }) => frames > 0)));
    for (const one of many) one.close();
    await until('room', async () => ((await sessionsOf()).length === 0 ? true : undefined));
    failed(await client().post('/offer', { sdp: 'no sdp', type: 'offer' }), /./);
    failed(await client().offer({ avatar: 'nobody' }), /nobody/);
    failed(await client().offer({ avatar: '../demo' }), /./);
    failed(await client().offer({ custom_config: '{' }), 'custom_config is not JSON');
    failed(await client().post('/offer', { type: 'offer' }), /sdp/);
    assert.deepEqual(await sessionsOf(), []);
  });

  it('a bare offer at /whep opens a session, too', async () => {
    const one = client();
    const body = await one.viewer.offer();
    const response = await fetch(`${server.url}/whep?avatar=demo`, {
      ...{ method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body },
    });
    assert.equal(response.status, 201);
    one.sessionid = response.headers.get('x-session-id') ?? '';
    await one.viewer.answer(await response.text());
    await one.viewer.until('a picture', ({ frames }) => frames > 0);
    assert.deepEqual(await one.human('Hello.'), OK);
    const left = await fetch(server.url + response.headers.get('location'), { method: 'DELETE' });
    assert.equal(left.status, 200);
  });

  it('says in its envelope what is wrong', async () => {
    const one = await joined();
    for (const path of ['/human', '/interrupt_talk', '/is_speaking'])
      failed(await one.post(path, { sessionid: 'nobody', text: 'Hi', type: 'echo' }), 'session not found');
    failed(await one.human('Hi', { type: 'sing' }), /type/);
    failed(await one.human(' '), /text/);
    failed(await one.human('!!!'), /nothing to speak/);
    failed(await one.ask('/sse?sessionid=nobody'), 'session not found');
    failed(await one.ask('/sse'), 'session not found');
    const broken = await fetch(`${server.url}/human`, { method: 'POST', body: '{' });
    failed((await broken.json()) as Envelope, 'the body is not JSON');
    const { data } = await one.ask('/api/admin/config');
    const { config } = data as { config: Record<string, unknown> };
    assert.deepEqual([config['avatar_id'], config['max_session'], config['tts']], ['demo', 2, 'openai']);
    assert.doesNotMatch(JSON.stringify(config), /secret-key-1|127\.0\.0\.1|\/tmp/);
  });

  it('records what is seen, and hands it out as an MP4', async (t) => {
    const one = await joined();
    await one.viewer.until('a picture', ({ frames }) => frames > 0);
    const record = (type: string): Promise<Envelope> =>
      one.post('/record', { sessionid: one.sessionid, type });
    assert.equal((await fetch(`${server.url}/record/${one.sessionid}`)).status, 404);
    assert.deepEqual(await record('end_record'), OK, 'what does not run need not be ended');
    assert.deepEqual(await record('start_record'), OK);
    assert.deepEqual(await record('start_record'), OK, 'once is enough');
    assert.equal((await sessionsOf())[0]!['recording'], true);
    assert.equal((await fetch(`${server.url}/record/${one.sessionid}`)).status, 404, 'it still runs');
    await one.human('This is kept for later.');
    await until('it to be spoken', async () => ((await one.isSpeaking()) ? true : undefined));
    await until('it to be over', async () => ((await one.isSpeaking()) ? undefined : true));
    assert.deepEqual(await record('end_record'), OK);
    failed(await record('pause_record'), /type/);
    failed(await one.post('/record', { sessionid: 'nobody', type: 'start_record' }), 'session not found');
    const { codesH264 } = await testFfmpeg();
    if (!codesH264) {
      t.diagnostic('this ffmpeg codes no H.264: no MP4');
      return;
    }
    const response = await fetch(`${server.url}/record/${one.sessionid}`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'video/mp4');
    const film = Buffer.from(await response.arrayBuffer());
    assert.equal(film.toString('latin1', 4, 8), 'ftyp');
    assert.equal((await fetch(`${server.url}/record/${encodeURIComponent('../x')}`)).status, 404);
  });

  it('set_audiotype plays an action, by the custom_config of the offer or by its number', async () => {
    await makeMedia([
      ...['-loop', '1', '-i', 'web/public/demo/portrait.jpg', '-t', '3', '-r', '25', '-pix_fmt', 'yuv420p'],
      ...['-c:v', 'mpeg4', '-q:v', '2', path.join(server.dataDir, 'clip.mp4')],
    ]);
    for (const name of ['wave', '3']) {
      const made = await postJsonTo(server, '/v1/avatars/demo/actions', { name, path: 'clip.mp4' });
      assert.equal(made.status, 202, JSON.stringify(made.json));
      await until('the action', async () => {
        const info = await (await fetch(`${server.url}/v1/avatars/demo/actions/${name}`)).json();
        return (info as { state: string }).state === 'ready' || undefined;
      });
    }
    const one = await joined({
      custom_config: '[{"audiotype":2,"imgpath":"data/customvideo/wave/","audiopath":""}]',
    });
    const action = async (): Promise<string | undefined> => {
      const info = (await (await fetch(`${server.url}/v1/sessions/${one.sessionid}`)).json()) as Acting;
      return info.action?.name;
    };
    const set = (audiotype: number): Promise<Envelope> =>
      one.post('/set_audiotype', { sessionid: one.sessionid, audiotype });
    assert.deepEqual(await set(2), OK);
    assert.equal(await action(), 'wave');
    assert.deepEqual(await set(3), OK);
    assert.equal(await action(), '3');
    assert.deepEqual(await set(0), OK);
    await until('the action to end', async () => ((await action()) === undefined ? true : undefined));
    assert.deepEqual(await set(0), OK);
    failed(await set(4), /action/);
    failed(await one.post('/set_audiotype', { sessionid: 'nobody', audiotype: 2 }), 'session not found');
    const { customopt } = (await sessionsOf())[0]!;
    assert.equal((customopt as object[]).length, 1);
  });

  it('avatars are made as tasks', async () => {
    const one = client();
    const made = await one.form('/api/avatar/task', {
      ...{ model: 'wav2lip', avatar_id: 'grace', img_size: '256', nosmooth: 'false', pads: '0 10 0 0' },
      ...{ face_det_batch_size: '16', task_id: 'my-task' },
      video_file: new Blob([await readFile('web/public/demo/portrait.jpg')]),
    });
    assert.deepEqual(made, { ...OK, data: { task_id: 'my-task' } });
    const done = await until('the task', async () => {
      const { data } = await one.ask('/api/avatar/task/my-task');
      const task = data as Record<string, unknown>;
      assert.ok(['running', 'completed'].includes(String(task['status'])), JSON.stringify(task));
      return task['status'] === 'completed' ? task : undefined;
    });
    const { start_time: start, end_time: end, duration, ...rest } = done as Record<string, number>;
    assert.deepEqual(rest, {
      ...{ task_id: 'my-task', model_type: 'wav2lip', avatar_id: 'grace', status: 'completed' },
      ...{ progress: 100, error_msg: '', notify_url: null },
    });
    assert.ok(Math.abs(end! - start! - duration!) < 0.01 && duration! > 0);
    failed(await one.ask('/api/avatar/task/my-task', 'DELETE'), 'Task is in completed state, cannot delete');
    failed(await one.ask('/api/avatar/task/none', 'DELETE'), 'Task not found');
    assert.deepEqual(await one.ask('/api/avatar/task/none'), { code: 404, msg: 'Task not found' });
    const { data } = await one.ask('/api/avatar/tasks');
    assert.deepEqual(
      (data as { tasks: { task_id: string }[] }).tasks.map(({ task_id: id }) => id),
      ['my-task'],
    );
    const task = { model: 'musetalk', avatar_id: 'x', video_path: 'demo/portrait.jpg' };
    failed(await one.post('/api/avatar/task', { ...task, model: 'ultralight' }), /wav2lip or musetalk/);
    failed(await one.post('/api/avatar/task', { ...task, avatar_id: '../x' }), /avatar_id/);
    failed(await one.post('/api/avatar/task', { ...task, video_path: '/etc/passwd' }), /./);
    failed(
      await one.post('/api/avatar/task', { ...task, avatar_id: 'demo', video_path: 'demo/speech.wav' }),
      /already/,
    );
    failed(await one.post('/api/avatar/task', { ...task, task_id: 'my-task' }), /my-task/);
    failed(await one.post('/api/avatar/task', { ...task, notifyurl: 'http://127.0.0.1/' }), /notifyurl/);
    failed(await one.post('/api/avatar/task', { model: 'musetalk', avatar_id: 'x' }), /video_path/);
    const withPath = await one.post('/api/avatar/task', {
      ...task,
      avatar_id: 'hopper',
      bbox_shift: 3,
      version: 'v15',
    });
    assert.match((withPath.data as { task_id: string }).task_id, UUID);
    const other = await joined({ avatar: 'grace' });
    await other.viewer.until('a picture of the new one', ({ frames }) => frames > 0);
  });
});

interface Acting {
  readonly action?: { readonly name: string };
}

it("LiveTalking's API is not there unless it is switched on, and needs the token where there is one", async (t) => {
  const off = await startTestServer();
  t.after(() => off.close());
  assert.equal((await fetch(`${off.url}/human`, { method: 'POST', body: '{}' })).status, 404);
  assert.equal((await fetch(`${off.url}/whep`, { method: 'POST' })).status, 404);
  const locked = await startTestServer(['--livetalking', 'demo', '--auth-token', 'full-token-1']);
  t.after(() => locked.close());
  for (const path of ['/sse?sessionid=x', '/api/admin/sessions', '/record/x'])
    assert.equal((await fetch(locked.url + path)).status, 401, path);
  assert.equal((await fetch(`${locked.url}/offer`, { method: 'POST', body: '{}' })).status, 401);
  assert.equal((await fetch(`${locked.url}/api/admin/sessions?token=full-token-1`)).status, 200);
});

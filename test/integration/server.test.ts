import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeMedia } from '../helpers/media.js';
import { makePortraitReference } from '../helpers/reference-folder.js';
import { startTestServer, until, type TestServer } from '../helpers/server.js';

/** The real server as a process: bad input at every door, a worker that dies, a start after a start. */

const data = path.resolve('../shared/data');
const skipData = existsSync(data) ? false : 'the test media are not here';
const json = { 'content-type': 'application/json' };
let server: TestServer;

async function call(
  method: string,
  route: string,
  body?: BodyInit,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string; type: string }> {
  const response = await fetch(server.url + route, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  return {
    status: response.status,
    text: await response.text(),
    type: response.headers.get('content-type') ?? '',
  };
}
const post = (route: string, body: object) => call('POST', route, JSON.stringify(body), json);

async function newSession(body: object = { avatar: 'demo' }): Promise<string> {
  const { status, text } = await post('/v1/sessions', body);
  assert.equal(status, 201, text);
  return (JSON.parse(text) as { id: string }).id;
}

let results: string;
before(async () => {
  results = await mkdtemp(path.join(tmpdir(), 'musecast-results-'));
  server = await startTestServer(['--max-sessions', '2', '--log-level', 'info', '--result_dir', results]);
});
after(async () => {
  await server?.close();
  await rm(results, { recursive: true, force: true });
});

describe('bad input answers with a status and a sentence, and leaves nothing behind', () => {
  before(async () => {
    await mkdir(path.join(server.dataDir, 'folder'), { recursive: true });
    await writeFile(path.join(server.dataDir, 'text.mp4'), 'this is not a film\n'.repeat(50));
    await writeFile(path.join(server.dataDir, 'list.mp4'), 'ffconcat version 1.0\nfile /etc/passwd\n');
    await writeFile(path.join(server.dataDir, 'empty.mp4'), '');
    await symlink('/etc/hostname', path.join(server.dataDir, 'link.mp4'));
    await symlink('/etc', path.join(server.dataDir, 'out'));
    await mkdir(path.join(server.dataDir, 'foreign'), { recursive: true });
    await writeFile(path.join(server.dataDir, 'foreign', 'latents.pt'), 'weights of something else');
  });

  const create = (video_path: string, avatar_id = 'bad') =>
    post('/api/avatar/create', { avatar_id, video_path });
  const cases: [string, () => Promise<{ status: number; text: string }>, readonly number[]][] = [
    ['a missing file', () => create('nothing.mp4'), [404]],
    ['a directory', () => create('folder'), [400, 422]],
    ['a text file named .mp4', () => create('text.mp4'), [400, 415]],
    ['a concat script', () => create('list.mp4'), [400, 415]],
    ['an empty file', () => create('empty.mp4'), [400, 415]],
    ['a path outside the roots', () => create('../../etc/passwd'), [403]],
    ['an absolute path outside the roots', () => create('/etc/passwd'), [403]],
    ['a link that leaves the roots', () => create('link.mp4'), [403]],
    ['an avatar id with slashes', () => create('text.mp4', '../x/y'), [422]],
    ['an avatar id of 300 characters', () => create('text.mp4', 'a'.repeat(300)), [422]],
    ['a folder outside the roots', () => create('../'), [403]],
    ['a link to a folder outside', () => create('out'), [403]],
    ['a folder that is no folder of the reference', () => create('foreign'), [404]],
    [
      'parameters for faces that the reference cut out',
      () => post('/api/avatar/create', { avatar_id: 'bad', video_path: 'foreign', bbox_shift: 3 }),
      [422],
    ],
    [
      'a sound that is a folder',
      () => post('/api/inference/start', { avatar_id: 'demo', audio_path: 'folder' }),
      [400],
    ],
    [
      'fps 0',
      () => post('/api/inference/start', { avatar_id: 'demo', audio_path: 'demo/speech.wav', fps: 0 }),
      [422],
    ],
    [
      'fps 1000',
      () => post('/api/inference/start', { avatar_id: 'demo', audio_path: 'demo/speech.wav', fps: 1000 }),
      [422],
    ],
    [
      'an unknown avatar',
      () => post('/api/inference/start', { avatar_id: 'nobody', audio_path: 'demo/speech.wav' }),
      [404],
    ],
    [
      'a sound that is text',
      () => post('/api/inference/start', { avatar_id: 'demo', audio_path: 'text.mp4' }),
      [400, 415],
    ],
    ['an unknown session', () => call('POST', '/api/inference/stop/none'), [404]],
    ['an unknown stream', () => call('GET', '/api/stream/none'), [404]],
    [
      'WHEP to an unknown session',
      () => call('POST', '/whep/none', 'v=0', { 'content-type': 'application/sdp' }),
      [404],
    ],
    ['a body that is no JSON', () => call('POST', '/v1/sessions', '{', json), [400]],
    ['an unknown path', () => call('GET', '/v1/nothing'), [404]],
    ['an upload of nothing', () => upload('zero', new Uint8Array()), [400, 415, 422]],
  ];
  const upload = (id: string, bytes: Uint8Array<ArrayBuffer>) => {
    const form = new FormData();
    form.set('id', id);
    form.set('file', new Blob([bytes]), 'x.mp4');
    return call('POST', '/v1/avatars', form);
  };
  for (const [name, act, statuses] of cases) {
    test(name, async () => {
      const { status, text } = await act();
      assert.ok(statuses.includes(status), `${status}: ${text}`);
      const { detail } = JSON.parse(text) as { detail: unknown };
      assert.ok(
        (typeof detail === 'string' && detail.length > 10) || (Array.isArray(detail) && detail.length > 0),
        text,
      );
    });
  }

  test('malformed SDP and a wrong content type are told apart', async () => {
    const id = await newSession();
    assert.equal(
      (await call('POST', `/whep/${id}`, 'nonsense', { 'content-type': 'application/sdp' })).status,
      400,
    );
    assert.equal((await call('POST', `/whep/${id}`, '{}', json)).status, 415);
    assert.equal((await call('DELETE', `/v1/sessions/${id}`)).status < 300, true);
  });

  test('a video without a face says so', async () => {
    await makeMedia([
      '-f',
      'lavfi',
      '-i',
      'testsrc=size=320x240:rate=25',
      '-t',
      '1',
      '-pix_fmt',
      'yuv420p',
      path.join(server.dataDir, 'bars.mp4'),
    ]);
    const { status, text } = await create('bars.mp4');
    assert.equal(status, 422, text);
    assert.match(text, /face/);
  });

  test('a sound where a video belongs is refused', async () => {
    const { status, text } = await create('demo/speech.wav');
    assert.equal(status, 415, text);
  });

  test('nothing half-made stays, and the server goes on', async () => {
    assert.deepEqual(
      (await readdir(path.join(server.dataDir, 'avatars'))).filter((name) => name !== 'demo'),
      [],
    );
    assert.deepEqual(await readdir(path.join(server.dataDir, 'uploads')), []);
    assert.equal((await call('GET', '/healthz')).status, 200);
  });
});

describe('a folder in place of a file', () => {
  const portrait = 'web/public/demo/portrait.jpg';
  const ready = async (id: string) =>
    until(`avatar ${id}`, async () => {
      const { text } = await call('GET', `/v1/avatars/${id}`);
      const info = JSON.parse(text) as {
        state: string;
        frameCount: number;
        still: boolean;
        quality: { notes: string[] };
      };
      assert.notEqual(info.state, 'failed', text);
      return info.state === 'ready' ? info : undefined;
    });

  test('PNG pictures become an avatar that speaks; again it is the same, in another form it is 409', async () => {
    const folder = path.join(server.dataDir, 'frames');
    await mkdir(folder);
    await makeMedia(['-i', portrait, path.join(folder, 'a.png')]);
    for (const name of ['b.png', 'c.png'])
      await copyFile(path.join(folder, 'a.png'), path.join(folder, name));
    const body = { id: 'frames', path: 'frames' };
    assert.equal((await post('/v1/avatars', body)).status, 202);
    const info = await ready('frames');
    assert.deepEqual([info.frameCount, info.still], [3, false]);
    assert.equal(JSON.parse((await post('/v1/avatars', body)).text).state, 'ready');
    await copyFile(path.join(folder, 'a.png'), path.join(folder, 'd.png'));
    assert.equal((await post('/v1/avatars', body)).status, 409);
    const id = await newSession({ avatar: 'frames' });
    await until('pictures', async () => {
      const { stats } = JSON.parse((await call('GET', `/v1/sessions/${id}`)).text) as {
        stats: Record<string, number>;
      };
      return (stats['playedPictures'] ?? 0) > 5 || undefined;
    });
    await call('DELETE', `/v1/sessions/${id}`);
    assert.equal((await call('DELETE', '/v1/avatars/frames')).status, 204);
  });

  test('one that the reference prepared is imported, also by the legacy API', async () => {
    await makePortraitReference(path.join(server.dataDir, 'prepared'));
    assert.equal((await post('/v1/avatars', { id: 'imported', path: 'prepared' })).status, 202);
    const info = await ready('imported');
    assert.equal(info.frameCount, 2);
    assert.match(info.quality.notes[0] ?? '', /Imported/);
    assert.ok(existsSync(path.join(server.dataDir, 'avatars/imported/musetalk/material.json')));
    const again = await post('/api/avatar/create', { avatar_id: 'imported', video_path: 'prepared' });
    assert.equal(again.status, 200, again.text);
    assert.equal((await call('DELETE', '/v1/avatars/imported')).status, 204);
  });
});

test('past the session limit: 503 with Retry-After', async () => {
  const ids = [await newSession(), await newSession()];
  const response = await fetch(`${server.url}/v1/sessions`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ avatar: 'demo' }),
  });
  assert.equal(response.status, 503);
  assert.ok(Number(response.headers.get('retry-after')) > 0);
  await response.body?.cancel();
  for (const id of ids) await call('DELETE', `/v1/sessions/${id}`);
});

test(
  'a worker that dies is replaced and its session draws again',
  { skip: existsSync('/proc/self') ? false : 'the worker is found through /proc' },
  async () => {
    const id = await newSession();
    const stats = async () =>
      (JSON.parse((await call('GET', `/v1/sessions/${id}`)).text) as { stats: Record<string, number> }).stats;
    await until('pictures', async () => ((await stats())['playedPictures'] ?? 0) > 5 || undefined);
    const children =
      (await readdir(`/proc/${server.child.pid}/task/${server.child.pid}`).catch(() => [])).length > 0;
    if (!children) return; // No /proc on this system: nothing to find the worker by.
    const pid = await workerPid();
    process.kill(pid, 'SIGKILL');
    await until(
      'the stream to be lost and opened again',
      async () => ((await stats())['workerRestarts'] ?? 0) > 0 || undefined,
    );
    const before = (await stats())['playedPictures'] ?? 0;
    await until(
      'pictures of the new worker',
      async () => ((await stats())['playedPictures'] ?? 0) > before + 5 || undefined,
    );
    await call('DELETE', `/v1/sessions/${id}`);
  },
);

async function workerPid(): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  const children = (await readFile(`/proc/${server.child.pid}/task/${server.child.pid}/children`, 'utf8'))
    .trim()
    .split(' ')
    .map(Number);
  for (const pid of children)
    if ((await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes('worker/child.js')) return pid;
  throw new Error('the server has no worker');
}

test('skip_save_images false also saves PNG files and an mp4', async () => {
  await mkdir(path.join(server.dataDir, 'short'), { recursive: true });
  await copyFile('web/public/demo/speech.wav', path.join(server.dataDir, 'short', 'speech.wav'));
  const started = await post('/api/inference/start', {
    avatar_id: 'demo',
    audio_path: 'short/speech.wav',
    skip_save_images: false,
  });
  assert.equal(started.status, 200, started.text);
  const { session_id } = JSON.parse(started.text) as { session_id: string };
  await call('POST', `/api/inference/stop/${session_id}`);
  const folder = path.join(results, session_id);
  await until(
    'the saved film',
    () => (existsSync(path.join(folder, 'result.mp4')) ? true : undefined),
    90_000,
  );
  const frames = await readdir(path.join(folder, 'frames'));
  assert.ok(!existsSync(path.join(server.dataDir, 'results')), 'reference bug: result_dir was ignored');
  assert.ok(frames.includes('00000000.png') && frames.length > 200, `${frames.length} pictures`);
});

test(
  'the same avatar again is success, another source under its id is 409, a preparation survives a restart',
  { skip: skipData },
  async () => {
    const first = await post('/api/avatar/create', { avatar_id: 'man', video_path: 'portraits/man.png' });
    assert.deepEqual(JSON.parse(first.text), {
      status: 'success',
      message: 'Avatar man created successfully',
      avatar_id: 'man',
    });
    assert.equal(
      (await post('/api/avatar/create', { avatar_id: 'man', video_path: 'portraits/man.png' })).status,
      200,
    );
    assert.equal(
      (await post('/api/avatar/create', { avatar_id: 'man', video_path: 'portraits/sit.jpeg' })).status,
      409,
    );
    const other = await startTestServer(['--data-dir', server.dataDir]);
    try {
      const { avatars } = (await (await fetch(`${other.url}/api/avatar/list`)).json()) as {
        avatars: { avatar_id: string; status: string }[];
      };
      assert.ok(avatars.some(({ avatar_id, status }) => avatar_id === 'man' && status === 'idle'));
    } finally {
      await other.close();
    }
  },
);

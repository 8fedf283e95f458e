import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { STATUS_OF } from '../../../signaling/problem.js';
import { AppError, type ErrorCode } from '../../../src/errors.js';
import { fakeServer, postJson, type FakeServer } from '../../helpers/fake-ports.js';

describe('legacy API', () => {
  let server: FakeServer;
  beforeEach(async () => void (server = await fakeServer()));
  afterEach(() => server.close());

  async function answer(
    path: string,
    init?: RequestInit,
  ): Promise<{ status: number; text: string; json: unknown }> {
    const response = await server.app.request(path, init);
    const text = await response.text();
    return { status: response.status, text, json: JSON.parse(text) as unknown };
  }

  it('answers health byte for byte', async () => {
    const { status, text } = await answer('/api/health');
    assert.equal(status, 200);
    assert.equal(text, '{"status":"ok","message":"MuseTalk Streaming API is running"}');
  });

  it('creates an avatar and says so byte for byte', async () => {
    const body = { avatar_id: 'avatar1', video_path: 'a.mp4', bbox_shift: -7, batch_size: 8 };
    const { status, text } = await answer('/api/avatar/create', postJson(body));
    assert.equal(status, 200);
    assert.equal(
      text,
      '{"status":"success","message":"Avatar avatar1 created successfully","avatar_id":"avatar1"}',
    );
    assert.deepEqual(server.avatars.created, [
      { id: 'avatar1', sourcePath: '/media/a.mp4', faceParameters: { bboxShiftPx: -7 } },
    ]);
  });

  it('answers a creation only when the avatar is prepared', async () => {
    server.avatars.prepareAtOnce = false;
    let answered = false;
    const pending = answer('/api/avatar/create', postJson({ avatar_id: 'slow', video_path: 'a.mp4' })).then(
      (one) => {
        answered = true;
        return one;
      },
    );
    await server.avatars.awaited.promise;
    assert.equal(answered, false);
    server.avatars.change('slow', { state: 'ready', progress: 1 });
    assert.equal((await pending).status, 200);
  });

  it('answers a failed preparation with a list, because that is a 422', async () => {
    server.avatars.prepareAtOnce = false;
    const pending = answer('/api/avatar/create', postJson({ avatar_id: 'wall', video_path: 'a.mp4' }));
    await server.avatars.awaited.promise;
    server.avatars.change('wall', { state: 'failed' });
    const { status, json } = await pending;
    assert.equal(status, 422);
    assert.deepEqual(json, {
      detail: [{ loc: ['body'], msg: 'no face was found for avatar wall', type: 'value_error' }],
    });
  });

  it('lists avatars under their legacy states', async () => {
    server.avatars.add('a');
    server.avatars.add('b', 'preparing');
    server.avatars.add('c', 'failed');
    const { text } = await answer('/api/avatar/list');
    assert.equal(
      text,
      '{"avatars":[{"avatar_id":"a","status":"idle","created_at":1234567890.123},' +
        '{"avatar_id":"b","status":"preparing","created_at":1234567890.123},' +
        '{"avatar_id":"c","status":"failed","created_at":1234567890.123}]}',
    );
  });

  it('starts and stops an inference byte for byte', async () => {
    server.avatars.add('avatar1');
    const started = await answer(
      '/api/inference/start',
      postJson({ avatar_id: 'avatar1', audio_path: 'a.wav' }),
    );
    assert.equal(started.status, 200);
    assert.equal(
      started.text,
      '{"status":"success","message":"Inference started","session_id":"avatar1_1234567890","stream_url":"/api/stream/avatar1_1234567890"}',
    );
    assert.deepEqual(server.sessions.created, [
      {
        avatarId: 'avatar1',
        fps: 25,
        audioPath: '/media/a.wav',
        legacy: true,
        saveImages: false,
        endAfterSpeech: true,
      },
    ]);
    const stopped = await answer('/api/inference/stop/avatar1_1234567890', { method: 'POST' });
    assert.equal(stopped.status, 200);
    assert.equal(stopped.text, '{"status":"success","message":"Session avatar1_1234567890 stopped"}');
    assert.equal((await answer('/api/inference/stop/avatar1_1234567890', { method: 'POST' })).status, 404);
  });

  it('saves images only if asked', async () => {
    server.avatars.add('avatar1');
    const body = { avatar_id: 'avatar1', audio_path: 'a.wav', fps: 30, skip_save_images: false };
    await answer('/api/inference/start', postJson(body));
    assert.equal(server.sessions.created[0]?.saveImages, true);
    assert.equal(server.sessions.created[0]?.fps, 30);
  });

  it('streams pictures as parts with type and length, and ends with the session', async () => {
    server.sessions.add('s');
    const response = await server.app.request('/api/stream/s');
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'multipart/x-mixed-replace; boundary=frame');
    assert.match(response.headers.get('cache-control') ?? '', /no-store/);
    const bytes = Buffer.from(await response.arrayBuffer()).toString('latin1');
    const head = (length: number): string =>
      `--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${length}\r\n\r\n`;
    assert.equal(
      bytes,
      `${head(5)}\xff\xd8\x01\xff\xd9\r\n${head(6)}\xff\xd8\x02\x02\xff\xd9\r\n--frame--\r\n`,
    );
  });

  it('does not begin a stream for HEAD', async () => {
    server.sessions.add('s');
    server.sessions.pictures = () => assert.fail('pictures were asked for');
    const response = await server.app.request('/api/stream/s', { method: 'HEAD' });
    assert.equal(response.status, 200);
  });

  const invalid: [name: string, path: string, body: unknown, expected: unknown][] = [
    [
      'a missing id',
      '/api/avatar/create',
      { video_path: 'a' },
      { loc: ['body', 'avatar_id'], msg: 'Field required', type: 'missing' },
    ],
    [
      'an id that climbs',
      '/api/avatar/create',
      { avatar_id: '../x', video_path: 'a' },
      { loc: ['body', 'avatar_id'], type: 'string_pattern_mismatch' },
    ],
    [
      'an id of 65',
      '/api/avatar/create',
      { avatar_id: 'a'.repeat(65), video_path: 'a' },
      { loc: ['body', 'avatar_id'], type: 'string_pattern_mismatch' },
    ],
    [
      'a number as id',
      '/api/avatar/create',
      { avatar_id: 1, video_path: 'a' },
      { loc: ['body', 'avatar_id'], type: 'string_type' },
    ],
    [
      'bbox_shift 101',
      '/api/avatar/create',
      { avatar_id: 'a', video_path: 'a', bbox_shift: 101 },
      { loc: ['body', 'bbox_shift'], type: 'less_than_equal' },
    ],
    [
      'batch_size 0',
      '/api/avatar/create',
      { avatar_id: 'a', video_path: 'a', batch_size: 0 },
      { loc: ['body', 'batch_size'], type: 'greater_than_equal' },
    ],
    [
      'fps 4',
      '/api/inference/start',
      { avatar_id: 'a', audio_path: 'a', fps: 4 },
      { loc: ['body', 'fps'], type: 'greater_than_equal' },
    ],
    [
      'fps 61',
      '/api/inference/start',
      { avatar_id: 'a', audio_path: 'a', fps: 61 },
      { loc: ['body', 'fps'], type: 'less_than_equal' },
    ],
    [
      'fps 25.5',
      '/api/inference/start',
      { avatar_id: 'a', audio_path: 'a', fps: 25.5 },
      { loc: ['body', 'fps'], type: 'int_type' },
    ],
    [
      'a word for a boolean',
      '/api/inference/start',
      { avatar_id: 'a', audio_path: 'a', skip_save_images: 'no' },
      { loc: ['body', 'skip_save_images'], type: 'bool_type' },
    ],
  ];
  for (const [name, path, body, expected] of invalid) {
    it(`refuses ${name} as FastAPI does`, async () => {
      const { status, json } = await answer(path, postJson(body));
      assert.equal(status, 422);
      const detail = (json as { detail: Record<string, unknown>[] }).detail;
      assert.equal(detail.length, 1);
      assert.equal(typeof detail[0]?.['msg'], 'string');
      for (const [key, value] of Object.entries(expected as object))
        assert.deepEqual(detail[0]?.[key], value);
    });
  }

  it('answers malformed JSON and an empty body with 422', async () => {
    const headers = { 'Content-Type': 'application/json' };
    const broken = await answer('/api/avatar/create', { method: 'POST', headers, body: '{"avatar_id":' });
    assert.equal(broken.status, 422);
    assert.equal((broken.json as { detail: { type: string }[] }).detail[0]?.type, 'json_invalid');
    const empty = await answer('/api/avatar/create', { method: 'POST' });
    assert.equal(empty.status, 422);
    assert.equal((empty.json as { detail: { loc: string[] }[] }).detail[0]?.loc[0], 'body');
  });

  it('limits a JSON body', async () => {
    const body = { avatar_id: 'a', video_path: 'x'.repeat(1_100_000) };
    const { status, json } = await answer('/api/avatar/create', postJson(body));
    assert.equal(status, 413);
    assert.equal(typeof (json as { detail: unknown }).detail, 'string');
  });

  it('gives every refusal its status and a sentence', async () => {
    server.avatars.add('ready');
    server.avatars.add('busy', 'preparing');
    const start = (avatar_id: string, audio_path = 'a.wav'): [string, RequestInit] => [
      '/api/inference/start',
      postJson({ avatar_id, audio_path }),
    ];
    const create = (avatar_id: string, video_path: string): [string, RequestInit] => [
      '/api/avatar/create',
      postJson({ avatar_id, video_path }),
    ];
    const cases: [number, [string, RequestInit?]][] = [
      [404, start('nobody')],
      [409, start('busy')],
      [404, start('ready', 'missing.wav')],
      [403, start('ready', '../../etc/passwd')],
      [415, start('ready', 'garbage.wav')],
      [400, start('ready', 'folder/')],
      [403, create('dir', '../folder/')],
      [409, create('ready', 'a.mp4')],
      [404, ['/api/stream/nobody']],
      [404, ['/api/nothing/here']],
      [405, ['/api/avatar/create']],
      [405, ['/api/health', { method: 'DELETE' }]],
    ];
    for (const [expected, [path, init]] of cases) {
      const { status, json } = await answer(path, init);
      assert.equal(status, expected, `${path} ${String(init?.body)}`);
      assert.deepEqual(Object.keys(json as object), ['detail']);
      assert.equal(typeof (json as { detail: unknown }).detail, 'string');
    }
  });

  it('says when to come back if there is no capacity', async () => {
    server.avatars.add('ready');
    server.sessions.refusal = new AppError('no-capacity', 'all 4 sessions are taken');
    const response = await server.app.request(
      '/api/inference/start',
      postJson({ avatar_id: 'ready', audio_path: 'a.wav' }),
    );
    assert.equal(response.status, 503);
    assert.match(response.headers.get('retry-after') ?? '', /^\d+$/);
    assert.deepEqual(await response.json(), { detail: 'all 4 sessions are taken' });
  });

  it('tells nothing of an internal fault', async () => {
    server.avatars.refusal = new Error('secret /root/path');
    const { status, text } = await answer(
      '/api/avatar/create',
      postJson({ avatar_id: 'a', video_path: 'a' }),
    );
    assert.equal(status, 500);
    assert.doesNotMatch(text, /secret/);
  });

  it('has a status for every code', async () => {
    for (const [code, status] of Object.entries(STATUS_OF)) {
      server.avatars.refusal = new AppError(code as ErrorCode, 'why');
      const { status: got } = await answer(
        '/api/avatar/create',
        postJson({ avatar_id: 'a', video_path: 'a' }),
      );
      assert.equal(got, status, code);
    }
  });
});

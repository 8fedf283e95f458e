import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { AppError } from '../../../src/errors.js';
import { fakeServer, postJson, type FakeServer } from '../../helpers/fake-ports.js';

describe('routes of actions', () => {
  let server: FakeServer;
  before(async () => {
    server = await fakeServer();
    server.avatars.add('anna');
    server.sessions.add('s1');
  });
  after(() => server.close());

  async function ask(
    route: string,
    init: RequestInit = {},
  ): Promise<{ status: number; body: Record<string, unknown>; location: string | null }> {
    const response = await server.app.request(route, init);
    const text = await response.text();
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
    return { status: response.status, body, location: response.headers.get('location') };
  }
  const form = (name: string | undefined, bytes = 10): RequestInit => {
    const body = new FormData();
    if (name !== undefined) body.set('name', name);
    body.set('file', new Blob([new Uint8Array(bytes).fill(1)]), 'clip.mp4');
    return { method: 'POST', body };
  };
  const at = '/v1/avatars/anna/actions';

  it('takes a clip from a path or as an upload, and tells of it', async () => {
    const fromPath = await ask(at, postJson({ name: 'wave', path: 'wave.mp4' }));
    assert.deepEqual([fromPath.status, fromPath.location], [202, `${at}/wave`]);
    const uploaded = await ask(at, form('nod'));
    assert.deepEqual([uploaded.status, uploaded.body['name']], [202, 'nod']);
    const [, upload] = server.actions.created;
    assert.ok(upload?.sourceIsUpload && existsSync(upload.sourcePath));
    assert.deepEqual(
      ((await ask(at)).body['actions'] as { name: string }[]).map(({ name }) => name),
      ['wave', 'nod'],
    );
    assert.equal((await ask(`${at}/wave`)).body['durationMs'], 2000);
    assert.equal((await ask(`${at}/wave`, { method: 'DELETE' })).status, 204);
    assert.equal((await ask(`${at}/wave`)).body['code'], 'action-not-found');
  });

  it('refuses what it cannot use, and keeps no upload then', async () => {
    const before = await readdir(server.uploadsDir);
    for (const [init, status] of [
      [form('../x'), 422],
      [form(undefined), 422],
      [form('big', 2000), 413],
      [postJson({ name: 'x' }), 422],
      [postJson({ name: '', path: 'a.mp4' }), 422],
    ] as const)
      assert.equal((await ask(at, init)).status, status);
    assert.equal((await ask('/v1/avatars/nobody/actions', form('x'))).body['code'], 'avatar-not-found');
    assert.equal((await ask(`${at}/..%2F..`)).body['code'], 'action-not-found');
    assert.deepEqual(await readdir(server.uploadsDir), before);
  });

  it('plays one in a session, once if not told how often, and ends it', async () => {
    const play = (body: object, id = 's1') => ask(`/v1/sessions/${id}/actions`, postJson(body));
    const played = await play({ name: 'nod' });
    assert.deepEqual([played.status, played.body['name'], typeof played.body['at']], [201, 'nod', 'object']);
    await play({ name: 'nod', times: 3 });
    assert.equal((await ask('/v1/sessions/s1/actions', { method: 'DELETE' })).status, 204);
    assert.deepEqual(server.sessions.acted, [
      { name: 'nod', times: 1 },
      { name: 'nod', times: 3 },
      undefined,
    ]);
    for (const wrong of [{}, { name: 'nod', times: 1001 }, { name: 'nod', loop: true }, { name: 'a/b' }])
      assert.equal((await play(wrong)).status, 422, JSON.stringify(wrong));
    assert.equal((await play({ name: 'nod' }, 'nobody')).body['code'], 'session-not-found');
    server.sessions.refusal = new AppError('superseded', 'a newer request took its place');
    assert.deepEqual((await play({ name: 'nod' })).status, 409);
  });
});

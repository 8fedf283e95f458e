import assert from 'node:assert/strict';
import { symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fakeServer, type FakeServer } from '../../helpers/fake-ports.js';

describe('pages', () => {
  let server: FakeServer;
  beforeEach(async () => void (server = await fakeServer()));
  afterEach(() => server.close());

  it('serves the page, the bot page, the diagnosis and hashed files', async () => {
    const index = await server.app.request('/');
    assert.equal(index.status, 200);
    assert.match(index.headers.get('content-type') ?? '', /^text\/html/);
    assert.equal(index.headers.get('cache-control'), 'no-cache');
    assert.equal(await index.text(), '<title>index</title>');
    assert.equal(await (await server.app.request('/bot/any')).text(), '<title>bot</title>');
    assert.equal(await (await server.app.request('/diagnose')).text(), '<title>diagnose</title>');
    const script = await server.app.request('/assets/main-abc123.js');
    assert.match(script.headers.get('content-type') ?? '', /^text\/javascript/);
    assert.match(script.headers.get('cache-control') ?? '', /immutable/);
  });

  it('answers a file that has not changed with 304, and HEAD without content', async () => {
    const etag = (await server.app.request('/')).headers.get('etag') ?? assert.fail('no ETag');
    assert.equal((await server.app.request('/', { headers: { 'If-None-Match': etag } })).status, 304);
    assert.equal((await server.app.request('/', { headers: { 'If-None-Match': '"old"' } })).status, 200);
    const head = await server.app.request('/', { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(head.headers.get('content-length'), '20');
    assert.equal(await head.text(), '');
  });

  it('never leaves its folder', async () => {
    await symlink(path.join(server.dir, 'secret.txt'), path.join(server.webDir, 'link.txt'));
    await writeFile(path.join(server.webDir, '.env'), 'secret');
    const ways = [
      '/..%2fsecret.txt',
      '/%2e%2e/secret.txt',
      '/assets/..%2f..%2fsecret.txt',
      '/..%5csecret.txt',
      '/link.txt',
      '/.env',
      '/%00',
      '/%ff',
      '/assets',
      '/assets/',
    ];
    for (const way of ways) {
      const response = await server.app.request(way);
      assert.equal(response.status, 404, way);
      assert.equal(response.headers.get('content-type'), 'application/problem+json', way);
      assert.doesNotMatch(await response.text(), /^secret/, way);
    }
  });

  it('answers an unknown path with a problem', async () => {
    const response = await server.app.request('/nothing');
    assert.equal(response.status, 404);
    const body = (await response.json()) as Record<string, unknown>;
    assert.deepEqual([body['code'], body['title'], body['instance']], ['not-found', 'Not Found', '/nothing']);
    assert.equal((await server.app.request('/', { method: 'POST' })).status, 405);
  });

  it('serves ffmpeg for the browser in both flavours', async () => {
    for (const flavour of ['esm', 'umd']) {
      const script = await server.app.request(`/assets/ffmpeg/${flavour}/ffmpeg-core.js`);
      assert.equal(script.status, 200);
      assert.match(script.headers.get('content-type') ?? '', /^text\/javascript/);
      await script.body?.cancel();
      const wasm = await server.app.request(`/assets/ffmpeg/${flavour}/ffmpeg-core.wasm`, { method: 'HEAD' });
      assert.equal(wasm.headers.get('content-type'), 'application/wasm');
      assert.ok(Number(wasm.headers.get('content-length')) > 1_000_000);
    }
    assert.equal((await server.app.request('/assets/ffmpeg/esm/..%2f..%2f..%2fpackage.json')).status, 404);
    assert.equal((await server.app.request('/assets/ffmpeg/other/ffmpeg-core.js')).status, 404);
  });
});

describe('documentation', () => {
  let server: FakeServer;
  beforeEach(async () => void (server = await fakeServer()));
  afterEach(() => server.close());

  it('describes every JSON route', async () => {
    const document = (await (await server.app.request('/openapi.json')).json()) as {
      openapi: string;
      paths: Record<string, Record<string, unknown>>;
    };
    assert.match(document.openapi, /^3\.1/);
    const described = Object.entries(document.paths).flatMap(([at, methods]) =>
      Object.keys(methods).map((method) => `${method} ${at}`),
    );
    const expected = [
      'get /api/health',
      'post /api/avatar/create',
      'get /api/avatar/list',
      'post /api/inference/start',
      'get /api/stream/{session_id}',
      'post /api/inference/stop/{session_id}',
      'get /v1/avatars',
      'post /v1/avatars',
      'get /v1/avatars/{id}',
      'delete /v1/avatars/{id}',
      'get /v1/avatars/{id}/preview.jpg',
      'get /v1/avatars/{id}/events',
      'get /v1/avatars/{id}/actions',
      'post /v1/avatars/{id}/actions',
      'get /v1/avatars/{id}/actions/{name}',
      'delete /v1/avatars/{id}/actions/{name}',
      'post /v1/sessions/{id}/actions',
      'delete /v1/sessions/{id}/actions',
      'get /v1/sessions',
      'post /v1/sessions',
      'get /v1/sessions/{id}',
      'get /v1/sessions/{id}/events',
      'patch /v1/sessions/{id}',
      'delete /v1/sessions/{id}',
      'post /v1/sessions/{id}/utterances',
      'get /v1/sessions/{id}/utterances',
      'get /v1/sessions/{id}/utterances/{utterance}',
      'delete /v1/sessions/{id}/utterances/{utterance}',
      'post /v1/sessions/{id}/utterances/{utterance}/sound',
      'post /v1/sessions/{id}/resume',
      'post /v1/sessions/{id}/keep-alive',
      'post /v1/sessions/{id}/interrupt',
      'post /v1/sessions/{id}/recording',
      'get /v1/sessions/{id}/recording',
      'delete /v1/sessions/{id}/recording',
      'get /v1/recordings',
      'get /v1/recordings/{id}',
      'get /v1/recordings/{id}/file',
      'delete /v1/recordings/{id}',
      'get /whip/{session}',
      'post /whip/{session}',
      'get /whip/{session}/{publisher}',
      'patch /whip/{session}/{publisher}',
      'delete /whip/{session}/{publisher}',
      'get /whep/{session}',
      'post /whep/{session}',
      'get /whep/{session}/{peer}',
      'patch /whep/{session}/{peer}',
      'delete /whep/{session}/{peer}',
      'post /whep/{session}/{peer}/events',
      'get /whep/{session}/{peer}/events/{stream}',
      'delete /whep/{session}/{peer}/events/{stream}',
      'get /v1/diagnose',
      'get /healthz',
      'get /readyz',
      'get /v1',
      'get /metrics',
    ];
    assert.deepEqual(described.sort(), expected.sort());
  });

  it('serves both viewers and all that they load from here', async () => {
    for (const page of ['/docs', '/redoc']) {
      const response = await server.app.request(page);
      assert.equal(response.status, 200);
      const html = await response.text();
      assert.doesNotMatch(html, /https?:\/\//);
      assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'self'/);
      const files = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1]!);
      assert.ok(files.length > 0);
      for (const file of files) {
        const asset = await server.app.request(file);
        assert.equal(asset.status, 200, file);
        await asset.body?.cancel();
      }
    }
    const program = await (await server.app.request('/redoc/assets/redoc.standalone.js')).text();
    assert.ok(!program.includes('cdn.redoc.ly'));
  });

  it('serves only the files of Swagger UI that the page needs', async () => {
    assert.equal((await server.app.request('/docs/assets/package.json')).status, 404);
  });
});

import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AppError } from '../../../src/errors.js';
import { recordingSchema } from '../../../signaling/recording-schemas.js';
import { fakeServer, postJson, type FakeServer } from '../../helpers/fake-ports.js';
import { recordingId } from '../../helpers/fake-recordings.js';

describe('recordings', () => {
  let server: FakeServer;
  beforeEach(async () => {
    server = await fakeServer();
    server.sessions.add('s1');
  });
  afterEach(() => server.close());

  async function ask(
    method: string,
    url: string,
  ): Promise<{ status: number; json: Record<string, unknown> }> {
    const response = await server.app.request(url, { method });
    return { status: response.status, json: (await response.json()) as Record<string, unknown> };
  }

  it('start with nothing asked for, or with limits, and say where they are', async () => {
    const response = await server.app.request('/v1/sessions/s1/recording', { method: 'POST' });
    assert.equal(response.status, 201);
    assert.equal(response.headers.get('location'), `/v1/recordings/${recordingId(1)}`);
    const body = (await response.json()) as object;
    assert.deepEqual(recordingSchema.parse(body), body);
    const limited = postJson({ maxLengthS: 60, maxBytes: 1_000_000 });
    assert.equal((await server.app.request('/v1/sessions/s1/recording', limited)).status, 201);
    assert.deepEqual(server.recordings.asked, [
      { sessionId: 's1' },
      { sessionId: 's1', maxLengthS: 60, maxBytes: 1_000_000 },
    ]);
  });

  it('refuse limits that make no sense, and what the server cannot do', async () => {
    for (const body of [{ maxLengthS: 0 }, { maxBytes: 1 }, { maxLengthS: '1' }, { path: '/etc/passwd' }]) {
      const response = await server.app.request('/v1/sessions/s1/recording', postJson(body));
      assert.equal(response.status, 422, JSON.stringify(body));
    }
    for (const [code, status] of [
      ['recording-exists', 409],
      ['storage-full', 507],
      ['session-not-found', 404],
      ['session-closed', 409],
    ] as const) {
      server.recordings.refusal = new AppError(code, 'no');
      const { status: got, json } = await ask('POST', '/v1/sessions/s1/recording');
      assert.deepEqual([got, json['code']], [status, code]);
    }
  });

  it('are described and stopped at their session, and listed', async () => {
    assert.equal((await ask('GET', '/v1/sessions/s1/recording')).status, 404);
    assert.equal((await ask('DELETE', '/v1/sessions/s1/recording')).status, 404);
    server.recordings.add('s1');
    server.recordings.add('s2', 'recovered');
    assert.equal((await ask('GET', '/v1/sessions/s1/recording')).json['state'], 'recording');
    const stopped = await ask('DELETE', '/v1/sessions/s1/recording');
    assert.deepEqual([stopped.status, stopped.json['state']], [200, 'finished']);
    const { json } = await ask('GET', '/v1/recordings');
    assert.deepEqual(
      (json['recordings'] as { id: string }[]).map(({ id }) => id),
      [recordingId(2), recordingId(1)],
    );
    const one = await ask('GET', '/v1/recordings?session=s2');
    assert.equal((one.json['recordings'] as object[]).length, 1);
    assert.equal((await ask('GET', `/v1/recordings/${recordingId(2)}`)).json['state'], 'recovered');
  });

  it('are found by their ids alone, whatever else is asked for', async () => {
    server.recordings.webmPath = path.join(server.dir, 'secret.txt');
    for (const id of [
      recordingId(9),
      '..',
      '%2e%2e%2fsecret.txt',
      '..%2f..%2fetc%2fpasswd',
      `${recordingId(1)}%00`,
      `${recordingId(1)}.json`,
      recordingId(1).toUpperCase().replace('0', 'A'),
      'a'.repeat(5000),
    ])
      for (const [method, url] of [
        ['GET', `/v1/recordings/${id}`],
        ['GET', `/v1/recordings/${id}/file`],
        ['GET', `/v1/recordings/${id}/file?format=mp4`],
        ['DELETE', `/v1/recordings/${id}`],
      ] as const) {
        const response = await server.app.request(url, { method });
        assert.equal(response.status, 404, `${method} ${url}`);
        assert.ok(!(await response.text()).includes('secret\n'));
      }
    server.recordings.add('s1', 'finished');
    const wrong = await ask('GET', `/v1/recordings/${recordingId(1)}/file?format=exe`);
    assert.equal(wrong.status, 422);
  });

  it('are deleted when they are over', async () => {
    server.recordings.add('s1');
    const url = `/v1/recordings/${recordingId(1)}`;
    assert.deepEqual((await ask('DELETE', url)).json['code'], 'recording-running');
    await server.recordings.stop('s1');
    assert.equal((await server.app.request(url, { method: 'DELETE' })).status, 204);
    assert.equal((await ask('DELETE', url)).status, 404);
  });

  it('are made an MP4 when that is asked for: 202 until it is there', async () => {
    server.recordings.add('s1', 'finished');
    const url = `/v1/recordings/${recordingId(1)}/file?format=mp4`;
    const early = await server.app.request(url);
    assert.deepEqual([early.status, early.headers.get('retry-after')], [202, '2']);
    assert.equal(((await early.json()) as { id: string }).id, recordingId(1));
    server.recordings.mp4Path = path.join(server.dir, 'a.mp4');
    await writeFile(server.recordings.mp4Path, 'film');
    const there = await server.app.request(url);
    assert.deepEqual(
      [there.status, there.headers.get('content-type'), await there.text()],
      [200, 'video/mp4', 'film'],
    );
    server.recordings.add('s2');
    assert.equal((await ask('GET', `/v1/recordings/${recordingId(2)}/file?format=mp4`)).status, 409);
  });

  it('are not for those who may only watch', async () => {
    await server.close();
    server = await fakeServer({ auth: { full: ['full-token-1'], viewer: ['viewer-token-1'] } });
    server.recordings.add('s1', 'finished');
    const urls = [
      ['POST', '/v1/sessions/s1/recording'],
      ['GET', '/v1/sessions/s1/recording'],
      ['DELETE', '/v1/sessions/s1/recording'],
      ['GET', '/v1/recordings'],
      ['GET', `/v1/recordings/${recordingId(1)}`],
      ['GET', `/v1/recordings/${recordingId(1)}/file`],
      ['HEAD', `/v1/recordings/${recordingId(1)}/file`],
      ['DELETE', `/v1/recordings/${recordingId(1)}`],
    ] as const;
    for (const [method, url] of urls) {
      const headers = { Authorization: 'Bearer viewer-token-1' };
      assert.equal((await server.app.request(url, { method, headers })).status, 403, `${method} ${url}`);
      assert.equal((await server.app.request(url, { method })).status, 401, `${method} ${url}`);
    }
    server.recordings.webmPath = path.join(server.dir, 'secret.txt');
    // A link can carry no header.
    const link = await server.app.request(`/v1/recordings/${recordingId(1)}/file?token=full-token-1`);
    assert.equal(link.status, 200);
  });

  describe('their files', () => {
    const SIZE = 3_000_000;
    let url: string;
    let bytes: Buffer;
    beforeEach(async () => {
      server.recordings.add('s1', 'finished');
      url = `/v1/recordings/${recordingId(1)}/file`;
      bytes = Buffer.alloc(
        SIZE,
        Uint8Array.from({ length: 251 }, (_, i) => i),
      );
      server.recordings.webmPath = path.join(server.dir, 'a.webm');
      await writeFile(server.recordings.webmPath, bytes);
    });

    const get = (headers: Record<string, string> = {}, method = 'GET') =>
      server.app.request(url, { method, headers });

    it('come whole', async () => {
      const response = await get();
      assert.equal(response.status, 200);
      const { headers } = response;
      assert.deepEqual(
        ['content-type', 'content-length', 'accept-ranges', 'content-disposition'].map((name) =>
          headers.get(name),
        ),
        ['video/webm', String(SIZE), 'bytes', 'inline; filename="a.webm"'],
      );
      assert.ok(bytes.equals(Buffer.from(await response.arrayBuffer())));
      const head = await get({}, 'HEAD');
      assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(SIZE)]);
      assert.equal(await head.text(), '');
    });

    it('come in any range', async () => {
      for (const [range, from, to] of [
        ['bytes=0-0', 0, 1],
        ['bytes=100-', 100, SIZE],
        ['bytes=65535-65536', 65_535, 65_537],
        ['bytes=-50', SIZE - 50, SIZE],
        ['bytes=-9999999', 0, SIZE],
        [`bytes=2999999-9999999`, SIZE - 1, SIZE],
      ] as const) {
        const response = await get({ Range: range });
        assert.equal(response.status, 206, range);
        assert.equal(response.headers.get('content-range'), `bytes ${from}-${to - 1}/${SIZE}`);
        assert.equal(response.headers.get('content-length'), String(to - from));
        assert.ok(bytes.subarray(from, to).equals(Buffer.from(await response.arrayBuffer())), range);
      }
    });

    it('refuse a range behind the end, and answer what is no range with all', async () => {
      for (const range of [`bytes=${SIZE}-`, 'bytes=-0']) {
        const response = await get({ Range: range });
        assert.deepEqual([response.status, response.headers.get('content-range')], [416, `bytes */${SIZE}`]);
        assert.equal(((await response.json()) as { code: string }).code, 'range-not-satisfiable');
      }
      for (const range of ['bytes=5-1', 'bytes=0-1,5-6', 'lines=1-2', 'bytes=-', 'bytes=x']) {
        const response = await get({ Range: range });
        assert.equal(response.status, 200, range);
        await response.body?.cancel();
      }
    });

    it('are not sent again to who has them, and a part fits only the file it was begun with', async () => {
      const etag = (await get({}, 'HEAD')).headers.get('etag')!;
      assert.equal((await get({ 'If-None-Match': etag })).status, 304);
      const same = await get({ 'If-Range': etag, Range: 'bytes=0-9' });
      assert.equal(same.status, 206);
      await same.body?.cancel();
      const other = await get({ 'If-Range': '"other"', Range: 'bytes=0-9' });
      assert.equal(other.status, 200);
      await other.body?.cancel();
    });

    it('are read to the end by who began before they were deleted', async () => {
      const response = await get();
      const reader = response.body!.getReader();
      const first = await reader.read();
      rmSync(server.recordings.webmPath);
      let got = (first.value as Uint8Array).length;
      for (let next = await reader.read(); !next.done; next = await reader.read())
        got += (next.value as Uint8Array).length;
      assert.equal(got, SIZE);
      await assert.rejects(stat(server.recordings.webmPath));
      assert.equal((await get()).status, 404);
    });
  });
});

import assert from 'node:assert/strict';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { AppError } from '../../../src/errors.js';
import { fakeServer, postJson, type FakeServer } from '../../helpers/fake-ports.js';

describe('/v1/avatars', () => {
  let server: FakeServer;
  beforeEach(async () => void (server = await fakeServer({ maxUploadBytes: 1000, keepAliveMs: 5 })));
  afterEach(() => server.close());

  function form(fields: Record<string, string>, file?: Uint8Array, name = 'face.MP4'): RequestInit {
    const body = new FormData();
    for (const [key, value] of Object.entries(fields)) body.append(key, value);
    if (file) body.append('file', new Blob([Uint8Array.from(file)]), name);
    return { method: 'POST', body };
  }

  async function leftovers(): Promise<string[]> {
    return readdir(server.uploadsDir).catch(() => []);
  }

  async function problem(response: Response, status: number, code: string): Promise<Record<string, unknown>> {
    assert.equal(response.status, status);
    assert.equal(response.headers.get('content-type'), 'application/problem+json');
    const body = (await response.json()) as Record<string, unknown>;
    assert.equal(body['status'], status);
    assert.equal(body['code'], code);
    for (const key of ['title', 'detail', 'instance']) assert.equal(typeof body[key], 'string', key);
    return body;
  }

  it('takes a path and answers 202 with the place', async () => {
    const response = await server.app.request('/v1/avatars', postJson({ id: 'anna', path: 'a.mp4' }));
    assert.equal(response.status, 202);
    assert.equal(response.headers.get('location'), '/v1/avatars/anna');
    assert.equal(((await response.json()) as { id: string }).id, 'anna');
    assert.deepEqual(server.avatars.created, [{ id: 'anna', sourcePath: '/media/a.mp4' }]);
  });

  it('takes a folder too', async () => {
    const response = await server.app.request('/v1/avatars', postJson({ id: 'anna', path: 'frames/' }));
    assert.equal(response.status, 202);
    assert.deepEqual(server.avatars.created, [{ id: 'anna', sourcePath: '/media/frames' }]);
    await problem(
      await server.app.request('/v1/avatars', postJson({ id: 'bo', path: '../frames/' })),
      403,
      'path-outside-roots',
    );
    server.avatars.refusal = new AppError('not-a-file', 'there is no PNG in it');
    await problem(
      await server.app.request('/v1/avatars', postJson({ id: 'bo', path: 'empty/' })),
      400,
      'not-a-file',
    );
  });

  it('takes an upload byte for byte under a name of its own', async () => {
    const bytes = Uint8Array.from({ length: 900 }, (_, i) => (i % 7 === 0 ? 13 : i % 7 === 1 ? 10 : 45));
    const response = await server.app.request('/v1/avatars', form({ id: 'anna' }, bytes, '../../evil.MP4'));
    assert.equal(response.status, 202);
    const [created] = server.avatars.created;
    assert.equal(created?.sourceIsUpload, true);
    assert.equal(path.dirname(created.sourcePath), server.uploadsDir);
    assert.equal(path.extname(created.sourcePath), '.mp4');
    assert.deepEqual(new Uint8Array(await readFile(created.sourcePath)), bytes);
  });

  it('takes face parameters with a path and, as JSON, with an upload', async () => {
    const faceParameters = { parsingMode: 'raw', bboxShiftPx: -3, smoothBoxes: false };
    const body = postJson({ id: 'anna', path: 'a.mp4', faceParameters });
    assert.equal((await server.app.request('/v1/avatars', body)).status, 202);
    const fields = { id: 'bo', faceParameters: JSON.stringify(faceParameters) };
    assert.equal((await server.app.request('/v1/avatars', form(fields, Uint8Array.of(1)))).status, 202);
    assert.equal((await server.app.request('/v1/avatars', form({ id: 'cy' }, Uint8Array.of(1)))).status, 202);
    const created: { id: string; faceParameters?: unknown }[] = server.avatars.created;
    assert.deepEqual(
      created.map((one) => [one.id, one.faceParameters]),
      [
        ['anna', faceParameters],
        ['bo', faceParameters],
        ['cy', undefined],
      ],
    );
  });

  const wrong: [unknown, RegExp][] = [
    ['{"parsingMode":', /faceParameters: must be JSON/],
    ['null', /faceParameters: .*expected object/],
    ['{"mood":"happy"}', /faceParameters: .*"mood"/],
    // The version belongs to the weights that the server has loaded.
    ['{"version":"v1"}', /faceParameters: .*"version"/],
    ['{"bboxShiftPx":"5"}', /faceParameters\.bboxShiftPx: .*expected number/],
    ['{"extraMarginPx":-1}', /faceParameters\.extraMarginPx: /],
  ];
  for (const [given, sentence] of wrong)
    it(`refuses the face parameters ${String(given)}, before it takes the file in`, async () => {
      const body =
        `--x\r\nContent-Disposition: form-data; name="faceParameters"\r\n\r\n${String(given)}\r\n` +
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\nhalf of a file';
      const headers = { 'Content-Type': 'multipart/form-data; boundary=x' };
      const early = await server.app.request('/v1/avatars', { method: 'POST', headers, body });
      const { detail, errors } = await problem(early, 422, 'invalid-argument');
      assert.match(String(detail), sentence);
      assert.deepEqual((errors as { loc: string[] }[])[0]?.loc.slice(0, 2), ['body', 'faceParameters']);
      // A form's fields may also come behind its file.
      const late = new FormData();
      late.append('file', new Blob([Uint8Array.of(1)]), 'a.mp4');
      late.append('id', 'anna');
      late.append('faceParameters', String(given));
      await problem(
        await server.app.request('/v1/avatars', { method: 'POST', body: late }),
        422,
        'invalid-argument',
      );
      assert.deepEqual(server.avatars.created, []);
      assert.deepEqual(await leftovers(), []);
    });

  it('refuses an upload over the limit and leaves nothing on disk', async () => {
    await problem(
      await server.app.request('/v1/avatars', form({ id: 'anna' }, new Uint8Array(1001))),
      413,
      'media-too-large',
    );
    assert.deepEqual(await leftovers(), []);
    assert.deepEqual(server.avatars.created, []);
  });

  it('refuses an empty file, a form without file and a form without id', async () => {
    await problem(
      await server.app.request('/v1/avatars', form({ id: 'anna' }, new Uint8Array(0))),
      400,
      'empty-file',
    );
    await problem(await server.app.request('/v1/avatars', form({ id: 'anna' })), 422, 'invalid-argument');
    await problem(
      await server.app.request('/v1/avatars', form({}, Uint8Array.of(1))),
      422,
      'invalid-argument',
    );
    await problem(
      await server.app.request('/v1/avatars', form({ id: '.hidden' }, Uint8Array.of(1))),
      422,
      'invalid-argument',
    );
    assert.deepEqual(await leftovers(), []);
  });

  it('refuses a bad id before it takes the file in', async () => {
    const body =
      '--x\r\nContent-Disposition: form-data; name="id"\r\n\r\n../up\r\n' +
      '--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\nhalf of a file';
    const headers = { 'Content-Type': 'multipart/form-data; boundary=x' };
    await problem(
      await server.app.request('/v1/avatars', { method: 'POST', headers, body }),
      422,
      'invalid-argument',
    );
  });

  it('deletes the upload if the avatar is refused', async () => {
    server.avatars.add('anna');
    await problem(
      await server.app.request('/v1/avatars', form({ id: 'anna' }, Uint8Array.of(1))),
      409,
      'avatar-exists',
    );
    assert.deepEqual(await leftovers(), []);
  });

  it('refuses a broken multipart body and other media types', async () => {
    const broken = {
      method: 'POST',
      headers: { 'Content-Type': 'multipart/form-data; boundary=x' },
      body: '--x\r\nContent-Dis',
    };
    await problem(await server.app.request('/v1/avatars', broken), 400, 'malformed-multipart');
    const noBoundary = { method: 'POST', headers: { 'Content-Type': 'multipart/form-data' }, body: 'x' };
    await problem(await server.app.request('/v1/avatars', noBoundary), 400, 'malformed-multipart');
    const text = { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: 'x' };
    await problem(await server.app.request('/v1/avatars', text), 415, 'unsupported-media-type');
    assert.deepEqual(await leftovers(), []);
  });

  it('refuses JSON that is broken, too long or invalid', async () => {
    const headers = { 'Content-Type': 'application/json' };
    await problem(
      await server.app.request('/v1/avatars', { method: 'POST', headers, body: '{' }),
      400,
      'malformed-json',
    );
    await problem(
      await server.app.request('/v1/avatars', postJson({ id: 'a', path: 'x'.repeat(1_050_000) })),
      413,
      'media-too-large',
    );
    const body = await problem(
      await server.app.request('/v1/avatars', postJson({ id: 'a b', path: '' })),
      422,
      'invalid-argument',
    );
    assert.equal((body['errors'] as unknown[]).length, 2);
    await problem(
      await server.app.request('/v1/avatars', postJson({ id: 'a', path: '../x' })),
      403,
      'path-outside-roots',
    );
  });

  it('describes, lists and deletes', async () => {
    const info = server.avatars.add('anna');
    assert.deepEqual(await (await server.app.request('/v1/avatars')).json(), { avatars: [info] });
    assert.deepEqual(await (await server.app.request('/v1/avatars/anna')).json(), info);
    const deleted = await server.app.request('/v1/avatars/anna', { method: 'DELETE' });
    assert.equal(deleted.status, 204);
    assert.equal(await deleted.text(), '');
    await problem(
      await server.app.request('/v1/avatars/anna', { method: 'DELETE' }),
      404,
      'avatar-not-found',
    );
    const body = await problem(await server.app.request('/v1/avatars/anna'), 404, 'avatar-not-found');
    assert.equal(body['instance'], '/v1/avatars/anna');
  });

  it('never hands an id to the store that could not be one', async () => {
    server.avatars.get = async () => assert.fail('the port was asked');
    await problem(await server.app.request('/v1/avatars/..%2fsecret'), 404, 'avatar-not-found');
    await problem(await server.app.request(`/v1/avatars/${'a'.repeat(65)}/events`), 404, 'avatar-not-found');
  });

  it('shows a preview', async () => {
    server.avatars.add('anna');
    server.avatars.add('busy', 'preparing');
    const file = path.join(server.dir, 'preview.jpg');
    await writeFile(file, Uint8Array.of(0xff, 0xd8));
    server.avatars.previews.set('anna', file);
    const response = await server.app.request('/v1/avatars/anna/preview.jpg');
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'image/jpeg');
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), Uint8Array.of(0xff, 0xd8));
    await problem(await server.app.request('/v1/avatars/busy/preview.jpg'), 409, 'avatar-not-ready');
    server.avatars.previews.clear();
    await problem(await server.app.request('/v1/avatars/anna/preview.jpg'), 404, 'file-not-found');
  });

  it('follows the preparation until it ends, with comments in the pauses', async () => {
    server.avatars.add('anna', 'preparing');
    const response = await server.app.request('/v1/avatars/anna/events');
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
    let text = '';
    for await (const chunk of response.body!) {
      text += Buffer.from(chunk).toString();
      if (text.includes(': still here') && !text.includes('"progress":0.5'))
        server.avatars.change('anna', { progress: 0.5 });
      else if (text.includes('"progress":0.5') && !text.includes('ready'))
        server.avatars.change('anna', { progress: 1, state: 'ready' });
    }
    const events = [...text.matchAll(/event: progress\ndata: (.*)\n\n/g)].map(
      (match) => JSON.parse(match[1]!) as { progress: number; state: string },
    );
    assert.deepEqual(
      events.map((one) => one.progress),
      [0, 0.5, 1],
    );
    assert.equal(events.at(-1)?.state, 'ready');
    assert.equal(server.avatars.listenerCount('anna'), 0);
  });

  it('ends the events at once for an avatar that has failed, and refuses an unknown one', async () => {
    server.avatars.add('wall', 'failed');
    const text = await (await server.app.request('/v1/avatars/wall/events')).text();
    assert.match(text, /"state":"failed"/);
    await problem(await server.app.request('/v1/avatars/nobody/events'), 404, 'avatar-not-found');
  });

  it('does not delete an avatar in use', async () => {
    server.avatars.delete = async () => {
      throw new AppError('avatar-in-use', 'a session uses it');
    };
    await problem(await server.app.request('/v1/avatars/anna', { method: 'DELETE' }), 409, 'avatar-in-use');
  });
});

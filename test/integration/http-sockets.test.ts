import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { listen, type Listening } from '../../signaling/server.js';
import { BoundedQueue } from '../../src/lib/bounded-queue.js';
import { deferred } from '../helpers/deferred.js';
import { fakeServer, postJson, type FakeServer } from '../helpers/fake-ports.js';

const DEADLINE_MS = 5_000;
const MAX_UPLOAD_BYTES = 3_000_000;

/** Every wait has a deadline and a name, so that a hang says where. */
function within<T>(label: string, promise: Promise<T>): Promise<T> {
  const late = deferred<T>();
  const timer = setTimeout(() => late.reject(new Error(`waited too long: ${label}`)), DEADLINE_MS);
  return Promise.race([promise, late.promise]).finally(() => clearTimeout(timer));
}

describe('HTTP over real sockets', () => {
  let fake: FakeServer;
  let server: Listening;

  beforeEach(async () => {
    fake = await fakeServer({ maxUploadBytes: MAX_UPLOAD_BYTES, keepAliveMs: 20 });
    server = await listen(fake.app, { host: '127.0.0.1', port: 0, drainMs: 200 });
  });
  afterEach(async () => {
    await server.close();
    await fake.close();
  });

  async function open(path: string): Promise<{ req: ClientRequest; response: IncomingMessage }> {
    const req = request(`${server.url}${path}`);
    req.on('error', () => {});
    req.end();
    const [response] = (await within(path, once(req, 'response'))) as [IncomingMessage];
    return { req, response };
  }

  it('says where it listens and frees the port when closed twice', async () => {
    assert.equal(server.url, `http://127.0.0.1:${server.port}`);
    assert.equal((await fetch(`${server.url}/api/health`)).status, 200);
    await Promise.all([server.close(), server.close()]);
    await assert.rejects(fetch(`${server.url}/api/health`));
    const again = await listen(fake.app, { host: '127.0.0.1', port: server.port });
    await again.close();
  });

  it('refuses a port that is taken', async () => {
    await assert.rejects(listen(fake.app, { host: '127.0.0.1', port: server.port }), { code: 'EADDRINUSE' });
  });

  it('stops drawing when an MJPEG client goes away', async () => {
    const stopped = deferred<void>();
    fake.sessions.add('s1');
    fake.sessions.pictures = async function* (signal) {
      try {
        while (!signal.aborted) {
          yield new Uint8Array(2000);
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        stopped.resolve();
      }
    };
    const { req, response } = await open('/api/stream/s1');
    assert.equal(response.headers['content-type'], 'multipart/x-mixed-replace; boundary=frame');
    await within('first part', once(response, 'data'));
    req.destroy();
    await within('the pictures to stop', stopped.promise);
  });

  it('wakes a picture source that is waiting when the client goes away', async () => {
    const stopped = deferred<void>();
    fake.sessions.add('s1');
    fake.sessions.pictures = async function* (signal) {
      yield new Uint8Array(10);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      stopped.resolve();
    };
    const { req, response } = await open('/api/stream/s1');
    await within('first part', once(response, 'data'));
    req.destroy();
    await within('the source to be told', stopped.promise);
  });

  it('takes no picture that a stalled MJPEG client has no room for', async () => {
    const queue = new BoundedQueue<Uint8Array>(30);
    let taken = 0;
    fake.sessions.add('s1');
    fake.sessions.pictures = async function* (signal) {
      while (!signal.aborted) {
        const picture = queue.shift();
        if (picture) {
          taken += 1;
          yield picture;
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.pause();
    socket.write('GET /api/stream/s1 HTTP/1.1\r\nHost: x\r\n\r\n');
    // 300 pictures of 1 MB: far more than all socket buffers together.
    for (let drawn = 0; drawn < 300; drawn += 1) {
      queue.push(new Uint8Array(1_000_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(taken < 100, `${taken} of 300 pictures were taken`);
    assert.ok(queue.dropped > 0);
    socket.destroy();
  });

  it('ends the stream when the session ends', async () => {
    fake.sessions.add('s1');
    const response = await fetch(`${server.url}/api/stream/s1`);
    const text = Buffer.from(await within('the end', response.arrayBuffer())).toString('latin1');
    assert.equal(text.split('--frame\r\n').length - 1, 2);
    assert.ok(text.endsWith('--frame--\r\n'));
  });

  it('keeps preparing when the legacy client hangs up', async () => {
    fake.avatars.prepareAtOnce = false;
    const controller = new AbortController();
    const pending = fetch(`${server.url}/api/avatar/create`, {
      ...postJson({ avatar_id: 'anna', video_path: 'a.mp4' }),
      signal: controller.signal,
    });
    await within('the server to wait', fake.avatars.awaited.promise);
    assert.equal(fake.avatars.listenerCount('anna'), 1);
    controller.abort();
    await assert.rejects(pending);
    await within(
      'the waiting to end',
      until(() => fake.avatars.listenerCount('anna') === 0),
    );
    assert.equal((await fake.avatars.get('anna')).state, 'preparing');
  });

  it('ends the subscription when an event client goes away', async () => {
    fake.avatars.add('anna', 'preparing');
    const { req, response } = await open('/v1/avatars/anna/events');
    response.setEncoding('utf8');
    let text = '';
    response.on('data', (chunk: string) => (text += chunk));
    response.on('error', () => {});
    await within(
      'a keep-alive',
      until(() => text.includes(': still here')),
    );
    fake.avatars.change('anna', { progress: 0.25 });
    await within(
      'progress',
      until(() => text.includes('"progress":0.25')),
    );
    req.destroy();
    await within(
      'the subscription to end',
      until(() => fake.avatars.listenerCount('anna') === 0),
    );
  });

  it('takes a large upload and leaves nothing of one that is too large', async () => {
    const upload = (sizeBytes: number): Promise<Response> => {
      const body = new FormData();
      body.append('id', `a${sizeBytes}`);
      body.append('file', new Blob([new Uint8Array(sizeBytes)]), 'a.mp4');
      return fetch(`${server.url}/v1/avatars`, { method: 'POST', body });
    };
    assert.equal((await upload(MAX_UPLOAD_BYTES)).status, 202);
    assert.equal((await readdir(fake.uploadsDir)).length, 1);
    assert.equal((await upload(MAX_UPLOAD_BYTES + 1)).status, 413);
    assert.equal((await readdir(fake.uploadsDir)).length, 1);
  });

  it('cuts an upload without a declared size at the limit', async () => {
    fake.sessions.add('s1');
    const req = request(`${server.url}/v1/sessions/s1/utterances`, {
      method: 'POST',
      headers: { 'Content-Type': 'audio/wav', 'Transfer-Encoding': 'chunked' },
    });
    req.on('error', () => {});
    const answered = once(req, 'response') as Promise<[IncomingMessage]>;
    for (let sent = 0; sent <= MAX_UPLOAD_BYTES; sent += 500_000) req.write(Buffer.alloc(500_000));
    req.end();
    const [response] = await within('the refusal', answered);
    assert.equal(response.statusCode, 413);
    response.resume();
    assert.deepEqual(await readdir(fake.uploadsDir), []);
  });

  it('deletes half an upload when the client goes away', async () => {
    fake.sessions.add('s1');
    const req = request(`${server.url}/v1/sessions/s1/utterances`, {
      method: 'POST',
      headers: { 'Content-Type': 'audio/wav', 'Content-Length': '1000000' },
    });
    req.on('error', () => {});
    req.write(Buffer.alloc(100_000));
    await within(
      'the file to be there',
      until(async () => (await uploads()).length === 1),
    );
    req.destroy();
    await within(
      'the file to be gone',
      until(async () => (await uploads()).length === 0),
    );
    assert.deepEqual(fake.sessions.said, []);
  });

  it('cuts endless streams when it closes', async () => {
    fake.sessions.add('s1');
    const stopped = deferred<void>();
    fake.sessions.pictures = async function* (signal) {
      yield new Uint8Array(10);
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      stopped.resolve();
    };
    const { response } = await open('/api/stream/s1');
    response.on('error', () => {});
    await within('first part', once(response, 'data'));
    await within('the server to close', server.close());
    await within('the pictures to stop', stopped.promise);
  });

  it('sends a large file whole', async () => {
    const response = await fetch(`${server.url}/assets/ffmpeg/esm/ffmpeg-core.wasm`);
    const bytes = await within('the file', response.arrayBuffer());
    assert.equal(bytes.byteLength, Number(response.headers.get('content-length')));
    assert.equal(Buffer.from(bytes, 0, 4).toString('latin1'), '\0asm');
  });

  const noProc = !existsSync('/proc/self/fd') && 'open files are not told here';
  it(
    'closes the file of a download that is cut, and sends on one that is deleted',
    { skip: noProc },
    async () => {
      const { id } = fake.recordings.add('s1', 'finished');
      const file = path.join(fake.dir, 'film.webm');
      fake.recordings.webmPath = file;
      await writeFile(file, Buffer.alloc(30_000_000, 7));
      const cut = await open(`/v1/recordings/${id}/file`);
      await within('its first bytes', once(cut.response, 'data'));
      const kept = await open(`/v1/recordings/${id}/file`);
      await within('its first bytes', once(kept.response, 'readable'));
      assert.equal(await openTimes(file), 2);
      cut.response.on('error', () => {});
      cut.req.destroy();
      await within(
        'the file to be closed',
        until(async () => (await openTimes(file)) === 1),
      );
      await rm(file);
      let gotBytes = 0;
      for await (const bytes of kept.response) gotBytes += (bytes as Buffer).length;
      assert.equal(gotBytes, 30_000_000);
      await within(
        'the other to be closed',
        until(async () => (await openTimes(file)) === 0),
      );
    },
  );

  async function uploads(): Promise<string[]> {
    return readdir(fake.uploadsDir).catch(() => []);
  }
});

/** How often this process has it open; a deleted file is listed with a note behind its name. */
async function openTimes(file: string): Promise<number> {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
  return (await Promise.all(links)).filter((target) => target.startsWith(file)).length;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

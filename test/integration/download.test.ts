import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { downloadFile, type DownloadOptions } from '../../src/adapters/download/download.js';
import type { TransferProgress } from '../../src/adapters/download/meter.js';
import { isAppError, type ErrorCode } from '../../src/errors.js';
import { askedRange, noise, serve, startServer, type Handler } from '../helpers/file-server.js';
import { temporaryFolder } from '../helpers/media.js';

/** The downloader against a server that does everything wrong that a server can do. */

const KB = 1024;
const BYTES = noise(300 * KB);
const SHA256 = sha256(BYTES);
/** Short pauses, and pieces small enough for several of them. */
const LIMITS = { pieceBytes: 40 * KB, pauseMs: 1, tries: 4, idleLimitMs: 5000 };
/** The first question of every download. */
const PROBE_END = 512;

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function setUp(t: TestContext, handler: Handler) {
  const folder = await temporaryFolder(t);
  const base = await startServer(t, handler);
  const file = path.join(folder, 'deep', 'unet.onnx');
  const get = (options: Partial<DownloadOptions> = {}) =>
    downloadFile({
      urls: [`${base}/unet.onnx`],
      path: file,
      sha256: SHA256,
      ...options,
      limits: { ...LIMITS, ...options.limits },
    });
  const left = async () => (await readdir(path.dirname(file)).catch(() => [])).sort();
  return { base, file, get, left };
}

function refused(code: ErrorCode, words: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(isAppError(error, code), `${String(error)} is ${code}`);
    assert.match(error.message, words);
    return true;
  };
}

const isProbe = (request: IncomingMessage): boolean => askedRange(request)?.[1] === PROBE_END;

test('a whole file arrives in parallel ranges, in order, under its name only at the end', async (t) => {
  const asked: (readonly [number, number])[] = [];
  const held: (() => void)[] = [];
  let atOnce = 0;
  const { get, file, left } = await setUp(t, (request, response) => {
    const range = askedRange(request);
    assert.ok(range);
    if (isProbe(request)) return serve(request, response, BYTES);
    asked.push(range);
    // Nothing is answered until four questions lie here: only a client that asks for four at once gets on.
    held.push(() => serve(request, response, BYTES));
    atOnce = Math.max(atOnce, held.length);
    if (held.length === 4 || asked.length > 4) for (const answer of held.splice(0).reverse()) answer();
  });
  const progress: TransferProgress[] = [];
  const got = await get({ onProgress: (now) => progress.push(now) });
  assert.deepEqual(got, { path: file, sizeBytes: BYTES.length, sha256: SHA256, checkedAgainst: 'manifest' });
  assert.ok((await readFile(file)).equals(BYTES));
  assert.deepEqual(await left(), ['unet.onnx']);
  assert.equal(atOnce, 4);
  assert.deepEqual(
    asked.toSorted((a, b) => a[0] - b[0]),
    Array.from({ length: 8 }, (_, i) => [i * 40 * KB, Math.min((i + 1) * 40 * KB, BYTES.length)]),
  );
  assert.equal(progress.at(-1)?.receivedBytes, BYTES.length);
  assert.equal(progress.at(-1)?.totalBytes, BYTES.length);
});

test('a line that breaks again and again is taken up where it broke', async (t) => {
  let sent = 0;
  const { get, file } = await setUp(t, (request, response) => {
    const [start, end] = askedRange(request) ?? [0, 0];
    const breakAfter = isProbe(request) ? undefined : 15 * KB;
    sent += Math.min(end - start, breakAfter ?? end);
    serve(request, response, BYTES, { breakAfter });
  });
  await get();
  assert.ok((await readFile(file)).equals(BYTES));
  // Two breaks in each piece; had a piece begun anew, more would have been sent. Lost in the broken sockets: nothing.
  assert.ok(sent <= BYTES.length + PROBE_END, `${sent} bytes sent`);
});

test('a broken line that never gets on ends in one sentence and leaves a part to go on with', async (t) => {
  let broken = true;
  const starts: number[] = [];
  const { get, file, left } = await setUp(t, (request, response) => {
    const [start] = askedRange(request) ?? [0];
    if (!isProbe(request)) starts.push(start);
    if (broken && start >= 80 * KB) response.destroy();
    else serve(request, response, BYTES);
  });
  await assert.rejects(get(), refused('timeout', /failed 4 times in a row.*run the same command again/));
  assert.deepEqual(await left(), ['unet.onnx.part', 'unet.onnx.part.json']);
  broken = false;
  starts.length = 0;
  await get();
  assert.ok((await readFile(file)).equals(BYTES));
  assert.ok(!starts.includes(0) && !starts.includes(40 * KB), `asked again from ${starts.join(', ')}`);
  assert.deepEqual(await left(), ['unet.onnx']);
});

test('aborting leaves a part to go on with, and rejects with the reason', async (t) => {
  const abort = new AbortController();
  const starts: number[] = [];
  let open = false;
  const { get, file, left } = await setUp(t, (request, response) => {
    const [start] = askedRange(request) ?? [0];
    if (!isProbe(request)) starts.push(start);
    if (open || start < 160 * KB) return serve(request, response, BYTES);
    response.writeHead(206, {
      etag: '"v1"',
      'content-range': `bytes ${start}-${start + 40 * KB - 1}/${BYTES.length}`,
      'content-length': 40 * KB,
    });
    let at = start;
    const drip = setInterval(() => response.write(BYTES.subarray(at, (at += KB))), 20);
    response.once('close', () => clearInterval(drip));
  });
  const reason = new Error('enough');
  await assert.rejects(
    get({
      signal: abort.signal,
      // Four pieces and something of the fifth.
      onProgress: ({ receivedBytes }) => {
        if (receivedBytes > 160 * KB) abort.abort(reason);
      },
      limits: { connections: 1 },
    }),
    (error) => error === reason,
  );
  const { done } = JSON.parse(await readFile(`${file}.part.json`, 'utf8')) as { done: number[] };
  assert.deepEqual(done.slice(0, 4), Array<number>(4).fill(40 * KB));
  assert.ok(done[4]! > 0 && done[4]! < 40 * KB, `${done[4]} bytes of the fifth piece`);
  open = true;
  starts.length = 0;
  await get();
  assert.deepEqual(starts.toSorted((a, b) => a - b)[0], 160 * KB + done[4]!);
  assert.ok((await readFile(file)).equals(BYTES));
  assert.deepEqual(await left(), ['unet.onnx']);
});

test('a part of another version is thrown away', async (t) => {
  let served = noise(BYTES.length, 2);
  let etag = '"v1"';
  let broken = true;
  const { get, file } = await setUp(t, (request, response) => {
    if (broken && (askedRange(request)?.[0] ?? 0) >= 120 * KB) response.destroy();
    else serve(request, response, served, { etag });
  });
  await assert.rejects(get(), refused('timeout', /failed 4 times/));
  assert.ok(existsSync(`${file}.part.json`));
  [served, etag, broken] = [BYTES, '"v2"', false];
  await get();
  assert.ok((await readFile(file)).equals(BYTES));
});

for (const [title, first, second] of [
  ['by the whole file in answer to If-Range', '"v1"', '"v2"'],
  ['by its weak mark, which is no If-Range', 'W/"v1"', 'W/"v2"'],
] as const)
  test(`a file that changes while it is read is begun again, known ${title}`, async (t) => {
    let questions = 0;
    const { get, file } = await setUp(t, (request, response) => {
      questions += 1;
      if (questions <= 4) serve(request, response, noise(BYTES.length, 3), { etag: first });
      else serve(request, response, BYTES, { etag: second });
    });
    // Several rounds: fetch's reads that are under way at an abort may hang, but not each time.
    for (let round = 0; round < 15; round += 1) {
      questions = 0;
      await get();
      assert.ok((await readFile(file)).equals(BYTES));
    }
  });

test('a file that never stops changing is given up', async (t) => {
  let version = 0;
  const { get, left } = await setUp(t, (request, response) => {
    serve(request, response, BYTES, { etag: `"v${(version += 1)}"` });
  });
  await assert.rejects(get(), refused('model-invalid', /changed 3 times while it was read/));
  assert.deepEqual(await left(), []);
});

test('without ranges the file comes in one stream, and from the start again after a break', async (t) => {
  let questions = 0;
  const { get, file, left } = await setUp(t, (request, response) => {
    questions += 1;
    serve(request, response, BYTES, {
      ranges: false,
      breakAfter: questions < 3 ? 100 * KB : undefined,
    });
  });
  await get();
  assert.equal(questions, 3);
  assert.ok((await readFile(file)).equals(BYTES));
  assert.deepEqual(await left(), ['unet.onnx']);
});

test('without ranges nothing is left after a failure', async (t) => {
  const { get, left } = await setUp(t, (request, response) =>
    serve(request, response, BYTES, { ranges: false, breakAfter: 100 * KB }),
  );
  await assert.rejects(get(), refused('timeout', /failed 4 times/));
  assert.deepEqual(await left(), []);
});

test('neither ranges nor a length: the end of the stream is the end of the file', async (t) => {
  const { get, file } = await setUp(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.write(BYTES.subarray(0, 1000));
    response.end(BYTES.subarray(1000));
  });
  const progress: TransferProgress[] = [];
  await get({ onProgress: (now) => progress.push(now) });
  assert.ok((await readFile(file)).equals(BYTES));
  assert.equal(progress.at(-1)?.totalBytes, undefined);
});

test('a file that got shorter between two tries keeps nothing of the first', async (t) => {
  let questions = 0;
  const short = BYTES.subarray(0, 50 * KB);
  const { get, file } = await setUp(t, (_request, response) => {
    questions += 1;
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    if (questions > 1) response.end(short);
    else response.write(BYTES, () => setImmediate(() => response.destroy()));
  });
  const got = await get({ sha256: undefined });
  assert.equal(questions, 2);
  assert.equal(got.sizeBytes, short.length);
  assert.ok((await readFile(file)).equals(short));
});

test('another length than the manifest has is refused before anything is fetched', async (t) => {
  let questions = 0;
  const { get, left } = await setUp(t, (request, response) => {
    questions += 1;
    serve(request, response, BYTES);
  });
  for (const sizeBytes of [BYTES.length - 1, BYTES.length + 1])
    await assert.rejects(
      get({ sizeBytes }),
      refused('model-invalid', new RegExp(`has ${BYTES.length} bytes, .*must have ${sizeBytes};`)),
    );
  assert.equal(questions, 2);
  assert.deepEqual(await left(), []);
});

test('a server that promises more than it has is found out', async (t) => {
  const { get, left } = await setUp(t, (request, response) => {
    const [start, end] = askedRange(request) ?? [0, 0];
    const body = BYTES.subarray(start, Math.min(end, 100 * KB));
    const headers = { etag: '"v1"', 'content-range': `bytes ${start}-${end - 1}/${BYTES.length}` };
    response.writeHead(206, { ...headers, 'content-length': body.length }).end(body);
  });
  await assert.rejects(get(), refused('timeout', /failed 4 times in a row.*it sent nothing of the range/));
  assert.deepEqual(await left(), ['unet.onnx.part', 'unet.onnx.part.json']);
});

test('a stream that ends early, with the length it promised, is found out by the manifest', async (t) => {
  const { get } = await setUp(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.end(BYTES.subarray(0, 1000));
  });
  await assert.rejects(
    get({ sizeBytes: BYTES.length }),
    refused('timeout', /it ended after 1000 of 307200 bytes/),
  );
});

test('a stream that goes on past the promised length is cut off', async (t) => {
  const { get, left } = await setUp(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.write(BYTES);
    response.end('more');
  });
  await assert.rejects(
    get({ sizeBytes: BYTES.length }),
    refused('model-invalid', /sent more than the 307200 bytes/),
  );
  await assert.rejects(
    get({ limits: { maxBytes: 200 * KB } }),
    refused('model-invalid', /sent more than the 204800 bytes/),
  );
  assert.deepEqual(await left(), []);
});

test('another range than the one asked for is refused', async (t) => {
  const { get } = await setUp(t, (request, response) => {
    if (!isProbe(request)) request.headers.range = 'bytes=7-1006';
    serve(request, response, BYTES);
  });
  await assert.rejects(
    get(),
    refused('not-supported', /sent the bytes from 7 when those from \d+ were asked/),
  );
});

test('a range longer than the one asked for is refused', async (t) => {
  const { get } = await setUp(t, (request, response) => {
    const [start] = askedRange(request) ?? [0];
    if (!isProbe(request)) request.headers.range = `bytes=${start}-`;
    serve(request, response, BYTES);
  });
  await assert.rejects(get(), refused('not-supported', /more bytes than it was asked for/));
});

test('a size beyond reason is refused', async (t) => {
  const { get } = await setUp(t, (request, response) => serve(request, response, BYTES));
  await assert.rejects(
    get({ limits: { maxBytes: 1000 } }),
    refused('model-invalid', /claims 307 kB, more than the limit of 1.0 kB/),
  );
});

test('wrong bytes are put aside as .bad, and the next call begins anew', async (t) => {
  let served: Buffer = Buffer.from(BYTES);
  served[200 * KB]! ^= 1;
  const { get, file, left } = await setUp(t, (request, response) => serve(request, response, served));
  await assert.rejects(
    get(),
    refused('model-invalid', new RegExp(`sha256 [0-9a-f]{64}, not ${SHA256}.*kept as .*unet.onnx.bad`)),
  );
  assert.deepEqual(await left(), ['unet.onnx.bad']);
  served = BYTES;
  await get();
  assert.ok((await readFile(file)).equals(BYTES));
});

test("without a checksum in the manifest the hub's own is held against the file", async (t) => {
  const store = await startServer(t, (request, response) => {
    response.setHeader('x-linked-etag', `"${'0'.repeat(64)}"`); // Not the hub: not believed.
    serve(request, response, BYTES);
  });
  let linked = SHA256;
  const { get } = await setUp(t, (_request, response) => {
    response.writeHead(302, { location: `${store}/blob`, 'x-linked-etag': `"${linked}"` }).end();
  });
  assert.equal((await get({ sha256: undefined })).checkedAgainst, 'server');
  linked = sha256(Buffer.from('other'));
  await assert.rejects(get({ sha256: undefined }), refused('model-invalid', /other contents than expected/));
});

test('no checksum anywhere: the file arrives, and its checksum is told', async (t) => {
  const { get } = await setUp(t, (request, response) => serve(request, response, BYTES));
  const got = await get({ sha256: undefined });
  assert.deepEqual([got.sha256, got.checkedAgainst], [SHA256, 'nothing']);
});

for (const [title, answer, words] of [
  ['by its type', { 'content-type': 'text/html; charset=utf-8' }, /web page instead of the file/],
  ['by its first bytes', { 'content-type': 'application/octet-stream' }, /web page instead of the file/],
] as const)
  test(`a login page instead of the file is known ${title}`, async (t) => {
    const page = Buffer.from(`\n<!DOCTYPE html><title>Sign in</title>${'x'.repeat(2000)}`);
    const { get, left } = await setUp(t, (_request, response) => response.writeHead(200, answer).end(page));
    await assert.rejects(get(), refused('model-invalid', words));
    const ranged = await setUp(t, (request, response) => serve(request, response, page));
    await assert.rejects(ranged.get(), refused('model-invalid', words));
    assert.deepEqual(await left(), []);
  });

test('a Git LFS pointer, an XML error and an empty file are no models', async (t) => {
  let body = Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n');
  const { get } = await setUp(t, (request, response) => serve(request, response, body));
  await assert.rejects(get(), refused('model-invalid', /Git LFS pointer/));
  body = Buffer.from('<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>');
  await assert.rejects(get(), refused('model-invalid', /XML message/));
  body = Buffer.alloc(0);
  await assert.rejects(get(), refused('model-invalid', /is an empty file/));
});

for (const [status, token, code, words] of [
  [401, undefined, 'invalid-argument', /answered 401: it asks for a token \(set MUSECAST_HF_TOKEN/],
  [403, 'secret', 'invalid-argument', /answered 403: the token in MUSECAST_HF_TOKEN or HF_TOKEN is not/],
  [404, undefined, 'file-not-found', /http:\/\/127.*\/unet.onnx answered 404/],
  [400, undefined, 'not-supported', /answered 400/],
] as const)
  test(`status ${status} is final: one question, one sentence`, async (t) => {
    let questions = 0;
    const { get } = await setUp(t, (_request, response) => {
      questions += 1;
      response.writeHead(status).end();
    });
    await assert.rejects(get({ token }), (error) => {
      assert.ok(!String(error).includes('secret'), 'the token is told to nobody');
      return refused(code, words)(error);
    });
    assert.equal(questions, 1);
  });

test('429 and 503 are waited out as long as Retry-After says', async (t) => {
  const answers = [429, 503, 429];
  let firstMs = 0;
  let servedMs = 0;
  const { get } = await setUp(t, (request, response) => {
    firstMs ||= performance.now();
    const status = answers.shift();
    if (status !== undefined) response.writeHead(status, { 'retry-after': status === 429 ? '1' : '0' }).end();
    else {
      servedMs ||= performance.now();
      serve(request, response, BYTES);
    }
  });
  await get();
  assert.ok(servedMs - firstMs >= 1990, `${servedMs - firstMs} ms`);
});

test('a server that stays busy, or asks for a long wait, is given up', async (t) => {
  let retryAfter: string | undefined;
  const { get } = await setUp(t, (_request, response) => {
    response.writeHead(503, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end();
  });
  await assert.rejects(get(), refused('no-capacity', /failed 4 times in a row.*it answered 503/));
  retryAfter = '3600';
  await assert.rejects(get(), refused('no-capacity', /answered 503 and asks to come back in 3600 s/));
  retryAfter = new Date(Date.now() + 3_600_000).toUTCString();
  await assert.rejects(get(), refused('no-capacity', /asks to come back in 3\d\d\d s/));
});

test('the token goes to the host that was named, and to no host that it redirects to', async (t) => {
  const tokens: Record<string, Set<string | undefined>> = { hub: new Set(), store: new Set() };
  const store = await startServer(t, (request, response) => {
    tokens['store']!.add(request.headers.authorization);
    serve(request, response, BYTES);
  });
  const { get, file } = await setUp(t, (request, response) => {
    tokens['hub']!.add(request.headers.authorization);
    const target = request.url === '/unet.onnx' ? '/again' : `${store}/blob`;
    response.writeHead(307, { location: target }).end();
  });
  await get({ token: 'secret' });
  assert.ok((await readFile(file)).equals(BYTES));
  assert.deepEqual([...tokens['hub']!], ['Bearer secret']);
  assert.deepEqual([...tokens['store']!], [undefined]);
});

test(
  'the token is not sent unencrypted to another machine, and the refusal says so',
  { skip: process.platform === 'linux' ? false : 'needs 0.0.0.0 to be this machine' },
  async (t) => {
    const tokens = new Set<string | undefined>();
    const { base, get } = await setUp(t, (request, response) => {
      tokens.add(request.headers.authorization);
      response.writeHead(401).end();
    });
    // Reaches this machine under an address that does not say so.
    const urls = [base.replace('127.0.0.1', '0.0.0.0')];
    await assert.rejects(
      get({ urls, token: 'secret' }),
      refused('invalid-argument', /a token, which is not sent unencrypted; use its https address/),
    );
    assert.deepEqual([...tokens], [undefined]);
  },
);

test('redirects that lead nowhere are refused', async (t) => {
  let location = '/unet.onnx';
  const { get } = await setUp(t, (_request, response) => response.writeHead(302, { location }).end());
  await assert.rejects(get(), refused('not-supported', /redirects more than 8 times/));
  location = 'file:///etc/passwd';
  await assert.rejects(get(), refused('not-supported', /redirects from http:\/\/ to file:\/\//));
});

for (const [title, drip] of [
  ['sends nothing at all', undefined],
  ['sends a byte now and then', 5],
] as const)
  test(`a server that ${title} is given up`, async (t) => {
    const { get } = await setUp(t, (request, response: ServerResponse) => {
      if (isProbe(request)) return serve(request, response, BYTES);
      const [start, end] = askedRange(request) ?? [0, 0];
      response.writeHead(206, {
        etag: '"v1"',
        'content-range': `bytes ${start}-${end - 1}/${BYTES.length}`,
        'content-length': end - start,
      });
      response.flushHeaders();
      if (drip === undefined) return;
      const timer = setInterval(() => response.write('x'), drip);
      response.once('close', () => clearInterval(timer));
    });
    const limits = { idleLimitMs: 100, tries: 2, connections: 1 };
    await assert.rejects(get({ limits }), refused('timeout', /it sent less than 16384 bytes in 0.1 s/));
  });

test('a server that does not even answer is given up', async (t) => {
  const { get } = await setUp(t, () => {});
  await assert.rejects(
    get({ limits: { idleLimitMs: 50, tries: 2 } }),
    refused('timeout', /it sent less than/),
  );
});

test('a port where nobody listens: tried again, then one sentence', async (t) => {
  const { get } = await setUp(t, () => {});
  await assert.rejects(
    get({ urls: ['http://127.0.0.1:9/x'] }),
    refused('timeout', /http:\/\/127.0.0.1:9\/x failed 4 times in a row.*the connection broke/),
  );
});

test('a disk without room is noticed before anything is fetched, counting what is there already', async (t) => {
  let freeBytes = 64 * KB * KB + BYTES.length - 1;
  let questions = 0;
  let broken = false;
  const { get, left } = await setUp(t, (request, response) => {
    questions += 1;
    if (broken && (askedRange(request)?.[0] ?? 0) >= 40 * KB) response.destroy();
    else serve(request, response, BYTES);
  });
  const statFs = () => Promise.resolve({ bavail: freeBytes, bsize: 1 });
  await assert.rejects(get({ statFs }), refused('no-capacity', /needs 307 kB more in .*67.4 MB are free/));
  assert.equal(questions, 1);
  assert.deepEqual(await left(), []);
  freeBytes += 1;
  broken = true;
  await assert.rejects(get({ statFs }), refused('timeout', /failed/));
  freeBytes -= 40 * KB;
  broken = false;
  await get({ statFs });
});

test('the next address is asked when one has no such file; a fault elsewhere is final', async (t) => {
  const { base, get, file } = await setUp(t, (request, response) => {
    if (request.url === '/unet.onnx') serve(request, response, BYTES);
    else response.writeHead(request.url === '/none' ? 404 : 403).end();
  });
  await get({ urls: [`${base}/none`, `${base}/unet.onnx`] });
  assert.ok((await readFile(file)).equals(BYTES));
  await assert.rejects(
    get({ urls: [`${base}/forbidden`, `${base}/unet.onnx`] }),
    refused('invalid-argument', /forbidden answered 403/),
  );
  await assert.rejects(
    get({ urls: [`${base}/none`, 'file:///nowhere/unet.onnx'] }),
    refused('file-not-found', /\/none answered 404.*; file:\/\/\/nowhere\/unet.onnx/),
  );
});

test('file addresses are copied and checked; other schemes are refused', async (t) => {
  const { get, file } = await setUp(t, () => assert.fail('nobody is asked'));
  const folder = await temporaryFolder(t);
  const from = path.join(folder, 'a b.onnx');
  await writeFile(from, BYTES);
  await get({ urls: [pathToFileURL(from).href] });
  assert.ok((await readFile(file)).equals(BYTES));
  await writeFile(from, BYTES.subarray(1));
  await assert.rejects(get({ urls: [pathToFileURL(from).href] }), refused('model-invalid', /other contents/));
  assert.equal((await stat(file)).size, BYTES.length);
  await assert.rejects(
    get({ urls: ['ftp://host/x'] }),
    refused('invalid-argument', /not an http, https or file/),
  );
});

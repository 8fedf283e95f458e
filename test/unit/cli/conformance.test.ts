import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { listen } from '../../../signaling/server.js';
import type { AppOptions } from '../../../signaling/app.js';
import { whepMatrix } from '../../../src/cli/conformance/whep-matrix.js';
import type { Rows, Verdict } from '../../../src/cli/conformance/rows.js';
import { AppError } from '../../../src/errors.js';
import { ANSWER, fakeServer, type FakeServer } from '../../helpers/fake-ports.js';

const named = (rows: Rows, verdict: Verdict): string[] =>
  rows.all.filter((row) => row.verdict === verdict).map(({ row }) => row);

/** Our HTTP side over real sockets, with fakes for the media. */
async function againstOurs(
  work: (endpoint: string, fake: FakeServer) => Promise<void>,
  options: AppOptions = {},
): Promise<void> {
  const fake = await fakeServer(options);
  fake.sessions.add('s1');
  const server = await listen(fake.app, { host: '127.0.0.1', port: 0, drainMs: 200 });
  try {
    await work(`${server.url}/whep/s1`, fake);
  } finally {
    await server.close();
    await fake.close();
  }
}

test('our server keeps every row, with tokens and ICE servers', () =>
  againstOurs(
    async (endpoint, fake) => {
      const rows = await whepMatrix(endpoint, 'full-token-1');
      assert.deepEqual(
        rows.all.filter(({ verdict }) => verdict !== 'pass'),
        [],
      );
      assert.ok(rows.all.length > 50, `${rows.all.length} rows`);
      assert.equal(fake.sessions.peers.size, 0, 'no viewer may be left behind');
      assert.equal(fake.sessions.listenerCount, 0);
    },
    {
      auth: { full: ['full-token-1'], viewer: [] },
      iceServers: {
        urls: ['stun:127.0.0.1:3478', 'turn:127.0.0.1:3478?transport=udp'],
        turn: { secret: 's', ttlS: 60 },
      },
    },
  ));

test('what need not be supported only warns', () =>
  againstOurs(async (endpoint, fake) => {
    fake.sessions.restartIce = () => Promise.reject(new AppError('not-supported', 'no restarts'));
    const rows = await whepMatrix(endpoint, undefined);
    assert.deepEqual(named(rows, 'fail'), []);
    assert.deepEqual(named(rows, 'warn'), ['PATCH restart']);
    assert.ok(named(rows, 'skip').includes('PATCH restart: new ETag'));
    assert.ok(named(rows, 'pass').includes('PATCH refused restart: session kept'));
  }));

test('a restart that is refused and breaks the session all the same is found out', () =>
  againstOurs(async (endpoint, fake) => {
    fake.sessions.restartIce = async (sessionId, peerId) => {
      await fake.sessions.removePeer(sessionId, peerId);
      throw new AppError('not-supported', 'no restarts');
    };
    const rows = await whepMatrix(endpoint, undefined);
    assert.deepEqual(named(rows, 'fail'), [
      'PATCH refused restart: session kept',
      'DELETE session, stale If-Match',
    ]);
  }));

test('leniency about If-Match is one failed row', () =>
  againstOurs(
    async (endpoint) => {
      const rows = await whepMatrix(endpoint, undefined);
      assert.deepEqual(named(rows, 'fail'), ['PATCH without If-Match']);
    },
    { whep: { lenient: true } },
  ));

/** Answers everything, and nearly everything wrongly. */
function wrongAnswer(request: IncomingMessage, response: ServerResponse): void {
  const answer = (status: number, headers: Record<string, string> = {}, body = ''): void => {
    response.writeHead(status, headers).end(body);
  };
  const isViewer = request.url !== '/live/whep';
  switch (request.method ?? '') {
    case 'OPTIONS':
      return answer(405);
    case 'HEAD':
    case 'GET':
      return answer(200, { 'Content-Type': 'text/html' }, '<p>player</p>');
    case 'POST': {
      const sdp = ANSWER.replaceAll('a=sendonly', 'a=sendrecv').replace(/a=candidate.*\r\n/g, '');
      const headers = { 'Content-Type': 'application/sdp', Location: '/live/1', ETag: 'bare' };
      return isViewer ? answer(404) : answer(201, headers, sdp.replace('a=rtcp-mux\r\n', ''));
    }
    case 'PATCH':
      return request.headers['if-match'] === '*'
        ? answer(200, { 'Content-Type': 'application/trickle-ice-sdpfrag' }, ANSWER)
        : answer(204, { ETag: '"x"' });
    default:
      return answer(204);
  }
}

test('a wrong server fails in the rows in which it is wrong', async () => {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => wrongAnswer(request, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/live/whep`;
  try {
    const rows = await whepMatrix(endpoint, undefined);
    assert.deepEqual(named(rows, 'fail'), [
      'OPTIONS endpoint, no token',
      'GET endpoint',
      'POST text/plain',
      'POST malformed SDP',
      'POST empty body',
      'POST sendonly offer',
      '201: Location of its own',
      '201: ETag',
      'answer: sendonly',
      'answer: rtcp-mux',
      'answer: candidates',
      'OPTIONS session, no token',
      'GET session',
      'PATCH candidates: no body, no ETag',
      'PATCH without If-Match',
      'PATCH stale If-Match',
      'PATCH text/plain',
      'PATCH malformed fragment',
      'PATCH restart without credentials',
      'PATCH restart: new ufrag and pwd',
      'PATCH restart: new ETag',
      'PATCH candidates, ETag before restart',
      'DELETE session, stale If-Match',
    ]);
    const warned = named(rows, 'warn');
    for (const row of [
      'OPTIONS endpoint: Accept-Post',
      'HEAD endpoint',
      'POST text/plain: status',
      '201: Location unguessable',
      '201: CORS exposes',
      'DELETE session again',
    ])
      assert.ok(warned.includes(row), row);
  } finally {
    server.close();
  }
});

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['dist/src/cli/conformance.js', ...args], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });
}

test('the program prints a table or JSON, and its exit status tells', async () => {
  assert.equal((await run()).code, 2);
  assert.match((await run('localhost', '--colour')).stderr, /^usage: /);
  await againstOurs(async (endpoint) => {
    const { code, stdout } = await run(endpoint);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^row +\| level +\| expected +\| got +\| pass\/warn\/fail +\| spec section\n/);
    assert.match(stdout, /\nPATCH restart +\| MUST +\| 200 +\| 200 +\| pass +\| ICE restarts\n/);
    const json = JSON.parse((await run(endpoint, '--json')).stdout) as { fail: number; rows: unknown[] };
    assert.equal(json.fail, 0);
    assert.ok(json.rows.length > 50);
    assert.equal((await run(endpoint.replace('s1', 'nobody'))).code, 1);
  });
  const nobody = await run('http://127.0.0.1:9/whep/s1');
  assert.equal(nobody.code, 1);
  assert.match(nobody.stdout, /no answer: /);
});

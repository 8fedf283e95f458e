import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { DatachannelViewer, type Seen } from '../helpers/datachannel-viewer.js';
import { watchFrom, type ForcedWay, type FoundWay } from '../helpers/forced-page.js';
import { postJsonTo, startTestServer, until, type TestServer } from '../helpers/server.js';
import { startTurnServer, turnMissing } from '../helpers/turn-server.js';
import { joinWhep, withCandidates } from '../helpers/whep-join.js';

/** Every way to the server, each forced by taking the others away. */

const addresses = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
const hasIpv6 = addresses.some(({ address }) => address === '::1');
/** An address of this machine that is not loopback. */
const lan = addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
const noBrowser = chromiumPath() === undefined ? 'Chromium is not installed' : false;
/** Stands for the outer address of a router; it belongs to the loopback block, but no server socket is bound to it. */
const OUTER = '127.0.0.77';

async function openSession(server: TestServer): Promise<{ id: string; whep: string }> {
  const { status, json } = await postJsonTo(server, '/v1/sessions', { avatar: 'demo', engine: 'cpu' });
  assert.equal(status, 201, JSON.stringify(json));
  const id = String(json['id']);
  return { id, whep: `${server.url}/whep/${id}` };
}

const viewersOf = async (server: TestServer, id: string): Promise<number> =>
  ((await (await fetch(`${server.url}/v1/sessions/${id}`)).json()) as { viewers: number }).viewers;

const playing = ({ video, audio }: Seen): boolean => video.markers >= 10 && audio.packets >= 10;

describe('ways to a full ICE agent', () => {
  let server: TestServer;
  let session: { id: string; whep: string };
  let browser: Browser | undefined;
  before(async () => {
    server = await startTestServer();
    session = await openSession(server);
    if (noBrowser === false) browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  async function inChromium(way: ForcedWay): Promise<FoundWay> {
    assert.ok(browser);
    const page = await browser.newPage();
    try {
      await page.goto(`${server.url}/healthz`);
      return await watchFrom(page, session.whep, way);
    } finally {
      await page.close();
    }
  }

  test('TCP alone', { skip: noBrowser }, async () => {
    const { local, remote } = await inChromium({ answer: ' tcp ' });
    assert.equal(remote.protocol, 'tcp');
    assert.equal(local.protocol, 'tcp');
  });

  test('IPv6 alone, over UDP and over TCP', { skip: noBrowser || !hasIpv6 }, async () => {
    for (const protocol of ['udp', 'tcp']) {
      const { remote } = await inChromium({ answer: ` ${protocol} \\d+ ::1 ` });
      assert.deepEqual([remote.address.replace(/[[\]]/g, ''), remote.protocol], ['::1', protocol]);
    }
  });

  // Chromium does not send from a real interface to 127.0.0.1, so the relay needs another address.
  const noRelay = turnMissing || noBrowser || (lan === undefined ? 'no address but loopback' : false);
  for (const { name, transport, trickle } of [
    { name: 'over UDP, its candidates in the offer', transport: 'udp', trickle: false },
    { name: 'over TCP, its candidates trickled', transport: 'tcp', trickle: true },
  ])
    test(`through a TURN relay alone, ${name}`, { skip: noRelay }, async () => {
      const turn = await startTurnServer(lan ?? '');
      const { port, username, credential } = turn;
      const urls = `turn:${lan}:${port}?transport=${transport}`;
      try {
        const { local } = await inChromium({
          config: { iceServers: [{ urls, username, credential }], iceTransportPolicy: 'relay' },
          trickle,
        });
        assert.equal(local.type, 'relay');
      } catch (error) {
        throw new Error(`through the relay: ${String(error)}\n${turn.log()}`, { cause: error });
      } finally {
        await turn.close();
      }
    });

  test('the server finds out by itself that they all work', async () => {
    const response = await fetch(`${server.url}/v1/diagnose`);
    assert.equal(response.status, 200);
    const found = (await response.json()) as {
      checks: { name: string; ok: boolean; detail: string }[];
      candidates: { ok: boolean }[];
      icePort: number;
    };
    for (const { name, ok, detail } of found.checks) assert.ok(ok, `${name}: ${detail}`);
    const names = found.checks.map(({ name }) => name);
    for (const way of ['udp4', 'tcp4', ...(hasIpv6 ? ['udp6', 'tcp6'] : [])])
      for (const step of ['codec', 'pair', 'dtls', 'key-picture', 'sound'])
        assert.ok(names.includes(`${way}.${step}`), `${way}.${step} is missing`);
    assert.ok(found.candidates.every(({ ok }) => ok));
    const { sessions } = (await (await fetch(`${server.url}/v1/sessions`)).json()) as {
      sessions: { id: string }[];
    };
    assert.deepEqual(
      sessions.map(({ id }) => id),
      [session.id],
      'its session is gone again',
    );
  });

  // Takes half a minute, in which the server does as good as nothing.
  test('a viewer that is killed or stands still is gone within 30 s', async (t) => {
    const { id, whep } = await openSession(server);
    const viewers = await Promise.all(
      [1, 2].map(async () => {
        const child = spawn(process.execPath, ['dist/test/helpers/viewer-process.js', whep], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        await once(child.stdout, 'data');
        return child;
      }),
    );
    try {
      assert.equal(await viewersOf(server, id), 2);
      const startedMs = performance.now();
      viewers[0]?.kill('SIGKILL');
      viewers[1]?.kill('SIGSTOP');
      await until(
        'the viewers to be gone',
        async () => ((await viewersOf(server, id)) === 0 ? true : undefined),
        31_000,
      );
      const tookS = (performance.now() - startedMs) / 1000;
      t.diagnostic(`gone after ${tookS.toFixed(1)} s`);
      assert.ok(tookS < 30, `${tookS} s`);
      // Not at the first lost check either.
      assert.ok(tookS > 15, `${tookS} s`);
    } finally {
      for (const child of viewers) child.kill('SIGKILL');
    }
  });
});

describe('an ICE-lite server', () => {
  test('is reached by Chromium and libdatachannel, and by its own test', { skip: noBrowser }, async () => {
    const server = await startTestServer(['--ice-lite=true']);
    const client = new DatachannelViewer();
    let browser: Browser | undefined;
    try {
      const { whep } = await openSession(server);
      const { answer } = await joinWhep(client, whep);
      assert.match(answer, /^a=ice-lite$/m);
      await client.until('picture', playing);
      browser = await openBrowser();
      const page = await browser.newPage();
      await page.goto(`${server.url}/healthz`);
      const { answerSdp, framesDecoded } = await watchFrom(page, whep, {});
      assert.match(answerSdp, /^a=ice-lite\r$/m);
      assert.ok(framesDecoded >= 10);
      const found = (await (await fetch(`${server.url}/v1/diagnose`)).json()) as {
        lite: boolean;
        checks: { name: string; ok: boolean; detail: string }[];
      };
      assert.ok(found.lite);
      for (const { name, ok, detail } of found.checks) assert.ok(ok, `${name}: ${detail}`);
    } finally {
      await client.close();
      await browser?.close();
      await server.close();
    }
  });
});

describe('a server behind a one-to-one NAT', () => {
  test(
    'is reached by its public address alone',
    { skip: lan === undefined ? 'no address but loopback' : false },
    async () => {
      const server = await startTestServer(['--public-host', OUTER]);
      const client = new DatachannelViewer();
      let nat: { close(): void } | undefined;
      try {
        const { whep } = await openSession(server);
        const { offer, answer } = await joinWhep(client, whep, {
          offer: (sdp) => withCandidates(sdp, () => false),
          answer(sdp) {
            const all = [...sdp.matchAll(/^a=candidate:\S+ 1 (\w+) (\d+) (\S+) (\d+) typ (\w+)/gm)];
            const of = (address: string) =>
              all.filter(([, protocol, , at]) => protocol === 'udp' && at === address);
            const [outer, inner] = [of(OUTER)[0], of(lan ?? '')[0]];
            assert.ok(outer && inner, sdp);
            assert.deepEqual([outer[4], outer[5]], [inner[4], 'host']);
            assert.ok(Number(outer[2]) > Number(inner[2]), 'the public address is tried first');
            assert.ok(all.some(([, protocol, , at]) => protocol === 'tcp' && at === OUTER));
            return withCandidates(sdp, (line) => line.includes(` udp `) && line.includes(` ${OUTER} `));
          },
        });
        assert.doesNotMatch(offer, /^a=candidate/m);
        const port = Number(/ udp \d+ 127\.0\.0\.77 (\d+) /.exec(answer)?.[1]);
        nat = await translate(OUTER, port, lan ?? '');
        const { remoteAddress } = await client.until('picture through the NAT', playing);
        assert.equal(remoteAddress, OUTER);
        const found = (await (await fetch(`${server.url}/v1/diagnose`)).json()) as {
          candidates: { address: string; type: string; protocol: string; ok: boolean }[];
          summary: string[];
        };
        const outer = found.candidates.filter(({ address }) => address === OUTER);
        // Nothing translates TCP here, and that alone is told as no fault.
        assert.deepEqual(outer.map(({ type, protocol, ok }) => [type, protocol, ok]).sort(), [
          ['public', 'tcp', false],
          ['public', 'udp', true],
        ]);
        assert.match(found.summary.join('\n'), /does not answer from inside. Many routers/);
      } finally {
        await client.close();
        nat?.close();
        await server.close();
      }
    },
  );
});

/** A router in small: what comes to `outer` goes on to the same port of `inner`, from a port of its own for each sender. */
async function translate(outer: string, port: number, inner: string): Promise<{ close(): void }> {
  const outside = createSocket('udp4');
  const inside = new Map<string, ReturnType<typeof createSocket>>();
  outside.on('message', (data, from) => {
    const key = `${from.address}:${from.port}`;
    let socket = inside.get(key);
    if (socket === undefined) {
      socket = createSocket('udp4');
      socket.on('message', (back) => outside.send(back, from.port, from.address));
      socket.on('error', () => {});
      inside.set(key, socket);
    }
    socket.send(data, port, inner);
  });
  await new Promise<void>((resolve, reject) => {
    outside.once('error', reject);
    outside.bind(port, outer, resolve);
  });
  return {
    close() {
      outside.close();
      for (const socket of inside.values()) socket.close();
    },
  };
}

/// <reference lib="dom" />
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { chromium, type Browser, type Page } from 'playwright-core';
import ts from 'typescript';
import { chromiumPath } from '../helpers/browser.js';

/**
 * The page's player against a WHEP server that is a second peer connection in the same page: requests are answered in
 * place of `fetch`, media runs through a UDP relay here that can be cut.
 */

const skip = chromiumPath() === undefined ? 'Chromium is not installed' : false;
const ORIGIN = 'http://player.test';

interface Request {
  method: string;
  ifMatch: string | null;
  body: string;
}

interface PlayerWindow {
  requests: Request[];
  canRestart: boolean;
  relayTo(host: string, port: number): Promise<number>;
  player: { close(): Promise<void>; lost: Promise<string> };
  lost: string | undefined;
  framesDecoded(): number;
}

let browser: Browser;
const relays: Socket[] = [];

before(async () => {
  const executablePath = chromiumPath();
  if (executablePath === undefined) return;
  browser = await chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--autoplay-policy=no-user-gesture-required',
      // The relay has to read the addresses.
      '--disable-features=WebRtcHideLocalIpsWithMdns',
    ],
  });
});
after(async () => {
  cut();
  await browser?.close();
});

/** Carries datagrams between whoever sends to it and `host:port`; resolves with its own port. */
async function relayTo(host: string, port: number): Promise<number> {
  const [inner, outer] = [createSocket('udp4'), createSocket('udp4')];
  relays.push(inner, outer);
  let viewer: { address: string; port: number } | undefined;
  outer.on('message', (data, from) => {
    viewer = from;
    inner.send(data, port, host);
  });
  inner.on('message', (data) => {
    if (viewer !== undefined) outer.send(data, viewer.port, viewer.address);
  });
  for (const socket of [inner, outer]) {
    socket.bind(0);
    await once(socket, 'listening');
  }
  return outer.address().port;
}

function cut(): void {
  for (const socket of relays.splice(0)) socket.close();
}

async function openPlayer(): Promise<Page> {
  const page = await browser.newPage();
  await page.exposeFunction('relayTo', relayTo);
  await page.route(`${ORIGIN}/**`, async (route) => {
    const name = new URL(route.request().url()).pathname;
    if (!name.endsWith('.js'))
      return route.fulfill({ contentType: 'text/html', body: '<video muted autoplay>' });
    const source = await readFile(path.join('web/src', name.replace(/\.js$/, '.ts')), 'utf8');
    const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 };
    const body = ts.transpileModule(source, { compilerOptions: options }).outputText;
    return route.fulfill({ contentType: 'text/javascript', body });
  });
  await page.goto(`${ORIGIN}/`);
  await page.evaluate(async (origin) => {
    const own = window as unknown as PlayerWindow;
    own.requests = [];
    own.canRestart = true;
    const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 120 });
    let hue = 0;
    setInterval(() => {
      const draw = canvas.getContext('2d')!;
      draw.fillStyle = `hsl(${(hue += 7)} 80% 50%)`;
      draw.fillRect(0, 0, 160, 120);
    }, 40);
    const [track] = canvas.captureStream(25).getVideoTracks();
    const server = new RTCPeerConnection();

    /** Answers; only the relay's address goes out, so that no media can run past it. */
    const answerTo = async (offer: string): Promise<{ sdp: string; candidate: string }> => {
      await server.setRemoteDescription({ type: 'offer', sdp: offer.replace(/a=candidate.*\r\n/g, '') });
      const video = server.getTransceivers().find(({ receiver }) => receiver.track.kind === 'video')!;
      await video.sender.replaceTrack(track!);
      video.direction = 'sendonly';
      await server.setLocalDescription(await server.createAnswer());
      const host4 = /^a=candidate:\S+ 1 udp \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host/m;
      while (!host4.test(server.localDescription!.sdp)) await new Promise((done) => setTimeout(done, 10));
      const sdp = server.localDescription!.sdp;
      const [, host = '', port = ''] = host4.exec(sdp)!;
      const relayed = await own.relayTo(host, Number(port));
      const candidate = `a=candidate:1 1 udp 2130706431 ${host} ${relayed} typ host\r\n`;
      const bare = sdp.replace(/a=(candidate|end-of-candidates).*\r\n/g, '');
      return { sdp: bare.replace(/(m=audio.*\r\nc=.*\r\n)/, `$1${candidate}`), candidate };
    };
    const respond = async (method: string, ifMatch: string | null, body: string): Promise<Response> => {
      if (method === 'HEAD')
        return new Response(null, { headers: { Link: '<stun:127.0.0.1:9>; rel="ice-server"' } });
      if (method === 'POST') {
        const headers = { Location: '/viewer', ETag: '"e1"' };
        return new Response((await answerTo(body)).sdp, { status: 201, headers });
      }
      if (method === 'PATCH' && ifMatch === '*') {
        if (!own.canRestart) return new Response('{}', { status: 422 });
        const line = (text: string, name: string): string => new RegExp(`^a=${name}:.*$`, 'm').exec(text)![0];
        const offer = server
          .remoteDescription!.sdp.replace(/^a=ice-ufrag:.*$/gm, line(body, 'ice-ufrag'))
          .replace(/^a=ice-pwd:.*$/gm, line(body, 'ice-pwd'));
        const { sdp, candidate } = await answerTo(offer);
        const fragment = `${line(sdp, 'ice-ufrag')}\r\n${line(sdp, 'ice-pwd')}\r\nm=audio 9 X 0\r\na=mid:0\r\n${candidate}`;
        return new Response(fragment, { headers: { ETag: '"e2"' } });
      }
      return new Response(null, { status: method === 'PATCH' ? 204 : 200 });
    };
    window.fetch = async (input, init) => {
      const { method = 'GET', body } = init ?? {};
      const ifMatch = new Headers(init?.headers).get('if-match');
      own.requests.push({ method, ifMatch, body: String(body ?? '') });
      const response = await respond(method, ifMatch, String(body));
      return Object.defineProperty(response, 'url', { value: new URL(String(input), origin).href });
    };

    const { WhepPlayer } = (await import(`${origin}/whep-player.js`)) as unknown as {
      WhepPlayer: { create(options: object): Promise<PlayerWindow['player']> };
    };
    const video = document.querySelector('video')!;
    own.framesDecoded = () => video.getVideoPlaybackQuality().totalVideoFrames;
    own.player = await WhepPlayer.create({
      endpoint: '/whep/s1',
      iceServersUrl: '/whep/s1',
      video,
      signal: new AbortController().signal,
      firstPictureMs: 15_000,
    });
    void own.player.lost.then((reason) => (own.lost = reason));
  }, ORIGIN);
  return page;
}

const requestsOf = (page: Page): Promise<Request[]> =>
  page.evaluate(() => (window as unknown as PlayerWindow).requests);

test('the player trickles, and restarts ICE when its path breaks', { skip }, async () => {
  const page = await openPlayer();
  const before = await requestsOf(page);
  assert.deepEqual(
    before.slice(0, 2).map(({ method }) => method),
    ['HEAD', 'POST'],
  );
  await page.waitForFunction(() =>
    (window as unknown as PlayerWindow).requests.some(({ body }) => body.includes('a=end-of-candidates')),
  );
  const trickled = (await requestsOf(page)).filter(({ method }) => method === 'PATCH');
  assert.ok(trickled.every(({ ifMatch }) => ifMatch === '"e1"'));
  assert.match(trickled.map(({ body }) => body).join(''), /^a=candidate:/m);

  cut();
  await page.waitForFunction(
    () => (window as unknown as PlayerWindow).requests.some(({ ifMatch }) => ifMatch === '*'),
    undefined,
    { timeout: 30_000 },
  );
  const frames = await page.evaluate(() => (window as unknown as PlayerWindow).framesDecoded());
  await page.waitForFunction(
    (frames) => (window as unknown as PlayerWindow).framesDecoded() > frames + 25,
    frames,
    { timeout: 15_000 },
  );
  assert.equal(await page.evaluate(() => (window as unknown as PlayerWindow).lost), undefined);
  const after = await requestsOf(page);
  const at = after.findIndex(({ ifMatch }) => ifMatch === '*');
  const ufrag = (body: string): string | undefined => /^a=ice-ufrag:(.*)$/m.exec(body)?.[1];
  assert.notEqual(ufrag(after[at]!.body), ufrag(trickled[0]!.body));
  const late = after.slice(at + 1);
  assert.ok(late.length > 0 && late.every(({ ifMatch }) => ifMatch === '"e2"'));
  assert.ok(late.every(({ body }) => ufrag(body) === ufrag(after[at]!.body)));
  await page.evaluate(() => (window as unknown as PlayerWindow).player.close());
  assert.equal((await requestsOf(page)).at(-1)?.method, 'DELETE');
  await page.close();
});

test('where the server cannot restart, a path that stays broken is given up', { skip }, async () => {
  const page = await openPlayer();
  await page.evaluate(() => ((window as unknown as PlayerWindow).canRestart = false));
  cut();
  await page.waitForFunction(() => (window as unknown as PlayerWindow).lost !== undefined, undefined, {
    timeout: 40_000,
  });
  assert.equal(await page.evaluate(() => (window as unknown as PlayerWindow).lost), 'disconnected');
  assert.equal((await requestsOf(page)).filter(({ ifMatch }) => ifMatch === '*').length, 1);
  await page.close();
});

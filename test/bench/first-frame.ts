/// <reference lib="dom" />
import type { Browser, Page } from 'playwright-core';
import { takeOwnOptions } from '../../src/cli/own-options.js';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import {
  CONNECT_STEPS,
  connectTimes,
  noteConnectTimes,
  type ConnectTimes,
} from '../helpers/connect-times.js';
import { postJsonTo, startTestServer, type TestServer } from '../helpers/server.js';

/**
 * Ms from a viewer's click to the first decoded picture and to each step before it, in headless Chromium on loopback:
 * `npm run bench:first-frame -- [--runs 20] [--json]`. Two players: the product's own, and one of a few lines that
 * waits for nothing that it need not wait for. Viewers come one after another to a session that runs already.
 */

const { own } = takeOwnOptions(process.argv.slice(2), ['runs']);
const runs = Number(own.get('runs') ?? 20);
if (!(runs >= 1)) {
  process.stderr.write('--runs is 1 or more\n');
  process.exit(2);
}
if (chromiumPath() === undefined) {
  process.stderr.write('bench:first-frame needs Chromium (Debian: apt-get install chromium)\n');
  process.exit(1);
}

type Player = (page: Page, server: TestServer, sessionId: string) => Promise<void>;

const PLAYERS: Readonly<Record<string, Player>> = {
  async product(page, server, sessionId) {
    await page.goto(`${server.url}/bot/${sessionId}`);
  },
  async minimal(page, server, sessionId) {
    await page.goto(`${server.url}/healthz`);
    await page.evaluate(async (url) => {
      const video = document.createElement('video');
      Object.assign(video, { autoplay: true, muted: true, playsInline: true });
      document.body.append(video);
      const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      pc.addTransceiver('video', { direction: 'recvonly' });
      pc.addTransceiver('audio', { direction: 'recvonly' });
      pc.ontrack = ({ streams: [stream] }) => (video.srcObject = stream ?? null);
      await pc.setLocalDescription();
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/sdp' },
        body: pc.localDescription?.sdp ?? '',
      });
      if (answer.status !== 201) throw new Error(`WHEP answered ${answer.status}: ${await answer.text()}`);
      window.addEventListener('pagehide', () => {
        const location = new URL(answer.headers.get('location') ?? '', url);
        void fetch(location, { method: 'DELETE', keepalive: true });
      });
      await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    }, `${server.url}/whep/${sessionId}`);
  },
};

async function view(browser: Browser, server: TestServer, id: string, play: Player): Promise<ConnectTimes> {
  const page = await browser.newPage();
  await noteConnectTimes(page);
  await play(page, server, id);
  const times = await connectTimes(page);
  await page.goto('about:blank'); // Says good-bye to the server.
  await page.close();
  return times;
}

/** The smallest value that `share` of all do not exceed. */
function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

function summary(all: readonly ConnectTimes[]) {
  const shown = all.map(({ pictureShown }) => pictureShown);
  const steps = CONNECT_STEPS.map((step) => [
    step,
    Math.round(
      quantile(
        all.map((times) => times[step]),
        0.5,
      ),
    ),
  ]);
  return {
    medianMs: Math.round(quantile(shown, 0.5)),
    p95Ms: Math.round(quantile(shown, 0.95)),
    minMs: Math.round(Math.min(...shown)),
    maxMs: Math.round(Math.max(...shown)),
    stepsMedianMs: Object.fromEntries(steps) as Record<keyof ConnectTimes, number>,
  };
}

const server = await startTestServer();
const browser = await openBrowser();
try {
  const { json } = await postJsonTo(server, '/v1/sessions', { avatar: 'demo' });
  const id = String(json['id']);
  const times: Record<string, ConnectTimes[]> = {};
  // In turns, so that a busy moment of the machine meets both; the first of each only warms the browser up.
  for (let run = 0; run <= runs; run += 1) {
    for (const [name, play] of Object.entries(PLAYERS)) {
      const seen = await view(browser, server, id, play);
      if (run > 0) (times[name] ??= []).push(seen);
    }
  }
  const players = Object.fromEntries(Object.entries(times).map(([name, all]) => [name, summary(all)]));
  process.stdout.write(
    `first picture, ms after the click, ${runs} viewers of each player one after another\n`,
  );
  for (const [name, { medianMs, p95Ms, minMs, maxMs, stepsMedianMs }] of Object.entries(players)) {
    process.stdout.write(
      `${name.padEnd(8)} median ${medianMs}   p95 ${p95Ms}   min ${minMs}   max ${maxMs}\n`,
    );
    const steps = CONNECT_STEPS.map((step) => `${step} ${stepsMedianMs[step]}`);
    process.stdout.write(`         ${steps.join('   ')}\n`);
  }
  if (process.argv.includes('--json')) {
    const { medianMs, p95Ms } = players['product']!;
    process.stdout.write(`${JSON.stringify({ bench: 'first-frame', runs, medianMs, p95Ms, players })}\n`);
  }
} finally {
  await browser.close();
  await server.close();
}

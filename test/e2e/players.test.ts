/// <reference lib="dom" />
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import type { PlayersWindow } from '../helpers/players.js';
import { postJsonTo, startTestServer, until, type TestServer } from '../helpers/server.js';

/** Players of other people's making, unchanged, in headless Chromium: each plays, and takes its viewer away when stopped. */

const skip = chromiumPath() === undefined ? 'Chromium is not installed' : false;

let server: TestServer;
let browser: Browser;
let bundle: string;

/** The players as one script that needs no other file. */
async function bundlePlayers(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    publicDir: false,
    build: {
      write: false,
      lib: { entry: 'dist/test/helpers/players.js', formats: ['iife'], name: 'bundled' },
    },
  });
  const [output] = Array.isArray(built) ? built : [];
  const chunk = output?.output.find((part) => part.type === 'chunk');
  if (chunk === undefined) throw new Error('vite made no bundle');
  return chunk.code;
}

async function openPage(): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${server.url}/healthz`);
  await page.evaluate(bundle);
  await page.evaluate(() => {
    const video = document.createElement('video');
    video.autoplay = true;
    video.playsInline = true;
    document.body.append(video);
  });
  return page;
}

interface Seen {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly pictures: number;
  readonly picturesPerSecond: number;
  readonly loudestRms: number;
}

/** Watches the page's video element until it has shown 50 pictures and sounded loud, or for `limitMs`. */
function watch(page: Page, limitMs: number): Promise<Seen> {
  return page.evaluate(async (limitMs) => {
    const video = document.querySelector('video');
    if (video === null) throw new Error('no video element');
    const endMs = performance.now() + limitMs;
    let [pictures, firstMs, lastMs, loudestRms] = [0, 0, 0, 0];
    const count = (nowMs: number) => {
      firstMs ||= nowMs;
      lastMs = nowMs;
      pictures += 1;
      video.requestVideoFrameCallback(count);
    };
    video.requestVideoFrameCallback(count);
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    const samples = new Float32Array(analyser.fftSize);
    let listening = false;
    while (performance.now() < endMs && (pictures < 50 || loudestRms < 0.01)) {
      const [track] = (video.srcObject as MediaStream | null)?.getAudioTracks() ?? [];
      if (!listening && track !== undefined) {
        context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
        listening = true;
      }
      analyser.getFloatTimeDomainData(samples);
      loudestRms = Math.max(
        loudestRms,
        Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length),
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await context.close();
    return {
      widthPx: video.videoWidth,
      heightPx: video.videoHeight,
      pictures,
      picturesPerSecond: ((pictures - 1) * 1000) / (lastMs - firstMs),
      loudestRms,
    };
  }, limitMs);
}

function assertPlays(seen: Seen): void {
  assert.deepEqual([seen.widthPx, seen.heightPx], [512, 600]);
  // 25 are sent a second; a busy machine shows fewer, but no burst.
  assert.ok(seen.pictures >= 50 && seen.picturesPerSecond < 30, JSON.stringify(seen));
  assert.ok(seen.loudestRms > 0.01, JSON.stringify(seen));
}

const newSession = async (): Promise<string> =>
  String((await postJsonTo(server, '/v1/sessions', { avatar: 'demo', audio: { demo: true } })).json['id']);

const viewersGone = (id: string) =>
  until('the viewer to be gone', async () => {
    const response = await fetch(`${server.url}/v1/sessions/${id}`);
    return ((await response.json()) as { viewers: number }).viewers === 0 ? true : undefined;
  });

/** The statuses with which the viewer's resource answered DELETE, as the page's network log has them. */
function watchDeletes(page: Page): number[] {
  const statuses: number[] = [];
  page.on('response', (response) => {
    if (response.request().method() === 'DELETE') statuses.push(response.status());
  });
  return statuses;
}

describe("other people's players", { skip }, () => {
  before(async () => {
    bundle = await bundlePlayers();
    server = await startTestServer();
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  test('@binbat/whip-whep plays and stops', async () => {
    const id = await newSession();
    const page = await openPage();
    const deletes = watchDeletes(page);
    const client = await page.evaluateHandle(async (url) => {
      const { WHEPClient } = (window as unknown as PlayersWindow).players;
      const pc = new RTCPeerConnection();
      const media = new MediaStream();
      for (const kind of ['video', 'audio'])
        media.addTrack(pc.addTransceiver(kind, { direction: 'recvonly' }).receiver.track);
      (document.querySelector('video') as HTMLVideoElement).srcObject = media;
      const client = new WHEPClient();
      await client.view(pc, url);
      return client;
    }, `${server.url}/whep/${id}`);
    assertPlays(await watch(page, 15_000));
    await client.evaluate((client) => client.stop());
    await viewersGone(id);
    // It closes its connection before it asks, so its viewer may be gone by then.
    assert.ok(deletes.length === 1 && [200, 404].includes(deletes[0] ?? 0), `DELETE: ${deletes.join()}`);
    await page.close();
  });

  test('@eyevinn/webrtc-player plays and unloads', async () => {
    const id = await newSession();
    const page = await openPage();
    const deletes = watchDeletes(page);
    const player = await page.evaluateHandle(async (url) => {
      const { WebRTCPlayer } = (window as unknown as PlayersWindow).players;
      const video = document.querySelector('video') as HTMLVideoElement;
      const player = new WebRTCPlayer({ video, type: 'whep', iceServers: [] });
      await player.load(new URL(url));
      return player;
    }, `${server.url}/whep/${id}`);
    assertPlays(await watch(page, 15_000));
    await player.evaluate((player) => player.unload());
    await viewersGone(id);
    assert.deepEqual(deletes, [200]);
    await page.close();
  });
});

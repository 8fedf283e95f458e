/// <reference lib="dom" />
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { startTestServer, until, type TestServer } from '../helpers/server.js';

/** A browser that offers H.264 alone watches beside one that offers everything. */

const skip = chromiumPath() === undefined ? 'Chromium is not installed' : false;

interface Seen {
  codec: string;
  widthPx: number;
  heightPx: number;
  frames: number;
  keyFrames: number;
}

interface ViewersWindow {
  viewers: Record<'h264' | 'any', { pc: RTCPeerConnection; askForKey(): void }>;
}

let server: TestServer;
let browser: Browser;

before(async () => {
  if (skip !== false) return;
  server = await startTestServer();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Joins; `h264` takes VP8 and all else out of the offer. Resolves with the answer. */
function join(page: Page, which: 'h264' | 'any', url: string): Promise<string> {
  return page.evaluate(
    async ({ which, url }) => {
      const pc = new RTCPeerConnection();
      const transceiver = pc.addTransceiver('video', { direction: 'recvonly' });
      const { receiver } = transceiver;
      pc.addTransceiver('audio', { direction: 'recvonly' });
      const { codecs } = RTCRtpReceiver.getCapabilities('video')!;
      if (which === 'h264')
        transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => /H264|rtx/i.test(mimeType)));
      // The worker passes pictures on and sends a PLI when it is told to.
      const script = `onrtctransform = ({ transformer }) => {
        transformer.readable.pipeTo(transformer.writable);
        onmessage = () => transformer.sendKeyFrameRequest();
      }`;
      const worker = new Worker(URL.createObjectURL(new Blob([script])));
      receiver.transform = new RTCRtpScriptTransform(worker);
      const video = Object.assign(document.createElement('video'), { autoplay: true, muted: true });
      document.body.append(video);
      video.srcObject = new MediaStream([receiver.track]);
      await pc.setLocalDescription();
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/sdp' },
        body: pc.localDescription!.sdp,
      });
      const sdp = await response.text();
      if (response.status !== 201) throw new Error(`${response.status}: ${sdp}`);
      await pc.setRemoteDescription({ type: 'answer', sdp });
      const own = window as unknown as ViewersWindow;
      own.viewers = { ...own.viewers, [which]: { pc, askForKey: () => worker.postMessage('') } };
      return sdp;
    },
    { which, url },
  );
}

function look(page: Page, which: 'h264' | 'any'): Promise<Seen> {
  return page.evaluate(async (which) => {
    const reports = await (window as unknown as ViewersWindow).viewers[which].pc.getStats();
    const all = [...reports.values()] as Record<string, string & number>[];
    const video = all.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'video') ?? {};
    const codec = all.find(({ id }) => id === video['codecId']);
    return {
      codec: codec?.['mimeType'] ?? '',
      widthPx: video['frameWidth'] ?? 0,
      heightPx: video['frameHeight'] ?? 0,
      frames: video['framesDecoded'] ?? 0,
      keyFrames: video['keyFramesDecoded'] ?? 0,
    };
  }, which);
}

test(
  'H.264 alone: pictures of full size, a key picture when asked for, and nobody else is disturbed',
  { skip, timeout: 60_000 },
  async () => {
    const created = await fetch(`${server.url}/v1/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ avatar: 'demo', audio: { demo: true } }),
    });
    const { id } = (await created.json()) as { id: string };
    const session = `${server.url}/v1/sessions/${id}`;
    const viewerStats = async () =>
      ((await (await fetch(session)).json()) as { viewerStats: ViewerStats[] }).viewerStats;
    const page = await browser.newPage();
    // Of the server's origin, but free of its content security policy, which allows no worker made here.
    await page.route('**/blank', (route) => route.fulfill({ contentType: 'text/html', body: '' }));
    await page.goto(`${server.url}/blank`);
    const whep = `${server.url}/whep/${id}`;

    await join(page, 'any', whep);
    await until('the first viewer', async () => (await look(page, 'any')).frames >= 25 || undefined);
    const before = await look(page, 'any');
    const startedMs = performance.now();

    const answer = await join(page, 'h264', whep);
    assert.match(answer, /^a=fmtp:\d+ level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42/m);
    assert.doesNotMatch(answer, /VP8/);
    await until('pictures in H.264', async () => (await look(page, 'h264')).frames >= 50 || undefined);
    const seen = await look(page, 'h264');
    assert.deepEqual([seen.codec, seen.widthPx, seen.heightPx], ['video/H264', 512, 600]);
    const rendition = (await viewerStats()).map((viewer) => viewer.rendition);
    assert.deepEqual(rendition, ['high', 'h264']);

    const plisOf = async () => (await viewerStats())[1]!.keyframesRequested.pli;
    const plis = await plisOf();
    await page.evaluate(() => (window as unknown as ViewersWindow).viewers.h264.askForKey());
    await until('the PLI', async () => (await plisOf()) > plis || undefined);
    await until('a key picture', async () => {
      const { keyFrames } = await look(page, 'h264');
      return keyFrames > seen.keyFrames || undefined;
    });

    const after = await look(page, 'any');
    assert.equal(after.codec, 'video/VP8');
    assert.equal(after.keyFrames, before.keyFrames, 'key pictures in H.264 are none in VP8');
    const rate = ((after.frames - before.frames) * 1000) / (performance.now() - startedMs);
    // Shared machines stutter; a viewer whose stream broke would see nothing.
    assert.ok(rate > 10, `the other viewer saw ${rate.toFixed(1)} pictures a second`);

    // Alone, it goes on: no other rendition is needed any more.
    await page.evaluate(() => (window as unknown as ViewersWindow).viewers.any.pc.close());
    await until('the other one gone', async () => (await viewerStats()).length === 1 || undefined);
    const { frames } = await look(page, 'h264');
    await until('more pictures', async () => (await look(page, 'h264')).frames >= frames + 150 || undefined);
    await fetch(session, { method: 'DELETE' });
  },
);

interface ViewerStats {
  rendition?: string;
  keyframesRequested: { pli: number };
}

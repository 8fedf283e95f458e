/// <reference lib="dom" />
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { AudioClient } from '../helpers/audio-client.js';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { makeMedia } from '../helpers/media.js';
import { postJsonTo, startTestServer, until } from '../helpers/server.js';
import { connectViewer, disconnectViewer } from '../helpers/whep-page.js';

const RATE = 16_000;
/** Each session's voice, and the other's. */
const HZ = [500, 1300] as const;
const SECONDS = 8;

interface HeardWindow {
  viewer: { pc: RTCPeerConnection; video: HTMLVideoElement };
  MediaStreamTrackProcessor: new (init: { track: MediaStreamTrack }) => {
    readable: ReadableStream<AudioData>;
  };
  heard: { strength: [number, number][]; sizes: Record<string, number> };
}

/** Notes the strength of both voices in each 10 ms of sound, and the size of every picture. */
async function watch(page: Page): Promise<void> {
  await page.evaluate((hz) => {
    const scope = window as unknown as HeardWindow;
    const { pc, video } = scope.viewer;
    scope.heard = { strength: [], sizes: {} };
    const onPicture: VideoFrameRequestCallback = (_, { width, height }) => {
      video.requestVideoFrameCallback(onPicture);
      const size = `${width}x${height}`;
      scope.heard.sizes[size] = (scope.heard.sizes[size] ?? 0) + 1;
    };
    video.requestVideoFrameCallback(onPicture);
    const listen = async (track: MediaStreamTrack): Promise<void> => {
      const reader = new scope.MediaStreamTrackProcessor({ track }).readable.getReader();
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        const piece = read.value;
        const samples = new Float32Array(piece.numberOfFrames);
        piece.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
        const { sampleRate } = piece;
        piece.close();
        const strength = hz.map((one) => {
          let [re, im] = [0, 0];
          samples.forEach((value, at) => {
            re += value * Math.cos((2 * Math.PI * one * at) / sampleRate);
            im += value * Math.sin((2 * Math.PI * one * at) / sampleRate);
          });
          return (2 * Math.hypot(re, im)) / samples.length;
        });
        scope.heard.strength.push(strength as [number, number]);
      }
    };
    for (const { track } of pc.getReceivers()) if (track.kind === 'audio') void listen(track);
  }, HZ);
}

function tone(hz: number, ms: number): Uint8Array {
  const samples = Int16Array.from(
    { length: (ms * RATE) / 1000 },
    (_, i) => 9000 * Math.sin((2 * Math.PI * hz * i) / RATE),
  );
  return new Uint8Array(samples.buffer);
}

test(
  'two sessions with other faces and voices: nothing of one is ever seen or heard in the other',
  { skip: chromiumPath() === undefined ? 'Chromium is not installed' : false },
  async (t) => {
    const server = await startTestServer();
    t.after(() => server.close());
    const browser = await openBrowser();
    t.after(() => browser.close());
    const small = path.join(server.dataDir, 'small.jpg');
    await makeMedia(['-i', 'web/public/demo/portrait.jpg', '-vf', 'scale=384:450', small]);
    await postJsonTo(server, '/v1/avatars', { id: 'small', path: small });
    await until('the second avatar', async () => {
      const { state } = (await (await fetch(`${server.url}/v1/avatars/small`)).json()) as { state: string };
      return state === 'ready' || undefined;
    });
    const sessions = await Promise.all(
      ['demo', 'small'].map(async (avatar, at) => {
        const { json } = await postJsonTo(server, '/v1/sessions', { avatar });
        const id = String(json['id']);
        const page = await (await browser.newContext()).newPage();
        await page.goto(`${server.url}/healthz`);
        await connectViewer(page, `${server.url}/whep/${id}`);
        await watch(page);
        const client = await AudioClient.open(server.url, id);
        client.send({ type: 'start', sampleRate: RATE, endAfterMs: null });
        return {
          id,
          page,
          client,
          hz: HZ[at] ?? 0,
          size: `${String(json['widthPx'])}x${String(json['heightPx'])}`,
        };
      }),
    );
    await Promise.all(
      sessions.map(async ({ id, client, hz }, at) => {
        for (let second = 0; second < SECONDS; second += 1) {
          await client.stream(tone(hz, 1000), RATE);
          // One is interrupted again and again, so that both begin and end at other times.
          if (at === 0 && second % 2 === 1) await postJsonTo(server, `/v1/sessions/${id}/interrupt`, {});
          if (at === 0) client.send({ type: 'end' });
        }
        client.send({ type: 'end' });
      }),
    );
    for (const [at, { page, client, size }] of sessions.entries()) {
      const { strength, sizes } = await page.evaluate(() => (window as unknown as HeardWindow).heard);
      assert.ok(!(sessions[1 - at]!.size in sizes), `the other's pictures: ${Object.keys(sizes).join()}`);
      assert.ok((sizes[size] ?? 0) > 15 * SECONDS, `${sizes[size]} pictures`);
      const own = strength.filter((both) => (both[at] ?? 0) > 0.05).length;
      assert.ok(own > 50 * (SECONDS - 3), `its own voice for ${own / 100} s`);
      const loudestOther = Math.max(...strength.slice(1).map((both) => both[1 - at] ?? 0));
      // What begins or is cut off has a little of every pitch.
      const often = strength.filter((both) => (both[1 - at] ?? 0) > 0.02).length;
      assert.ok(often < 0.02 * strength.length, `the other voice ${often} times, ${loudestOther} at most`);
      client.socket.close();
      await disconnectViewer(page);
    }
  },
);

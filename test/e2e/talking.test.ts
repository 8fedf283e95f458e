/// <reference lib="dom" />
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { postJsonTo, startTestServer, until, type TestServer } from '../helpers/server.js';
import { connectViewer, disconnectViewer, measure, type Region } from '../helpers/whep-page.js';

const data = path.resolve('../shared/data');
const skip = chromiumPath() === undefined ? 'Chromium is not installed' : false;
const skipData = skip || (existsSync(data) ? false : 'the test media are not here');

let server: TestServer;
let browser: Browser;

const post = (route: string, body: object) => postJsonTo(server, route, body);

async function viewer(sessionId: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${server.url}/healthz`);
  await connectViewer(page, `${server.url}/whep/${sessionId}`);
  return page;
}

const stateOf = async (id: string): Promise<string | undefined> => {
  const response = await fetch(`${server.url}/v1/sessions/${id}`);
  return response.ok ? ((await response.json()) as { state: string }).state : undefined;
};

/** Where the lips are in all pictures of an avatar, from the landmarks that its preparation saved. */
async function lips(avatar: string): Promise<Region> {
  const folder = path.join(server.dataDir, 'avatars', avatar);
  const { widthPx, heightPx } = JSON.parse(
    await readFile(path.join(folder, 'manifest.json'), 'utf8'),
  ) as Record<string, number>;
  const bytes = await readFile(path.join(folder, 'landmarks.f32'));
  const points = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const of = (point: number, axis: number) =>
    Array.from({ length: points.length / 1404 }, (_, k) => points[k * 1404 + point * 3 + axis] ?? 0);
  const [width, height] = [widthPx ?? 1, heightPx ?? 1];
  return {
    left: Math.min(...of(61, 0)) / width,
    right: Math.max(...of(291, 0)) / width,
    top: Math.min(...of(0, 1)) / height,
    bottom: (Math.max(...of(17, 1)) + 10) / height,
  };
}

/** Prepares, connects, compares the mouth in silence with the mouth in speech. */
async function talk(avatar: string, audio: object): Promise<void> {
  const mouth = await lips(avatar);
  const { status, json } = await post('/v1/sessions', { avatar });
  assert.equal(status, 201);
  const id = String(json['id']);
  const page = await viewer(id);
  const rest = await measure(page, 2000, mouth);
  assert.equal((await post(`/v1/sessions/${id}/utterances`, audio)).status, 201);
  await until('the speech to start', async () => ((await stateOf(id)) === 'speaking' ? true : undefined));
  const speech = await measure(page, 4000, mouth);
  assert.ok(
    speech.framesPerSecond > 20 && speech.framesPerSecond < 30,
    `${speech.framesPerSecond} pictures a second`,
  );
  assert.ok(speech.soundRms > 0.01, `sound RMS ${speech.soundRms} in speech`);
  assert.ok(rest.soundRms < 0.001, `sound RMS ${rest.soundRms} in silence`);
  assert.ok(
    speech.regionChange > 1.5 * rest.regionChange + 0.5,
    `mouth moves ${rest.regionChange} in silence, ${speech.regionChange} in speech`,
  );
  assert.equal(await disconnectViewer(page), 200);
  assert.equal((await fetch(`${server.url}/v1/sessions/${id}`, { method: 'DELETE' })).status < 300, true);
  await page.close();
}

describe('a face that talks', { skip }, () => {
  before(async () => {
    server = await startTestServer(['--session-linger', '3']);
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const middle: Region = { left: 0.35, top: 0.35, right: 0.65, bottom: 0.75 };

  test('the demo avatar, a photo, speaks the demo sound', async () => {
    await talk('demo', { demo: true });
  });

  test('a video avatar speaks', { skip: skipData }, async () => {
    const created = await post('/api/avatar/create', { avatar_id: 'yongen', video_path: 'video/yongen.mp4' });
    assert.equal(created.status, 200, JSON.stringify(created.json));
    await talk('yongen', { path: 'audio/eng.wav' });
  });

  test('two viewers see one session; one leaving does not disturb the other; stop ends it', async () => {
    const { json } = await post('/v1/sessions', { avatar: 'demo', audio: { demo: true } });
    const id = String(json['id']);
    const first = await viewer(id);
    const second = await viewer(id);
    const info = (await (await fetch(`${server.url}/v1/sessions/${id}`)).json()) as { viewers: number };
    assert.equal(info.viewers, 2);
    assert.equal(await disconnectViewer(first), 200);
    const seen = await measure(second, 1500, middle);
    assert.ok(seen.framesPerSecond > 20, `${seen.framesPerSecond} pictures a second for the second viewer`);
    await fetch(`${server.url}/v1/sessions/${id}`, { method: 'DELETE' });
    assert.equal(await stateOf(id), undefined);
    await until('the viewer to notice', () =>
      second.evaluate(() => {
        const { pc } = (window as unknown as { viewer: { pc: { connectionState: string } } }).viewer;
        return pc.connectionState === 'connected' ? undefined : true;
      }),
    );
    await first.close();
    await second.close();
  });

  test('the legacy API streams MJPEG into an <img> while it generates', async () => {
    const started = await post('/api/inference/start', { avatar_id: 'demo', audio_path: 'demo/speech.wav' });
    assert.equal(started.status, 200, JSON.stringify(started.json));
    const page = await browser.newPage();
    await page.goto(`${server.url}/healthz`);
    const width = await page.evaluate(async (src) => {
      const image = new Image();
      image.src = src;
      document.body.append(image);
      for (let i = 0; i < 100 && image.naturalWidth === 0; i += 1)
        await new Promise((resolve) => setTimeout(resolve, 50));
      return image.naturalWidth;
    }, String(started.json['stream_url']));
    assert.ok(width > 100, `the <img> is ${width} px wide`);
    await page.close();
    const id = String(started.json['session_id']);
    assert.match(id, /^demo_\d+$/);
    const stopped = await post(`/api/inference/stop/${id}`, {});
    assert.deepEqual(stopped.json, { status: 'success', message: `Session ${id} stopped` });
  });

  test('a session that nobody watches ends by itself', async () => {
    const { json } = await post('/v1/sessions', { avatar: 'demo' });
    await until('the lonely session to end', async () =>
      (await stateOf(String(json['id']))) === undefined ? true : undefined,
    );
  });
});

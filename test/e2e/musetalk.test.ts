/// <reference lib="dom" />
import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { makeMedia, sharedFile } from '../helpers/media.js';
import { postJsonTo, startTestServer, until, type TestServer } from '../helpers/server.js';
import { stubModels } from '../helpers/stub-models.js';
import {
  connectViewer,
  disconnectViewer,
  measure,
  type Measured,
  type Region,
} from '../helpers/whep-page.js';

/**
 * The MuseTalk engine end to end with stand-in networks: a real face, real speech, real worker processes, a real
 * browser. The stand-ins paint the face in blocks and tint its lower half by the sound, so what is generated is told
 * from what is not by looking at the mouth.
 */

const sun = sharedFile('video/sun.mp4');
const eng = sharedFile('audio/eng.wav');
const skip =
  chromiumPath() === undefined
    ? 'Chromium is not installed'
    : sun === undefined || eng === undefined
      ? 'the test media are not here'
      : false;

let models: string;
let server: TestServer;
let browser: Browser;

interface SessionAnswer {
  id: string;
  state: string;
  engine: string;
  engineMode: string;
  engineReason: string;
  rendering: { progress: number }[];
  stats: Record<string, number>;
}

const post = (route: string, body: object) => postJsonTo(server, route, body);

async function session(id: string): Promise<SessionAnswer> {
  return (await (await fetch(`${server.url}/v1/sessions/${id}`)).json()) as SessionAnswer;
}

async function start(flags: readonly string[]): Promise<void> {
  models = await stubModels();
  server = await startTestServer(['--engine', 'musetalk', '--musetalk-dir', models, ...flags]);
  browser = await openBrowser();
  // Two seconds of her are enough to see.
  const clip = path.join(server.dataDir, 'sun.mp4');
  await makeMedia(['-i', sun ?? '', '-t', '2', '-c:v', 'libx264', '-crf', '12', '-pix_fmt', 'yuv420p', clip]);
  // It begins with three seconds of room.
  await makeMedia(['-ss', '3', '-i', eng ?? '', '-t', '20', path.join(server.dataDir, 'speech.wav')]);
  const created = await post('/api/avatar/create', { avatar_id: 'sun', video_path: clip });
  assert.equal(created.status, 200, JSON.stringify(created.json));
}

async function stop(): Promise<void> {
  await browser?.close();
  await server?.close();
  await rm(models, { recursive: true, force: true });
}

/** The lower half of the face box of the first picture, as fractions of the picture. */
async function lowerFace(): Promise<Region> {
  const folder = path.join(server.dataDir, 'avatars', 'sun');
  const read = async (name: string) =>
    JSON.parse(await readFile(path.join(folder, name), 'utf8')) as Record<string, unknown>;
  const { widthPx, heightPx } = (await read('manifest.json')) as Record<string, number>;
  const { pictures } = (await read('musetalk/material.json')) as {
    pictures: { box: { x1: number; y1: number; x2: number; y2: number } }[];
  };
  const { x1, y1, x2, y2 } = pictures[0]!.box;
  const [width, height] = [widthPx ?? 1, heightPx ?? 1];
  const inset = (x2 - x1) * 0.25;
  return {
    left: (x1 + inset) / width,
    right: (x2 - inset) / width,
    top: (y1 + (y2 - y1) * 0.6) / height,
    bottom: (y1 + (y2 - y1) * 0.85) / height,
  };
}

/** What the stand-ins draw is of another colour than she is, in blocks, and its tint follows the sound. */
function assertGenerated(rest: Measured, speech: Measured): void {
  assert.ok(
    Math.abs(speech.regionBlue - rest.regionBlue) > 0.03,
    `the mouth's share of blue is ${rest.regionBlue} in silence and ${speech.regionBlue} in speech`,
  );
  assert.ok(
    speech.regionChange > rest.regionChange,
    `${speech.regionChange}, not above ${rest.regionChange}`,
  );
}

async function viewer(id: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${server.url}/healthz`);
  await connectViewer(page, `${server.url}/whep/${id}`);
  return page;
}

describe('the MuseTalk engine, live', { skip }, () => {
  before(() => start([]));
  after(stop);

  test('a face speaks through generated pictures, and idles through its own', async () => {
    const { status, json } = await post('/v1/sessions', { avatar: 'sun' });
    assert.equal(status, 201, JSON.stringify(json));
    const created = json as unknown as SessionAnswer;
    assert.equal(created.engine, 'musetalk');
    assert.equal(created.engineMode, 'live', created.engineReason);
    assert.match(created.engineReason, /a face takes [\d.]+ ms/);
    const mouth = await lowerFace();
    const page = await viewer(created.id);
    const rest = await measure(page, 2000, mouth);
    assert.equal((await post(`/v1/sessions/${created.id}/utterances`, { path: 'speech.wav' })).status, 201);
    await until('speech', async () => ((await session(created.id)).state === 'speaking' ? true : undefined));
    const speech = await measure(page, 5000, mouth);
    assert.ok(speech.framesPerSecond > 20, `${speech.framesPerSecond} pictures a second`);
    assert.ok(speech.soundRms > 0.01, `sound RMS ${speech.soundRms}`);
    assertGenerated(rest, speech);
    assert.equal(await disconnectViewer(page), 200);
    await page.close();
    await fetch(`${server.url}/v1/sessions/${created.id}`, { method: 'DELETE' });
  });

  test('the CPU engine is still there for who asks, another engine is refused by name', async () => {
    const cpu = await post('/v1/sessions', { avatar: 'sun', engine: 'cpu' });
    assert.equal(cpu.json['engine'], 'cpu');
    await fetch(`${server.url}/v1/sessions/${String(cpu.json['id'])}`, { method: 'DELETE' });
    const other = await post('/v1/sessions', { avatar: 'sun', engine: 'wav2lip' });
    assert.equal(other.status, 501);
    assert.match(String(other.json['detail']), /cpu and musetalk, not wav2lip/);
  });
});

describe('the MuseTalk engine, rendering before it plays', { skip }, () => {
  before(() => start(['--engine-mode', 'prerendered']));
  after(stop);

  test('speech is rendered first, with progress, and then plays with generated pictures', async () => {
    const { json } = await post('/v1/sessions', { avatar: 'sun' });
    const created = json as unknown as SessionAnswer;
    assert.equal(created.engineMode, 'prerendered', created.engineReason);
    const mouth = await lowerFace();
    const page = await viewer(created.id);
    const rest = await measure(page, 1500, mouth);
    const events = await fetch(`${server.url}/v1/sessions/${created.id}/events`);
    const reader = events.body!.getReader();
    assert.equal((await post(`/v1/sessions/${created.id}/utterances`, { path: 'speech.wav' })).status, 201);
    let told = '';
    while (!told.includes('"progress":1}')) {
      const { value, done } = await reader.read();
      assert.ok(!done, `the events ended: ${told}`);
      told += Buffer.from(value).toString();
    }
    await reader.cancel();
    assert.match(told, /event: utterance.rendering\ndata: \{"utteranceId":"[^"]+","progress":0\}/);
    const speech = await measure(page, 4000, mouth);
    assert.ok(speech.framesPerSecond > 20, `${speech.framesPerSecond} pictures a second`);
    assert.ok(speech.soundRms > 0.01, `sound RMS ${speech.soundRms}`);
    assertGenerated(rest, speech);
    assert.deepEqual((await session(created.id)).rendering, []);
    await page.close();
  });
});

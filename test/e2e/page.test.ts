/// <reference lib="dom" />
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { findFfmpeg, runFfmpeg } from '../../src/adapters/ffmpeg.js';
import { silentLog } from '../../src/lib/log.js';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { startTestServer, until, type TestServer } from '../helpers/server.js';
import { startStandIn, type StandIn } from '../helpers/speech-stand-in.js';

/** The pages as a visitor uses them. */

const skip = chromiumPath() === undefined ? 'Chromium is not installed' : false;

let server: TestServer;
let browser: Browser;
let service: StandIn;

/** Opens a page and collects what it asks of other hosts and what it throws. */
async function open(route: string, width = 1280, height = 800): Promise<{ page: Page; faults: string[] }> {
  const page = await browser.newPage({ viewport: { width, height } });
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url) && /^https?:/.test(request.url())) faults.push(request.url());
  });
  await page.goto(server.url + route);
  return { page, faults };
}

const state = (page: Page, ...wanted: string[]) =>
  page.waitForFunction((names) => names.includes(document.body.dataset['state'] ?? ''), wanted, {
    timeout: 20_000,
  });

const sessions = async (): Promise<{ id: string; avatar: string }[]> =>
  (
    (await (await fetch(`${server.url}/v1/sessions`)).json()) as {
      sessions: { id: string; avatar: string }[];
    }
  ).sessions;

describe('the pages', { skip }, () => {
  before(async () => {
    service = await startStandIn();
    server = await startTestServer([
      ...['--speech-url', service.url, '--chat-url', service.url, '--chat-model', 'parrot'],
    ]);
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await service?.close();
  });

  test('a visitor presses Speak, sees figures, presses Stop; leaving ends the session', async () => {
    const { page, faults } = await open('/');
    await page.waitForFunction(() => document.body.dataset['transport'] === 'webrtc', null, {
      timeout: 20_000,
    });
    await page.click('#speak');
    await state(page, 'speaking');
    await page.waitForFunction(
      () => /512×600.*fps/.test(document.querySelector('#figures')?.textContent ?? ''),
      null,
      { timeout: 10_000 },
    );
    assert.equal(await page.evaluate(() => document.querySelector('video')?.muted), false);
    await page.click('#stop');
    await state(page, 'live', 'idle');
    assert.deepEqual(faults, []);
    await page.goto('about:blank');
    await until('the session to end', async () => ((await sessions()).length === 0 ? true : undefined));
    await page.close();
  });

  test('a visitor lets it say a text, and chats; neither is offered where no service is named', async () => {
    const { page, faults } = await open('/');
    await page.waitForFunction(() => document.body.dataset['transport'] === 'webrtc', null, {
      timeout: 20_000,
    });
    await page.getByRole('radio', { name: 'Text' }).check();
    await page.click('#speak');
    assert.match((await page.textContent('#message')) ?? '', /write the text/);
    await page.fill('#sound-text', 'Hello, visitor.');
    await page.click('#speak');
    await state(page, 'speaking');
    await page.getByRole('radio', { name: 'Chat' }).check();
    await page.fill('#sound-chat', 'Who are you?');
    await page.press('#sound-chat', 'Enter');
    await until('the answer to be spoken', () => service.spoken().includes('Yes.') || undefined);
    assert.deepEqual(service.spoken(), ['Hello, visitor.', 'Yes.']);
    await page.waitForFunction(() => document.querySelector<HTMLInputElement>('#sound-chat')?.value === '');
    assert.deepEqual(faults, []);
    await page.route('**/v1', (route) => route.fulfill({ json: { text: false, chat: false } }));
    await page.reload();
    await state(page, 'live');
    for (const id of ['#offer-text', '#offer-chat']) assert.equal(await page.isVisible(id), false);
    await page.close();
  });

  test('a visitor records, stops, and saves what was seen and heard', async () => {
    const { page, faults } = await open('/');
    await page.waitForFunction(() => document.body.dataset['transport'] === 'webrtc', null, {
      timeout: 20_000,
    });
    await page.click('#record');
    await page.waitForFunction(
      () => /^Stop recording \(0:0[2-9]\)$/.test(document.querySelector('#record')?.textContent ?? ''),
      null,
      { timeout: 20_000 },
    );
    assert.equal(await page.getAttribute('#record', 'aria-pressed'), 'true');
    await page.click('#record');
    await page.waitForSelector('#recording-webm');
    assert.match((await page.textContent('#recording-webm')) ?? '', /^Save 0:0\d as WebM \(\d\.\d MB\)$/);
    const saving = page.waitForEvent('download');
    await page.click('#recording-webm');
    const saved = await saving;
    assert.match(saved.suggestedFilename(), /\.webm$/);
    assert.equal((await readFile(await saved.path())).subarray(0, 4).toString('hex'), '1a45dfa3');
    if ((await findFfmpeg({ log: silentLog })).codesH264) {
      const making = page.waitForEvent('download', { timeout: 60_000 });
      await page.click('#recording-mp4');
      assert.match((await making).suggestedFilename(), /\.mp4$/);
    }
    assert.equal(await page.textContent('#record'), 'Record');
    assert.deepEqual(faults, []);
    await page.close();
  });

  test('a visitor uploads a photo and it is selected when it is ready; a text file is refused in words', async () => {
    const { page, faults } = await open('/');
    await page.setInputFiles('#avatar-file', 'web/public/demo/portrait.jpg');
    await page.fill('#avatar-id', 'grace');
    await page.click('#create');
    await page.waitForSelector('#avatars li[data-avatar-id="grace"][data-state="ready"]', {
      timeout: 30_000,
    });
    await page.setInputFiles('#avatar-file', {
      name: 'x.png',
      mimeType: 'image/png',
      buffer: Buffer.from('no picture '.repeat(20)),
    });
    await page.fill('#avatar-id', 'broken');
    await page.click('#create');
    await page.waitForFunction(
      () => (document.querySelector('#create-error')?.textContent ?? '').length > 10,
      null,
      { timeout: 20_000 },
    );
    assert.equal(await page.locator('#avatars li[data-avatar-id="broken"][data-state="ready"]').count(), 0);
    assert.deepEqual(faults, []);
    await page.close();
  });

  test('another avatar takes the place of one that speaks, in the same session', async () => {
    // Those of pages that were closed linger.
    const others = (await sessions()).map(({ id }) => id);
    const { page, faults } = await open('/');
    await page.waitForFunction(() => document.body.dataset['transport'] === 'webrtc', null, {
      timeout: 20_000,
    });
    await page.click('#speak');
    await state(page, 'speaking');
    const own = async () => (await sessions()).filter(({ id }) => !others.includes(id));
    const [before] = await own();
    await page.click('#avatars li[data-avatar-id="grace"] button');
    await until('the change', async () =>
      (await own()).find(({ id, avatar }) => id === before?.id && avatar === 'grace'),
    );
    assert.equal((await own()).length, 1, 'no session but that one');
    assert.equal(await page.evaluate(() => document.body.dataset['state']), 'speaking');
    assert.deepEqual(faults, []);
    await page.goto('about:blank');
    await until('the session to end', async () => ((await own()).length === 0 ? true : undefined));
    await page.close();
  });

  test('a film that is too long is converted in the browser before it is sent', async () => {
    const film = path.join(server.dataDir, 'long.mp4');
    const ffmpeg = await findFfmpeg({ log: silentLog });
    const loop = [
      '-loop',
      '1',
      '-i',
      'web/public/demo/portrait.jpg',
      '-t',
      '4',
      '-r',
      '25',
      '-pix_fmt',
      'yuv420p',
    ];
    const make = runFfmpeg(ffmpeg, [...loop, '-c:v', 'libx264', '-preset', 'ultrafast', film]);
    make.stdout.resume();
    await make.done;
    // The limit is a minute; the address lowers it so that the test need not wait for one.
    const { page, faults } = await open('/?shrink-over=2');
    const order: string[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('ffmpeg-core.wasm')) order.push('core');
      if (request.method() === 'POST' && request.url().endsWith('/v1/avatars')) order.push('upload');
    });
    const upload = page.waitForRequest(
      (request) => request.method() === 'POST' && request.url().endsWith('/v1/avatars'),
      {
        timeout: 60_000,
      },
    );
    assert.deepEqual(order, [], 'the converter is loaded only when it is needed');
    await page.setInputFiles('#avatar-file', film);
    await page.fill('#avatar-id', 'short');
    await page.click('#create');
    await page.waitForFunction(
      () => !(document.querySelector('#create-work') as HTMLElement | null)?.hidden,
      null,
      { timeout: 10_000 },
    );
    await upload;
    await page.waitForSelector('#avatars li[data-avatar-id="short"][data-state="ready"]', {
      timeout: 60_000,
    });
    assert.deepEqual(order, ['core', 'upload']);
    const { frameCount } = (await (await fetch(`${server.url}/v1/avatars/short`)).json()) as {
      frameCount: number;
    };
    assert.ok(frameCount >= 98 && frameCount <= 102, `${frameCount} pictures of four seconds`);
    assert.deepEqual(faults, []);
    await page.close();
  });

  test('on a phone nothing sticks out sideways and Speak is a thumb wide', async () => {
    const { page } = await open('/', 390, 844);
    await state(page, 'live', 'idle', 'connecting');
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    const box = await page.locator('#speak').boundingBox();
    assert.ok(box !== null && box.height >= 40 && box.width >= 150, JSON.stringify(box));
    await page.close();
  });

  test('the bot page starts by itself, with sound, and comes back when its session ends', async () => {
    const { page, faults } = await open('/bot/demo', 1280, 720);
    await state(page, 'live');
    assert.equal(await page.evaluate(() => document.querySelector('video')?.muted), false);
    const first = await page.evaluate(() => document.body.dataset['session']);
    await fetch(`${server.url}/v1/sessions/${first}`, { method: 'DELETE' });
    await page.waitForFunction(
      (before) => document.body.dataset['state'] === 'live' && document.body.dataset['session'] !== before,
      first,
      { timeout: 30_000 },
    );
    assert.deepEqual(faults, []);
    await page.close();
  });

  for (const route of ['/docs', '/redoc']) {
    test(`${route} shows the API without asking any other host`, async () => {
      const { page, faults } = await open(route);
      await page.waitForFunction(() => document.body.textContent?.includes('/api/inference/start'), null, {
        timeout: 20_000,
      });
      assert.deepEqual(faults, []);
      await page.close();
    });
  }
});

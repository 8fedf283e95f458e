/// <reference lib="dom" />
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { startTestServer, type TestServer } from '../helpers/server.js';

/** The connection test as a visitor sees it. */

const skip = chromiumPath() === undefined ? 'Chromium is not installed' : false;

describe('the page /diagnose', { skip }, () => {
  let server: TestServer;
  let browser: Browser;
  before(async () => {
    server = await startTestServer();
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  async function done(page: Page): Promise<string> {
    await page.goto(`${server.url}/diagnose`);
    await page.waitForFunction(() => document.body.dataset['state'] !== 'running', null, { timeout: 60_000 });
    return page.evaluate(() => document.body.dataset['state'] ?? '');
  }

  const marks = (page: Page, list: string) => page.locator(`#${list} .mark`).allTextContents();

  test('says that everything works, with figures, and hands out the report', async () => {
    const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    const state = await done(page);
    const words = await page.locator('main').innerText();
    assert.equal(state, 'good', words);
    assert.deepEqual(await marks(page, 'browser-checks'), Array<string>(8).fill('✓'), words);
    assert.ok((await marks(page, 'server-checks')).length >= 6, words);
    for (const said of [
      /Connected to \S+:\d+ over UDP/,
      /Agreed on opus and VP8/,
      /first key picture was decoded, \d+×\d+/,
      /packets of sound arrived, the last of about \d+ bytes each: speech/,
      /Round trip \d+ ms, \d+\.\d % of the packets lost/,
      /Inside the server everything works/,
    ])
      assert.match(words, said);
    await page.click('#copy');
    await page.waitForFunction(() => document.querySelector('#copied')?.textContent === 'Copied.');
    const report = JSON.parse(await page.evaluate(() => navigator.clipboard.readText())) as {
      browser: { steps: unknown[] };
      server: { icePort: number };
    };
    assert.equal(report.browser.steps.length, 8);
    assert.ok(report.server.icePort > 0);
    assert.deepEqual(faults, []);
    await context.close();
    // What it opened is gone again.
    const { sessions } = (await (await fetch(`${server.url}/v1/sessions`)).json()) as { sessions: unknown[] };
    assert.deepEqual(sessions, []);
  });

  test('says in words that no candidate pair works', async () => {
    const page = await browser.newPage();
    await page.route('**/whep/*', async (route) => {
      if (route.request().method() !== 'POST') return route.fallback();
      const answer = await route.fetch();
      // Nobody answers there; ports below 1024 are not even tried by browsers.
      const body = (await answer.text()).replace(
        /^(a=candidate:.* )\d+( typ host)/gm,
        (_, head: string, tail: string) => `${head}1029${tail}`,
      );
      return route.fulfill({ response: answer, body });
    });
    assert.equal(await done(page), 'bad');
    const words = await page.locator('#browser-advice').innerText();
    assert.match(words, /^No candidate pair works: tried .*host to host udp/);
    assert.match(words, /firewall blocks the port/);
    assert.match(words, /No relay was tried, since the server names no TURN server/);
    assert.deepEqual(await marks(page, 'browser-checks'), ['✓', '✓', '✗', '–', '–', '–', '–', '–']);
    await page.close();
  });

  test('says what the server refused', async () => {
    const page = await browser.newPage();
    await page.route('**/whep/*', (route) =>
      route.request().method() === 'POST'
        ? route.fulfill({
            status: 422,
            contentType: 'application/problem+json',
            body: JSON.stringify({ detail: 'the offer offers no VP8 for video' }),
          })
        : route.fallback(),
    );
    await page.route('**/v1/diagnose', (route) => route.abort());
    assert.equal(await done(page), 'bad');
    assert.match(
      await page.locator('#browser-advice').innerText(),
      /The server refused the offer: the offer offers no VP8 for video/,
    );
    assert.match(await page.locator('#server-advice').innerText(), /did not test itself/);
    await page.close();
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { startTestServer, until } from '../helpers/server.js';

for (const flags of [[], ['--senders', '1']])
  test(
    `a visitor speaks with the microphone, does not hear the own voice, and switches it off ${flags.join(' ')}`,
    { skip: chromiumPath() === undefined ? 'Chromium is not installed' : false },
    async (t) => {
      const server = await startTestServer(flags);
      t.after(() => server.close());
      // A microphone that beeps once a second, and no question whether it may be used.
      const browser = await openBrowser([
        '--use-fake-ui-for-media-stream',
        '--use-fake-device-for-media-stream',
      ]);
      t.after(() => browser.close());
      const page = await browser.newPage();
      const faults: string[] = [];
      page.on('pageerror', (error) => faults.push(error.message));
      await page.goto(server.url);
      await page.waitForFunction(() => document.body.dataset['transport'] === 'webrtc', null, {
        timeout: 20_000,
      });
      const get = async (path: string): Promise<Record<string, unknown>> =>
        (await (await fetch(`${server.url}/v1/sessions${path}`)).json()) as Record<string, unknown>;
      const [{ id } = { id: '' }] = (await get(''))['sessions'] as { id: string }[];
      await page.click('#microphone');
      await page.waitForSelector('#microphone[aria-pressed="true"]', { timeout: 10_000 });
      await until('the avatar to say it', async () => {
        const utterances = (await get(`/${id}/utterances`))['utterances'] as { playedMs: number }[];
        return utterances.some(({ playedMs }) => playedMs > 100) || undefined;
      });
      const muted = (): Promise<boolean | undefined> =>
        page.evaluate(() => document.querySelector('video')?.muted);
      assert.equal(await muted(), true);
      await page.uncheck('#mute-echo');
      assert.equal(await muted(), false);
      await page.click('#microphone');
      await page.waitForSelector('#microphone[aria-pressed="false"]');
      await until(
        'the session to be rid of it',
        async () => (await get(`/${id}`))['live'] === undefined || undefined,
      );
      assert.deepEqual(faults, []);
    },
  );

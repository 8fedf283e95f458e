import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { startTestServer, type TestServer } from '../helpers/server.js';
import { watchLossy } from '../helpers/watch-lossy.js';

/** A viewer in Chromium behind a bad line. `npm run bench:loss` measures the same for longer and prints it. */

const skip = chromiumPath() === undefined ? 'Chromium is not installed' : false;

let server: TestServer;
let browser: Browser;

describe('a lossy line', { skip }, () => {
  before(async () => {
    server = await startTestServer();
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  test('at 5 % loss in both directions the picture goes on and the sound does not break', async () => {
    const policy = { lossShare: 0.05, delayMs: 10 };
    const watch = await watchLossy({ server, browser, seconds: 20, policy });
    const seen = JSON.stringify(watch);
    assert.ok(watch.line.lost > 30, `packets did get lost: ${seen}`);
    // Well above what is measured on a machine that has nothing else to do, well below what a lost picture costs.
    assert.ok(watch.picture.freezeShare < 0.12, `${watch.picture.freezeShare} of the time frozen: ${seen}`);
    assert.ok(watch.picture.fps > 15, `${watch.picture.fps} pictures a second: ${seen}`);
    assert.equal(watch.sound.gaps, 0, `sound gaps: ${seen}`);
    assert.ok(watch.stats.retransmittedPacketsReceived > 5, `lost packets were sent again: ${seen}`);
  });

  test('a line that breaks off is seen as a freeze and heard as a gap', async () => {
    // About a second on, a second off: what the measure must not miss.
    const policy = { lossShare: 0.5, lossBurstPackets: 160, delayMs: 10 };
    const watch = await watchLossy({ server, browser, seconds: 8, policy });
    assert.ok(watch.picture.freezeShare > 0.1, JSON.stringify(watch));
    assert.ok(watch.sound.gaps > 0, JSON.stringify(watch));
  });
});

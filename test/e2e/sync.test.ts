import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { FlashServer } from '../helpers/flash-server.js';
import { runSync } from '../helpers/sync-run.js';

const SECONDS = 60;
/** About one beep a second. */
const FEWEST_PAIRS = 45;
/**
 * Generous, as browsers correct slowly what a busy machine does to them: `bench:sync` holds the figures against the goal.
 * What this shall notice, sender reports that are wrong, sets the two 150 to 300 ms apart.
 */
const MOST_MEDIAN_MS = 45;
const MOST_P95_MS = 120;

test(
  'picture and sound stay together for a viewer',
  { skip: chromiumPath() === undefined ? 'Chromium is not installed' : false },
  async (t) => {
    const server = await FlashServer.start();
    t.after(() => server.close());
    const browser = await openBrowser();
    t.after(() => browser.close());
    const { points, ...figures } = await runSync({ server, browser, seconds: SECONDS });
    t.diagnostic(JSON.stringify(figures));
    assert.ok(points.length >= FEWEST_PAIRS, `${points.length} flashes with their beeps`);
    assert.ok(figures.unpaired <= 5, `${figures.unpaired} flashes or beeps alone`);
    assert.ok(Math.abs(figures.skewMedianMs) <= MOST_MEDIAN_MS, `median skew ${figures.skewMedianMs} ms`);
    assert.ok(figures.skewP95Ms <= MOST_P95_MS, `|skew| p95 ${figures.skewP95Ms} ms`);
  },
);

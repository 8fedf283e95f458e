import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { startTestServer } from '../helpers/server.js';
import { connectViewer, disconnectViewer } from '../helpers/whep-page.js';

/** Ms from a viewer's click to its first decoded picture, headless Chromium on loopback: `npm run bench:first-frame`. */

const RUNS = 10;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

if (chromiumPath() === undefined) {
  process.stderr.write('bench:first-frame needs Chromium (Debian: apt-get install chromium)\n');
  process.exit(1);
}
const server = await startTestServer();
const browser = await openBrowser();
try {
  const created = await fetch(`${server.url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ avatar: 'demo' }),
  });
  const { id } = (await created.json()) as { id: string };
  const times: number[] = [];
  for (let run = 0; run <= RUNS; run += 1) {
    const page = await browser.newPage();
    await page.goto(`${server.url}/healthz`);
    const ms = await connectViewer(page, `${server.url}/whep/${id}`);
    if (run > 0) times.push(ms); // The first one warms the browser up.
    await disconnectViewer(page);
    await page.close();
  }
  const result = {
    bench: 'first-frame',
    runs: RUNS,
    medianMs: Math.round(median(times)),
    minMs: Math.round(Math.min(...times)),
    maxMs: Math.round(Math.max(...times)),
  };
  process.stdout.write(
    `first frame, ms    min ${result.minMs}   median ${result.medianMs}   max ${result.maxMs}   (${RUNS} viewers one after another)\n`,
  );
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
  await browser.close();
  await server.close();
}

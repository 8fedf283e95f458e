import { parseArgs } from 'node:util';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { FlashServer } from '../helpers/flash-server.js';
import { GOAL_MS } from '../helpers/sync-figures.js';
import { runSync } from '../helpers/sync-run.js';
import { writePlots } from './plot/plot.js';

/**
 * How far picture and sound are apart for a viewer: `npm run bench:sync -- [--seconds 60] [--plot FILE.png] [--json]`.
 * A real server flashes at every beep; headless Chromium plays it over WHEP; each flash is measured against its beep.
 * The last line of `--json` is one JSON object.
 */

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    plot: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const say = (text: string) => process.stdout.write(`${text}\n`);
function refuse(reason: string): never {
  process.stderr.write(`${reason}\n`);
  process.exit(2);
}
if (!Number.isInteger(seconds) || seconds < 5) refuse('--seconds takes a whole number from 5 on');
if (chromiumPath() === undefined) refuse('bench:sync needs Chromium (Debian: apt-get install chromium)');

/** A line each second at first, then each minute. */
const isTold = (atS: number) => atS <= 60 || atS % 60 === 0;
const ms = (value: number | undefined) =>
  value === undefined || Number.isNaN(value) ? '-' : `${value >= 0 ? '+' : ''}${value.toFixed(1)} ms`;
const round = (value: number) => Number(value.toFixed(2));

const server = await FlashServer.start();
const browser = await openBrowser();
try {
  const { points, ...figures } = await runSync({
    ...{ server, browser, seconds },
    onSecond: ({ atS, skewMs, pairs, ownEstimateMs }) => {
      if (isTold(atS))
        say(
          `${String(atS).padStart(5)} s   skew ${ms(skewMs)}   ${pairs} pairs   (the browser believes ${ms(-ownEstimateMs)})`,
        );
    },
  });
  const result = {
    bench: 'sync',
    seconds,
    ...Object.fromEntries(
      Object.entries(figures).map(([name, value]) => [name, value === undefined ? null : round(value)]),
    ),
  };
  say(
    `skew |p50| ${figures.skewP50Ms.toFixed(1)} ms, |p95| ${figures.skewP95Ms.toFixed(1)} ms, median ${ms(figures.skewMedianMs)} (positive: picture late)`,
  );
  say(
    `slope ${figures.slopeMsPer10Min.toFixed(2)} ms in 10 min, ${figures.pairs} pairs, ${figures.unpaired} unpaired`,
  );
  say(
    `drawn to shown p50 ${figures.latencyP50Ms.toFixed(0)} ms, p95 ${figures.latencyP95Ms.toFixed(0)} ms; sent to shown p50 ${figures.sentToShownP50Ms.toFixed(0)} ms, p95 ${figures.sentToShownP95Ms.toFixed(0)} ms`,
  );
  if (values.plot !== undefined) {
    const inMinutes = seconds > 300;
    await writePlots(browser, values.plot, [
      {
        title: `Flash against beep over ${seconds} s: |skew| p95 ${figures.skewP95Ms.toFixed(1)} ms, slope ${figures.slopeMsPer10Min.toFixed(2)} ms in 10 min`,
        xLabel: `${inMinutes ? 'minutes' : 'seconds'} since the first picture`,
        yLabel: 'skew, ms (above 0: picture late)',
        series: [
          {
            style: 'dots',
            colour: '#1565c0',
            points: points.map(({ atMs, skewMs }) => ({ x: atMs / (inMinutes ? 60_000 : 1000), y: skewMs })),
          },
        ],
        marks: [GOAL_MS, -GOAL_MS],
      },
    ]);
    say(`plot: ${values.plot}`);
  }
  if (values.json) say(JSON.stringify(result));
} finally {
  await browser.close();
  await server.close();
}

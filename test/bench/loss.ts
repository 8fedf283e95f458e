import { chromiumPath, openBrowser } from '../helpers/browser.js';
import type { LinkPolicy } from '../helpers/relay-link.js';
import { startTestServer } from '../helpers/server.js';
import { watchLossy, type LossyWatch } from '../helpers/watch-lossy.js';
import { takeOwnOptions } from '../../src/cli/own-options.js';

/**
 * How much of the time the picture stands still and whether the sound holds when packets get lost in both directions:
 * `npm run bench:loss -- [--seconds 60] [--delay 10] [--cases 0,2,5,10,5burst] [--json]`. The delay is one way, in ms.
 */

const CASES: Readonly<Record<string, Partial<LinkPolicy>>> = {
  '0': { lossShare: 0 },
  '2': { lossShare: 0.02 },
  '5': { lossShare: 0.05 },
  '10': { lossShare: 0.1 },
  '5burst': { lossShare: 0.05, lossBurstPackets: 4 },
};

const { own } = takeOwnOptions(process.argv.slice(2), ['seconds', 'delay', 'cases']);
const seconds = Number(own.get('seconds') ?? 60);
const delayMs = Number(own.get('delay') ?? 10);
const names = (own.get('cases') ?? Object.keys(CASES).join(',')).split(',');
const unknown = names.find((name) => CASES[name] === undefined);
if (!(seconds >= 5) || !(delayMs >= 0) || unknown !== undefined) {
  process.stderr.write(
    `--seconds is 5 or more, --delay 0 or more, --cases of ${Object.keys(CASES).join(',')}\n`,
  );
  process.exit(2);
}
if (chromiumPath() === undefined) {
  process.stderr.write('bench:loss needs Chromium (Debian: apt-get install chromium)\n');
  process.exit(1);
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
const COLUMNS: readonly [string, (watch: LossyWatch) => string][] = [
  ['lost', ({ line }) => percent(line.lost / line.packets)],
  ['frozen', ({ picture }) => percent(picture.freezeShare)],
  ['freezes', ({ picture }) => `${picture.freezes}/${(picture.freezeMs / 1000).toFixed(1)} s`],
  ['by stats', ({ stats }) => `${stats.freezeCount}/${(stats.totalFreezesMs / 1000).toFixed(1)} s`],
  ['longest', ({ picture }) => `${Math.round(picture.longestGapMs)} ms`],
  ['fps', ({ picture }) => picture.fps.toFixed(1)],
  ['decoded', ({ stats }) => String(stats.framesDecoded)],
  ['key', ({ stats }) => String(stats.keyFramesDecoded)],
  ['PLI', ({ stats }) => String(stats.pliCount)],
  ['NACK', ({ stats }) => String(stats.nackCount)],
  ['RTX', ({ stats }) => String(stats.retransmittedPacketsReceived)],
  ['sound gaps', ({ sound }) => `${sound.gaps}/${sound.gapMs} ms`],
  ['concealed', ({ concealedShare }) => percent(concealedShare)],
  ['FEC', ({ stats }) => String(stats.fecPacketsReceived)],
  ['RTT', ({ rttMs }) => `${rttMs.toFixed(0)} ms`],
];
const row = (cells: readonly string[]): string =>
  `${cells.map((cell, i) => (i === 0 ? cell.padEnd(8) : cell.padStart(12))).join('')}\n`;

const server = await startTestServer();
const browser = await openBrowser();
try {
  process.stdout.write(row(['loss %', ...COLUMNS.map(([title]) => title)]));
  const watched: Record<string, LossyWatch> = {};
  for (const [seed, name] of names.entries()) {
    const policy = { ...CASES[name], delayMs };
    const watch = await watchLossy({ server, browser, seconds, policy, seed: seed + 1 });
    watched[name] = watch;
    process.stdout.write(row([name, ...COLUMNS.map(([, cell]) => cell(watch))]));
  }
  if (process.argv.includes('--json')) {
    const shares = Object.fromEntries(
      Object.entries(watched).map(([name, { picture }]) => [name, picture.freezeShare]),
    );
    const result = { bench: 'loss', seconds, delayMs, freezeShare: shares, cases: watched };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
} finally {
  await browser.close();
  await server.close();
}

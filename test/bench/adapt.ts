import { takeOwnOptions } from '../../src/cli/own-options.js';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { MeasuredViewer, type Diary } from '../helpers/measured-viewer.js';
import { postJsonTo, startTestServer } from '../helpers/server.js';
import { toneWav } from '../helpers/tone.js';
import { UdpRelay } from '../helpers/udp-relay.js';
import { viewingPhase, type ViewingPhase } from '../helpers/viewing-phase.js';
import { say } from '../helpers/watch-lossy.js';

/**
 * Two viewers of one session, A over a line that becomes narrow and wide again, B directly:
 * `npm run bench:adapt -- [--seconds 25] [--rates 1000,400,150] [--queue 300] [--delay 10] [--json]`. Rates are in
 * kbit/s with IP and UDP headers, the queue before the narrow line in ms, the delay one way in ms. Each rate lasts
 * `seconds`; before them and after them the line is wide.
 */

const LIVE_LIMIT_MS = 3000;
const BACK_LIMIT_MS = 10_000;
/** B has the machine's cores to share with two browsers' pages: a few pictures late is not the line's doing. */
const UNDISTURBED_GAP_MS = 300;
const UNDISTURBED_FPS_SHARE = 0.9;
/** Below that nobody calls a picture live. */
const LIVE_FPS = 5;

const { own } = takeOwnOptions(process.argv.slice(2), ['seconds', 'rates', 'queue', 'delay']);
const seconds = Number(own.get('seconds') ?? 25);
const rates = (own.get('rates') ?? '1000,400,150').split(',').map(Number);
const queueMs = Number(own.get('queue') ?? 300);
const delayMs = Number(own.get('delay') ?? 10);
if (!(seconds >= 5) || !rates.every((kbps) => kbps > 0) || !(queueMs > 0) || !(delayMs >= 0)) {
  process.stderr.write('--seconds is 5 or more, --rates are kbit/s, --queue and --delay are ms\n');
  process.exit(2);
}
if (chromiumPath() === undefined) {
  process.stderr.write('bench:adapt needs Chromium (Debian: apt-get install chromium)\n');
  process.exit(1);
}

interface Phase {
  readonly name: string;
  readonly a: ViewingPhase;
  readonly b: ViewingPhase;
  readonly pass: boolean;
  readonly undisturbed: boolean;
}

const server = await startTestServer();
const browser = await openBrowser();
const relay = await UdpRelay.start({ policy: { toServer: { delayMs }, toClient: { delayMs, queueMs } } });

async function openViewer(whepUrl: string, line?: UdpRelay): Promise<MeasuredViewer> {
  // A context each, so that the two do not share a renderer process.
  const page = await (await browser.newContext({ bypassCSP: true })).newPage();
  await page.goto(`${server.url}/healthz`);
  return MeasuredViewer.connect(page, whepUrl, line);
}

/** Takes both diaries now and then once a second. */
async function follow(viewers: readonly MeasuredViewer[], forSeconds: number): Promise<Diary[][]> {
  const diaries: Diary[][] = [await Promise.all(viewers.map((viewer) => viewer.take()))];
  for (let second = 0; second < forSeconds; second += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    diaries.push(await Promise.all(viewers.map((viewer) => viewer.take())));
  }
  return viewers.map((_, i) => diaries.map((both) => both[i]!));
}

/** Pictures a second from the moment on by which they should be live. */
function settledFps(phase: ViewingPhase): number {
  const settled = phase.seconds.slice(LIVE_LIMIT_MS / 1000);
  return settled.reduce((sum, { fps }) => sum + fps, 0) / settled.length;
}

function print({ name, a, b, pass, undisturbed }: Phase): void {
  const ms = (value: number | undefined): string =>
    value === undefined ? 'never' : `${Math.round(value)} ms`;
  const cells = [
    name.padEnd(6),
    `A ${pass ? 'pass' : 'FAIL'}`,
    `live after ${ms(a.liveAfterMs)}`,
    `full after ${ms(a.fullAfterMs)}`,
    `longest gap ${ms(a.longestGapMs)}`,
    `${a.fps.toFixed(1)} fps`,
    `${a.widthPx ?? 0} px`,
    `${a.receivedKbps.toFixed(0)} kbit/s`,
    `sound gaps ${a.sound.gaps}/${a.sound.gapMs} ms`,
    `| B ${undisturbed ? 'pass' : 'FAIL'}`,
    `longest gap ${ms(b.longestGapMs)}`,
    `${b.fps.toFixed(1)} fps`,
  ];
  process.stdout.write(`${cells.join('  ')}\n`);
  const each = (show: (second: ViewingPhase['seconds'][number]) => string | number): string =>
    a.seconds.map((second) => String(show(second)).padStart(4)).join(' ');
  process.stdout.write(`         fps    ${each(({ fps }) => Math.round(fps))}\n`);
  process.stdout.write(`         width  ${each(({ widthPx }) => widthPx ?? '-')}\n`);
  process.stdout.write(`         kbit/s ${each(({ receivedKbps }) => Math.round(receivedKbps))}\n`);
}

try {
  const { json } = await postJsonTo(server, '/v1/sessions', { avatar: 'demo' });
  const id = String(json['id']);
  const whepUrl = `${server.url}/whep/${id}`;
  const viewers = [await openViewer(whepUrl, relay), await openViewer(whepUrl)];
  await say(server, id, toneWav(seconds * (rates.length + 2) + 60));
  await viewers[0]?.hear();

  const phases: Phase[] = [];
  let before: { widthPx: number; fpsB: number } | undefined;
  for (const kbps of [undefined, ...rates, undefined]) {
    await relay.setPolicy({ toClient: { rateBps: kbps === undefined ? undefined : kbps * 1000 } });
    const [diariesA, diariesB] = await follow(
      viewers,
      before === undefined ? Math.min(10, seconds) : seconds,
    );
    const phaseOf = (diaries: Diary[] | undefined): ViewingPhase => {
      const [first, ...rest] = diaries ?? [];
      if (first === undefined) throw new Error('a viewer kept no diary');
      return viewingPhase([first, ...rest], before?.widthPx ?? 0);
    };
    const [a, b] = [phaseOf(diariesA), phaseOf(diariesB)];
    const isRelease = before !== undefined && kbps === undefined;
    before ??= { widthPx: a.widthPx ?? 0, fpsB: b.fps };
    const live = (a.liveAfterMs ?? Infinity) <= LIVE_LIMIT_MS && settledFps(a) >= LIVE_FPS;
    const back = (a.fullAfterMs ?? Infinity) <= BACK_LIMIT_MS;
    const phase: Phase = {
      name: kbps === undefined ? (isRelease ? 'after' : 'before') : String(kbps),
      a,
      b,
      pass: live && (!isRelease || back),
      undisturbed: b.longestGapMs <= UNDISTURBED_GAP_MS && b.fps >= UNDISTURBED_FPS_SHARE * before.fpsB,
    };
    phases.push(phase);
    print(phase);
  }
  for (const viewer of viewers) await viewer.close();
  const { toClient } = await relay.counters();
  process.stdout.write(
    `line: ${toClient.packets} packets, ${toClient.overflowed} dropped by the full queue\n`,
  );
  if (process.argv.includes('--json')) {
    const result = {
      ...{ bench: 'adapt', seconds, queueMs, delayMs },
      pass: phases.every(({ pass }) => pass),
      undisturbed: phases.every(({ undisturbed }) => undisturbed),
      backAfterMs: phases.at(-1)?.a.fullAfterMs ?? null,
      phases,
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
} finally {
  await browser.close();
  await relay.close();
  await server.close();
}

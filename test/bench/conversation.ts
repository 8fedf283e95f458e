import { readdirSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chromiumPath, openBrowser } from '../helpers/browser.js';
import { startTestServer } from '../helpers/server.js';
import { startStandIn } from '../helpers/speech-stand-in.js';
import { percentile } from '../helpers/sync-figures.js';
import { Talker } from '../helpers/talker.js';

/**
 * How a conversation feels: `npm run bench:conversation -- [--sessions 3] [--seconds 60] [--json]`. A real server, one
 * viewer a session in headless Chromium, one sender of live sound each: even speech that the viewer interrupts, in turns
 * with speech that arrives up to 400 ms late; then text of two sentences by a speech service in this process that is faster than speech; then a microphone in the
 * viewer's page (WHIP). All times are those of the viewer's browser.
 */

const { values } = parseArgs({
  options: {
    sessions: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '60' },
    json: { type: 'boolean', default: false },
  },
});
const sessions = Number(values.sessions);
const seconds = Number(values.seconds);
if (!Number.isInteger(sessions) || sessions < 1 || !(seconds >= 10)) {
  process.stderr.write('--sessions takes a whole number from 1 on, --seconds a number from 10 on\n');
  process.exit(2);
}
if (chromiumPath() === undefined) {
  process.stderr.write('bench:conversation needs Chromium (Debian: apt-get install chromium)\n');
  process.exit(1);
}
/** Of uneven speech, a round; longer where a run is longer. */
const MICROPHONE_ROUNDS = 5;
const TEXT_ROUNDS = 10;
const UNEVEN_S = Math.max(4, Math.round(seconds / 8));

const say = (text: string) => process.stdout.write(`${text}\n`);
const round = (value: number) => (Number.isFinite(value) ? Number(value.toFixed(1)) : null);

/** Memory of a process and all below it, MiB. */
function memoryOf(pid: number): number {
  const read = (name: string) => {
    try {
      return readFileSync(name, 'utf8');
    } catch {
      return ''; // gone meanwhile
    }
  };
  const children = readdirSync('/proc').filter(
    (name) =>
      /^\d+$/.test(name) &&
      read(`/proc/${name}/stat`)
        .replace(/^.*\) /, '')
        .split(' ')[1] === String(pid),
  );
  const own = Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
  return children.reduce((sum, child) => sum + memoryOf(Number(child)), own);
}

const service = await startStandIn();
const server = await startTestServer(['--speech-url', service.url]);
const browser = await openBrowser();
try {
  const emptyMb = memoryOf(server.child.pid ?? 0);
  const talkers = await Promise.all(
    Array.from({ length: sessions }, (_, i) => Talker.open(server, browser, 'demo', i + 1)),
  );
  const endMs = performance.now() + seconds * 1000;
  let fullMb = 0;
  await Promise.all(
    talkers.map(async (talker) => {
      while (performance.now() < endMs) {
        await talker.interruptedRound();
        await talker.unevenRound(UNEVEN_S);
        fullMb = Math.max(fullMb, memoryOf(server.child.pid ?? 0));
      }
    }),
  );
  await Promise.all(talkers.map((talker) => talker.textRounds(TEXT_ROUNDS)));
  await Promise.all(talkers.map((talker) => talker.microphoneRounds(MICROPHONE_ROUNDS)));
  const all = <
    K extends
      | 'firstFrameMs'
      | 'interruptMs'
      | 'silentMs'
      | 'shutMs'
      | 'eventLatenessMs'
      | 'depthMs'
      | 'micToLipsMs'
      | 'textMs'
      | 'textGapSamples',
  >(
    key: K,
  ) => talkers.flatMap(({ figures }) => figures[key]);
  const lateness = all('eventLatenessMs').map(Math.abs);
  const result = {
    bench: 'conversation',
    sessions,
    seconds,
    rounds: all('interruptMs').length,
    firstFrameMs: round(percentile(all('firstFrameMs'), 0.5)),
    firstFrameP95Ms: round(percentile(all('firstFrameMs'), 0.95)),
    interruptP50Ms: round(percentile(all('interruptMs'), 0.5)),
    interruptP95Ms: round(percentile(all('interruptMs'), 0.95)),
    silentP95Ms: round(percentile(all('silentMs'), 0.95)),
    shutP95Ms: round(percentile(all('shutMs'), 0.95)),
    micToLipsMs: round(percentile(all('micToLipsMs'), 0.5)),
    micToLipsP95Ms: round(percentile(all('micToLipsMs'), 0.95)),
    textToSoundMs: round(percentile(all('textMs'), 0.5)),
    textToSoundP95Ms: round(percentile(all('textMs'), 0.95)),
    textGapSamples: Math.max(...all('textGapSamples').map(Math.abs)),
    eventLatenessP50Ms: round(percentile(all('eventLatenessMs'), 0.5)),
    eventLatenessP95Ms: round(percentile(lateness, 0.95)),
    bufferDepthP50Ms: round(percentile(all('depthMs'), 0.5)),
    bufferDepthP95Ms: round(percentile(all('depthMs'), 0.95)),
    lostSamples: talkers.reduce((sum, { figures }) => sum + figures.lostSamples, 0),
    memoryPerSessionMb: round((fullMb - emptyMb) / sessions),
  };
  say(`${sessions} sessions at once, ${result.rounds} rounds of each kind, times in ms at the viewer`);
  say(
    `first lip picture after 200 ms of speech   p50 ${result.firstFrameMs}   p95 ${result.firstFrameP95Ms}`,
  );
  say(
    `interrupt to silence and shut mouth        p50 ${result.interruptP50Ms}   p95 ${result.interruptP95Ms}`,
  );
  say(`  silence alone p95 ${result.silentP95Ms}, shut mouth alone p95 ${result.shutP95Ms}`);
  say(
    `event after what it tells is heard         p50 ${result.eventLatenessP50Ms}   |p95| ${result.eventLatenessP95Ms}`,
  );
  say(`voice at the microphone to lips            p50 ${result.micToLipsMs}   p95 ${result.micToLipsP95Ms}`);
  say(
    `text to its first sound                    p50 ${result.textToSoundMs}   p95 ${result.textToSoundP95Ms}   between sentences ${result.textGapSamples} samples at most`,
  );
  say(
    `waiting of late sound                      p50 ${result.bufferDepthP50Ms}   p95 ${result.bufferDepthP95Ms}`,
  );
  say(`lost samples ${result.lostSamples}, memory ${result.memoryPerSessionMb} MiB a session`);
  if (values.json) say(JSON.stringify(result));
  await Promise.all(talkers.map((talker) => talker.close()));
} finally {
  await browser.close();
  await server.close();
  await service.close();
}

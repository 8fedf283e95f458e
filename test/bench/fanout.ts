/**
 * What viewers cost: `npm run bench:fanout -- [--viewers 1,10,50,100,200,300] [--seconds 10] [--join] [--senders N]
 * [--pin] [--no-rival] [--json]`. The product's fan-out and peers run alone in a process, fed with 512x512 VP8 at 800
 * kbit/s and Opus; viewers by libdatachannel in two other processes receive, decrypt and count. Then aiortc does the same
 * with an encoder a viewer. `--join` lets 50 join at once while 50 watch. With `--senders`, N threads of that process
 * send: its CPU is that of all threads, the loop is that of the thread which feeds them, and nothing is pinned. `--pin`
 * keeps the sender and the viewers on different cores. Figures of a machine with fewer than four cores are pessimistic:
 * the viewers work there, too. The last line of `--json` is one JSON object.
 */
import { parseArgs } from 'node:util';
import { AIORTC_MISSING, findAiortc } from '../helpers/aiortc.js';
import { measureMassJoin, type MassJoin } from './fanout/mass-join.js';
import { measureRival, type Rival } from './fanout/rival.js';
import { FULL_CPU_PERCENT, LOOP_P99_LIMIT_MS, measureScale, type Level } from './fanout/scale.js';

const JOIN_RUNNING = 50;
const JOIN_AT_ONCE = 50;

const { values } = parseArgs({
  options: {
    viewers: { type: 'string', default: '1,10,50,100,200,300' },
    seconds: { type: 'string', default: '10' },
    join: { type: 'boolean', default: false },
    senders: { type: 'string', default: '0' },
    pin: { type: 'boolean', default: false },
    'no-rival': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const counts = values.viewers.split(',').map(Number);
const seconds = Number(values.seconds);
const senders = Number(values.senders);
if (
  !counts.every((count, at) => Number.isInteger(count) && count > (counts[at - 1] ?? 0)) ||
  !(seconds > 0) ||
  !(Number.isInteger(senders) && senders >= 0)
) {
  process.stderr.write(
    '--viewers takes rising whole numbers, --seconds a positive one, --senders a whole one\n',
  );
  process.exit(2);
}

const say = (text: string) => process.stdout.write(`${text}\n`);
const round = (value: number, digits = 2) => Number(value.toFixed(digits));
const rounded = <T>(value: T): T =>
  JSON.parse(
    JSON.stringify(value, (_, part: unknown) => (typeof part === 'number' ? round(part, 3) : part)),
  ) as T;

const failures = ({ failedJoins, closed }: Pick<Level, 'failedJoins' | 'closed'>) =>
  failedJoins === 0 ? '' : `   ${failedJoins} failed joins ${JSON.stringify(closed)}`;
const row = (each: Level) =>
  `${String(each.viewers).padStart(4)} viewers   ${each.cpuPercent.toFixed(1).padStart(5)} % CPU (user ${each.userPercent.toFixed(1)}, system ${each.systemPercent.toFixed(1)}; /proc ${each.procCpuPercent.toFixed(1)})` +
  `   loop p50 ${each.loopP50Ms.toFixed(1)} p99 ${each.loopP99Ms.toFixed(1)} max ${each.loopMaxMs.toFixed(1)} ms` +
  `   ${each.packetsPerSecondPerViewer.toFixed(1)} packets/s and ${each.kbitPerSecondPerViewer.toFixed(0)} kbit/s a viewer   pace ${each.pace.toFixed(3)}   loss ${each.lossPercent.toFixed(3)} %` +
  failures(each);

const scale = await measureScale(counts, seconds, values.pin && senders === 0, senders, (level) =>
  say(row(level)),
);
const { idle, bitrates, marginalCpuPercent, viewersPerCore } = scale;
say(
  `idle, nothing sent: ${idle.cpuPercent.toFixed(1)} % CPU, loop p50 ${idle.loopP50Ms.toFixed(1)} p99 ${idle.loopP99Ms.toFixed(1)} max ${idle.loopMaxMs.toFixed(1)} ms` +
    `; the clip: ${round(bitrates.videoBps / 1000, 0)} + ${round(bitrates.audioBps / 1000, 0)} kbit/s`,
);
if (scale.stoppedBecause !== undefined) say(`stopped: ${scale.stoppedBecause}`);
if (marginalCpuPercent !== undefined && viewersPerCore !== undefined)
  say(
    `one more viewer: ${marginalCpuPercent.toFixed(3)} % of a core; ${viewersPerCore} viewers at ${FULL_CPU_PERCENT} %` +
      `; run with loop p99 <= ${LOOP_P99_LIMIT_MS} ms: ${scale.viewersRunWithinLoopLimit}`,
  );

let massJoin: MassJoin | undefined;
if (values.join) {
  massJoin = await measureMassJoin(JOIN_RUNNING, JOIN_AT_ONCE, values.pin);
  say(
    `${massJoin.joining} join ${massJoin.running}: first after ${massJoin.firstJoinedMs.toFixed(0)} ms, all after ${massJoin.allJoinedMs.toFixed(0)} ms` +
      `; longest gap of the running ${massJoin.longestGapMs.toFixed(0)} ms (before ${massJoin.longestGapBeforeMs.toFixed(0)})` +
      `; loop p99 ${massJoin.loopP99Ms.toFixed(1)} max ${massJoin.loopMaxMs.toFixed(1)} ms` +
      failures(massJoin),
  );
}

let rival: Rival | undefined;
const aiortc = values['no-rival'] ? undefined : await findAiortc();
if (aiortc !== undefined) {
  try {
    rival = await measureRival(aiortc, seconds, values.pin);
  } catch (error) {
    say(`no ratio: aiortc failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  for (const each of rival?.levels ?? [])
    say(
      `aiortc ${aiortc.version}: ${each.viewers} viewers   ${each.cpuPercent.toFixed(1)} % CPU   ${each.packetsPerSecondPerViewer.toFixed(1)} packets/s and ${each.kbitPerSecondPerViewer.toFixed(0)} kbit/s a viewer`,
    );
} else if (!values['no-rival']) say(`no ratio: ${AIORTC_MISSING}`);
const ratioToAiortc =
  rival?.marginalCpuPercent === undefined || marginalCpuPercent === undefined
    ? undefined
    : rival.marginalCpuPercent / marginalCpuPercent;
if (rival?.marginalCpuPercent !== undefined && ratioToAiortc !== undefined)
  say(
    `aiortc, one more viewer: ${rival.marginalCpuPercent.toFixed(1)} %; that is ${ratioToAiortc.toFixed(1)} times ours`,
  );

if (values.json)
  say(
    JSON.stringify(
      rounded({
        bench: 'fanout',
        ...scale,
        ratioToAiortc,
        loopP99MsByViewers: Object.fromEntries(scale.levels.map((each) => [each.viewers, each.loopP99Ms])),
        massJoin,
        rival,
      }),
    ),
  );

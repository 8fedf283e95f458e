/** The first question: what does one more viewer cost, and how many does a core carry? */
import { setTimeout as sleep } from 'node:timers/promises';
import { fitLine } from './line.js';
import { perViewer, Rig } from './rig.js';
import { openSender, type Sender } from './sending.js';

export interface Level {
  readonly viewers: number;
  readonly cpuPercent: number;
  readonly userPercent: number;
  readonly systemPercent: number;
  /** The same from outside, as the kernel counts it. */
  readonly procCpuPercent: number;
  /** Media time sent, in wall time: below 1 the sender could not keep up. */
  readonly pace: number;
  readonly loopP50Ms: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly packetsPerSecondPerViewer: number;
  readonly kbitPerSecondPerViewer: number;
  readonly lossPercent: number;
  /** Since the bench began: joins that never brought a picture, and viewers that ended, by reason. */
  readonly failedJoins: number;
  readonly closed: Readonly<Record<string, number>>;
}

export interface Scale {
  readonly bitrates: { readonly videoBps: number; readonly audioBps: number };
  /** Before the source starts, so without a packet. */
  readonly idle: Pick<Level, 'cpuPercent' | 'loopP50Ms' | 'loopP99Ms' | 'loopMaxMs'>;
  readonly levels: readonly Level[];
  readonly marginalCpuPercent: number | undefined;
  /** Viewers at {@link FULL_CPU_PERCENT} by the line through the levels. */
  readonly viewersPerCore: number | undefined;
  /** The most that were really run with the loop's p99 within {@link LOOP_P99_LIMIT_MS}. */
  readonly viewersRunWithinLoopLimit: number;
  readonly stoppedBecause?: string;
}

export const LOOP_P99_LIMIT_MS = 20;
export const FULL_CPU_PERCENT = 80;
/** Above, the process waits for the core, and a level says nothing about the cost of a viewer. */
const SATURATED_PERCENT = 92;
/** What is sent slower costs less, and does not belong on the line. */
const MIN_PACE = 0.97;
const IDLE_SECONDS = 2;
const SETTLE_MS = 1000;

export async function measureScale(
  counts: readonly number[],
  seconds: number,
  pinned: boolean,
  senders: number,
  onLevel: (level: Level) => void,
): Promise<Scale> {
  const sender = await openSender();
  const rig = await Rig.create(sender, pinned);
  const full = SATURATED_PERCENT * Math.max(1, senders);
  try {
    const idle = await level(sender, rig, IDLE_SECONDS);
    await sender.start(senders);
    const levels: Level[] = [];
    let stoppedBecause: string | undefined;
    for (const count of counts) {
      try {
        await rig.joinUntil(count);
      } catch (error) {
        stoppedBecause = `not all of ${count} viewers could join: ${error instanceof Error ? error.message : String(error)}`;
        break;
      }
      await sleep(SETTLE_MS);
      const measured = await level(sender, rig, seconds);
      levels.push(measured);
      onLevel(measured);
      if (measured.viewers < count) stoppedBecause = `${count - measured.viewers} viewers were lost`;
      else if (measured.cpuPercent > full) stoppedBecause = 'the core is full';
      else if (measured.pace < MIN_PACE) stoppedBecause = 'the sender did not keep up';
      if (stoppedBecause !== undefined) break;
    }
    const line = fitLine(
      levels
        .filter(({ cpuPercent, pace }) => cpuPercent <= full && pace >= MIN_PACE)
        .map((each) => ({ x: each.viewers, y: each.cpuPercent })),
    );
    return {
      bitrates: sender.bitrates,
      idle,
      levels,
      marginalCpuPercent: line?.slope,
      viewersPerCore: line && Math.floor((FULL_CPU_PERCENT - line.intercept) / line.slope),
      viewersRunWithinLoopLimit: Math.max(
        0,
        ...levels
          .filter((each) => each.loopP99Ms <= LOOP_P99_LIMIT_MS && each.pace >= MIN_PACE)
          .map((each) => each.viewers),
      ),
      ...(stoppedBecause === undefined ? {} : { stoppedBecause }),
    };
  } finally {
    await rig.close();
    await sender.close();
  }
}

async function level(sender: Sender, rig: Rig, seconds: number): Promise<Level> {
  await sender.mark();
  const traffic = await rig.watch(seconds);
  const { wallMs, userMs, systemMs, sentMs, loop, viewers, closed } = await sender.read();
  const { packetsPerSecond, bitsPerSecond, lossPercent } = perViewer(traffic);
  return {
    viewers,
    cpuPercent: (100 * (userMs + systemMs)) / wallMs,
    userPercent: (100 * userMs) / wallMs,
    systemPercent: (100 * systemMs) / wallMs,
    pace: sentMs / wallMs,
    procCpuPercent: traffic.cpuPercent,
    loopP50Ms: loop.p50Ms,
    loopP99Ms: loop.p99Ms,
    loopMaxMs: loop.maxMs,
    packetsPerSecondPerViewer: packetsPerSecond,
    kbitPerSecondPerViewer: bitsPerSecond / 1000,
    lossPercent,
    failedJoins: rig.failedJoins,
    closed,
  };
}

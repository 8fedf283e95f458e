/** The second question: what do those who watch notice when as many again join at once? */
import { setTimeout as sleep } from 'node:timers/promises';
import { Rig } from './rig.js';
import { openSender } from './sending.js';

export interface MassJoin {
  readonly running: number;
  readonly joining: number;
  /** From the first offer until every newcomer has its first picture packet or has failed. */
  readonly allJoinedMs: number;
  readonly firstJoinedMs: number;
  /** The longest wait of a running viewer between two packets of a track, in quiet and while the others join. */
  readonly longestGapBeforeMs: number;
  readonly longestGapMs: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  readonly cpuPercent: number;
  readonly lostPackets: number;
  readonly failedJoins: number;
  readonly closed: Readonly<Record<string, number>>;
}

const QUIET_SECONDS = 3;

export async function measureMassJoin(running: number, joining: number, pinned: boolean): Promise<MassJoin> {
  const sender = await openSender();
  const rig = await Rig.create(sender, pinned);
  try {
    await sender.start();
    // Those who run have a process of their own, so that only the sender can disturb them.
    const [old, fresh] = rig.receivers;
    for (let at = 0; at < running; at++) await rig.join(old);
    await sleep(1000);
    const quiet = await rig.watch(QUIET_SECONDS);
    await sender.mark();
    const startMs = performance.now();
    let firstJoinedMs = Infinity;
    const joins = await rig.during(() =>
      Promise.all(
        Array.from({ length: joining }, async () => {
          if (!(await rig.join(fresh))) return;
          firstJoinedMs = Math.min(firstJoinedMs, performance.now() - startMs);
        }),
      ),
    );
    const { loop, closed } = await sender.read();
    return {
      ...{ running, joining, firstJoinedMs },
      allJoinedMs: joins.seconds * 1000,
      longestGapBeforeMs: quiet.receivers[0]?.longestGapMs ?? 0,
      longestGapMs: joins.receivers[0]?.longestGapMs ?? 0,
      loopP99Ms: loop.p99Ms,
      loopMaxMs: loop.maxMs,
      cpuPercent: joins.cpuPercent,
      lostPackets: joins.receivers[0]?.lost ?? 0,
      failedJoins: rig.failedJoins,
      closed,
    };
  } finally {
    await rig.close();
    await sender.close();
  }
}

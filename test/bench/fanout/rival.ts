/** The third question: what does a viewer cost where each has an encoder of its own? */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { drawPicture, FPS, SIDE_PX, VIDEO_BPS } from './clip.js';
import { fitLine } from './line.js';
import { Remote } from '../../helpers/remote.js';
import { perViewer, Rig } from './rig.js';

export interface Rival {
  readonly version: string;
  readonly levels: readonly {
    readonly viewers: number;
    readonly cpuPercent: number;
    readonly packetsPerSecondPerViewer: number;
    readonly kbitPerSecondPerViewer: number;
  }[];
  readonly marginalCpuPercent: number | undefined;
}

type AiortcMethods = {
  join(argument: { id: string; offerSdp: string }): Promise<string>;
};

const COUNTS = [1, 2, 4];
const SETTLE_MS = 2000;
const PROGRAM = 'test/bench/aiortc/one_encoder_a_viewer.py';

export async function measureRival(
  { python, version }: { python: string; version: string },
  seconds: number,
  pinned: boolean,
): Promise<Rival> {
  const folder = await mkdtemp(path.join(tmpdir(), 'musecast-bench-'));
  const file = path.join(folder, 'pictures.i420');
  await writeFile(file, Buffer.concat(Array.from({ length: FPS }, (_, index) => drawPicture(index))));
  const options = { file, sidePx: SIDE_PX, fps: FPS, videoBps: VIDEO_BPS };
  const remote = Remote.program<AiortcMethods>(python, [PROGRAM, JSON.stringify(options)]);
  const sender = {
    pid: remote.pid,
    join: (id: string, offerSdp: string) => remote.call('join', { id, offerSdp }),
  };
  const rig = await Rig.create(sender, pinned);
  try {
    const levels: Rival['levels'][number][] = [];
    for (const count of COUNTS) {
      await rig.joinUntil(count);
      await sleep(SETTLE_MS);
      const traffic = await rig.watch(seconds);
      const { packetsPerSecond, bitsPerSecond } = perViewer(traffic);
      levels.push({
        viewers: count,
        cpuPercent: traffic.cpuPercent,
        packetsPerSecondPerViewer: packetsPerSecond,
        kbitPerSecondPerViewer: bitsPerSecond / 1000,
      });
    }
    const line = fitLine(levels.map((each) => ({ x: each.viewers, y: each.cpuPercent })));
    return { version, levels, marginalCpuPercent: line?.slope };
  } finally {
    await rig.close();
    await remote.close();
    await rm(folder, { recursive: true });
  }
}

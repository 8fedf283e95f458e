/** The measured process: the product's fan-out and peers, fed by the clip. Nothing else runs here. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { FanOut } from '../../../src/session/fan-out.js';
import { clipBitrates, makeClip } from './clip.js';
import { createViewer } from './create-viewer.js';
import { PacedSource } from './paced-source.js';
import { serve } from '../../helpers/remote.js';

export interface SenderReading {
  readonly wallMs: number;
  readonly userMs: number;
  readonly systemMs: number;
  /** Media time sent. */
  readonly sentMs: number;
  /** Time from one millisecond's timer to the next, the millisecond itself included. */
  readonly loop: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
  readonly viewers: number;
  /** Viewers that ended so far, by reason. */
  readonly closed: Readonly<Record<string, number>>;
}

const clip = await makeClip();
const source = new PacedSource(clip);
const fanOut = new FanOut({
  onKeyframeNeeded: () => source.wantKey(),
  onPeerError: (id, error) => console.error(id, error),
});
const closed: Record<string, number> = {};
const loopDelay = monitorEventLoopDelay({ resolution: 1 });
loopDelay.enable();
const now = () => ({ atMs: performance.now(), cpu: process.cpuUsage(), sentMs: source.sentMs });
let since = now();

const methods = {
  /** Answers when the clip is coded. */
  async bitrates(_: null) {
    return clipBitrates(clip);
  },
  async start(_: null) {
    source.start(fanOut);
  },
  async join({ id, offerSdp }: { id: string; offerSdp: string }) {
    return createViewer(id, offerSdp, fanOut, (reason) => {
      closed[reason] = (closed[reason] ?? 0) + 1;
    });
  },
  /** What follows is counted until `read`. */
  async mark(_: null) {
    loopDelay.reset();
    since = now();
  },
  async read(_: null): Promise<SenderReading> {
    const { user, system } = process.cpuUsage(since.cpu);
    const ms = (nanoseconds: number) => nanoseconds / 1e6;
    return {
      wallMs: performance.now() - since.atMs,
      userMs: user / 1000,
      systemMs: system / 1000,
      sentMs: source.sentMs - since.sentMs,
      loop: {
        p50Ms: ms(loopDelay.percentile(50)),
        p99Ms: ms(loopDelay.percentile(99)),
        maxMs: ms(loopDelay.max),
      },
      viewers: fanOut.size,
      closed,
    };
  },
};
export type SenderMethods = typeof methods;
serve(methods);

/** The measured process: the product's fan-out and peers, here or in sender threads, fed by the clip. Nothing else runs. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { systemClock } from '../../../src/lib/clock.js';
import { silentLog } from '../../../src/lib/log.js';
import type { Audience } from '../../../src/session/viewers/audience.js';
import { FanOut } from '../../../src/session/viewers/fan-out.js';
import { SenderPool } from '../../../src/session/viewers/sender-pool.js';
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
  /** Of the thread that plays: time from one millisecond's timer to the next, the millisecond itself included. */
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
const count = (reason: string): void => void (closed[reason] = (closed[reason] ?? 0) + 1);
/** Where there are sender threads. */
let audience: Audience | undefined;
const loopDelay = monitorEventLoopDelay({ resolution: 1 });
loopDelay.enable();
const now = () => ({ atMs: performance.now(), cpu: process.cpuUsage(), sentMs: source.sentMs });
let since = now();

const methods = {
  /** Answers when the clip is coded. */
  async bitrates(_: null) {
    return clipBitrates(clip);
  },
  /** `senders`: threads, 0 to send from this one. */
  async start({ senders }: { senders: number }) {
    if (senders > 0) audience = await openAudience(senders);
    source.start(audience ?? fanOut);
  },
  async join({ id, offerSdp }: { id: string; offerSdp: string }) {
    if (audience !== undefined) return (await audience.add(offerSdp)).answerSdp;
    return createViewer(id, offerSdp, fanOut, count);
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
      viewers: audience?.size ?? fanOut.size,
      closed,
    };
  },
};
async function openAudience(senders: number): Promise<Audience> {
  const transport = { tcp: false, lite: false, publicHosts: [] };
  const pool = await SenderPool.create({
    ...{ count: senders, transport, logLevel: 'warn', clock: systemClock, log: silentLog },
  });
  const opened = pool.openAudience('bench', {
    onWish() {},
    onKeyframeWanted: () => source.wantKey(),
    onJoined() {},
    onGone: () => count('gone'),
  });
  const ladder = [{ name: 'high', bps: 1_000_000 }] as const;
  opened.configure({ ladder, top: 'high', playoutDelayMs: [0, 0] });
  return opened;
}
export type SenderMethods = typeof methods;
serve(methods);

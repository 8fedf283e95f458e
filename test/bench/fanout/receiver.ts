/** A process full of viewers by libdatachannel, which count what they get. */
import { DatachannelClient } from '../../helpers/datachannel-client.js';
import type { RtpTotals } from '../../helpers/rtp-count.js';
import { serve } from '../../helpers/remote.js';

export interface ReceiverReading {
  readonly viewers: number;
  readonly packets: number;
  readonly bytes: number;
  readonly lost: number;
  /** The longest time that any viewer waited for its next packet, sound or picture. */
  readonly longestGapMs: number;
}

const PLAYING_LIMIT_MS = 60_000;

interface Viewer {
  readonly client: DatachannelClient;
  before: RtpTotals[];
}
const viewers = new Map<string, Viewer>();

const tracksOf = ({ client }: Viewer) => [client.video, client.audio];
const viewer = (id: string): Viewer => {
  const found = viewers.get(id);
  if (found === undefined) throw new Error(`no viewer ${id}`);
  return found;
};

const methods = {
  async offer({ id }: { id: string }) {
    const client = new DatachannelClient(id);
    viewers.set(id, { client, before: [] });
    return client.offer();
  },
  /** True at the first picture packet; false if the connection ended before, and the viewer is forgotten. */
  async play({ id, answerSdp }: { id: string; answerSdp: string }): Promise<boolean> {
    const { client } = viewer(id);
    client.answer(answerSdp);
    const over = () => ['closed', 'failed'].includes(client.state);
    await client.until('picture', ({ video }) => video.totals.packets > 0 || over(), PLAYING_LIMIT_MS);
    if (!over()) return true;
    client.close();
    viewers.delete(id);
    return false;
  },
  async mark(_: null) {
    for (const each of viewers.values()) {
      each.before = tracksOf(each).map(({ totals }) => ({ ...totals }));
      for (const track of tracksOf(each)) track.longestGapMs = 0;
    }
  },
  async read(_: null): Promise<ReceiverReading> {
    const sum = { packets: 0, bytes: 0, lost: 0, longestGapMs: 0 };
    const nowMs = performance.now();
    for (const each of viewers.values()) {
      tracksOf(each).forEach(({ totals, longestGapMs, lastAtMs }, at) => {
        const before = each.before[at];
        if (before === undefined) return;
        const packets = totals.packets - before.packets;
        sum.packets += packets;
        sum.bytes += totals.bytes - before.bytes;
        sum.lost += Math.max(0, totals.expected - before.expected - packets);
        sum.longestGapMs = Math.max(sum.longestGapMs, longestGapMs, nowMs - (lastAtMs ?? nowMs));
      });
    }
    return { viewers: viewers.size, ...sum };
  },
};
export type ReceiverMethods = typeof methods;
serve(methods);

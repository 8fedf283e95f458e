import type { ReceptionReport } from '../../rtp/rtcp.js';

/** Viewers report with each request for a repeat, too, and then on a handful of packets. */
const WINDOW_MS = 600;

/** Loss of one stream over stretches that are long enough to mean something, from the running totals of its reports. */
export class LossWindow {
  #from: { atMs: number; lost: number; highest: number } | undefined;

  /** Share of packets lost, 0..1, when a stretch is over; else undefined. */
  add({ lostPackets, highestNumber }: ReceptionReport, nowMs: number): number | undefined {
    const from = this.#from;
    if (from !== undefined && nowMs - from.atMs < WINDOW_MS) return undefined;
    this.#from = { atMs: nowMs, lost: lostPackets, highest: highestNumber };
    const sent = from === undefined ? 0 : highestNumber - from.highest;
    // Nothing came, or the viewer began to count anew.
    if (from === undefined || sent <= 0) return undefined;
    return Math.min(1, Math.max(0, (lostPackets - from.lost) / sent));
  }
}

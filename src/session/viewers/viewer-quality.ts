import type { RenditionName } from '../../media/frame.js';

/**
 * Which of a session's renditions one viewer's link carries. Down when the link shows that it is full: the viewer's
 * estimate (REMB) falls below what it is sent, much is lost, or reports come back late because a queue grew. Up after a
 * probe: for a moment copies of packets fill the link to the next rendition's rate, a sender report follows them, and if
 * the viewer's answer to that report shows no queue, the viewer moves. The burst is so short that on a link which is too
 * narrow it only delays what is behind it.
 *
 * Only a falling estimate counts, not a low one: libwebrtc cuts it to 0.85 times what arrives when its queue grows, lets
 * it rise by 8 % a second, and does not let it rise above 1.5 times what arrives, so after a narrow stretch it says
 * little about the room that is there.
 */

/** What a rendition takes on the wire, all told: pictures, sound, headers. Best first in a ladder. */
export interface Rung {
  readonly name: RenditionName;
  readonly bps: number;
}

/** The estimate fell, not just wavered. */
const FALL_SHARE = 0.95;
/** Loss that is no accident any more; random loss up to 15 % is left to repeats. */
const HEAVY_LOSS = 0.2;
/** What a probe may add to the loss that was there before. */
const PROBE_LOSS = 0.08;
/** A queue that grew: reports take so much longer than at best. */
const LATE_MS = 120;
/** Of what gets through a full link, as a queue has to drain first. */
const DRAIN_SHARE = 0.85;
/** On a link just as wide as what the viewer gets now, a burst makes a queue of so many milliseconds. */
const PROBE_QUEUE_MS = 120;
const PROBE_SHARE = 1.05;
/** The queue that a burst left behind: most of PROBE_QUEUE_MS where the link is too narrow, none where it is not. */
const PROBE_LATE_MS = 50;
/** libwebrtc reports on pictures once a second. */
const VERDICT_MS = 1500;
const FIRST_PAUSE_MS = 1500;
const AFTER_SUCCESS_MS = 800;
/** The longest wait for a link that recovered: two probes must fit into ten seconds. */
const MAX_PAUSE_MS = 5000;
/** With less room than this share of what is sent, the rest only fills the queue and gets lost. */
const URGENT_SHARE = 0.6;
/** The longest wait for an encoder that has to start. */
const HELD_MS = 1000;
/** After a step down or a probe the link speaks of what was before. */
const DEAF_MS = 800;
const NOTHING = { probeBytes: 0, report: false } as const;
const METER_SLOT_MS = 100;
const METER_SLOTS = 10;

/** What of a session's ladder a viewer with or without VP8 can be sent. */
export function rungsOf(ladder: readonly Rung[], codec: 'VP8' | 'H264'): readonly Rung[] {
  return ladder.filter(({ name }) => (name === 'h264') === (codec === 'H264'));
}

export class ViewerQuality {
  #ladder: readonly Rung[];
  #at = 0;
  /** Index of the best rung that is allowed. */
  #top = 0;
  #rembBps: number | undefined;
  #lossShare = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #nextProbeMs = 0;
  #deafUntilMs = 0;
  #heldUntilMs = 0;
  #probe:
    { startedMs: number; sentBytes: number; lossBefore: number; endedMs: number | undefined } | undefined;
  #bestRttMs = Infinity;
  #late = 0;
  /** Several answers to one sender report are one sign. */
  #judgedReportMs = -1;
  readonly #slots = new Float64Array(METER_SLOTS);
  #slotAt = 0;
  #meteredSinceMs: number;

  constructor(ladder: readonly Rung[], nowMs: number) {
    this.#ladder = ladder;
    this.#meteredSinceMs = nowMs;
    this.#slotAt = Math.floor(nowMs / METER_SLOT_MS);
  }

  /** What the viewer should get from the next key picture on. */
  get wanted(): RenditionName {
    return this.#ladder[this.#at]?.name ?? 'high';
  }

  /** True while the link is known not to carry the best rendition. */
  get constrained(): boolean {
    return this.#at > this.#top;
  }

  /** What is sent now does not fit by far: better nothing until the next key picture of what is wanted. */
  holds(nowMs: number): boolean {
    return nowMs < this.#heldUntilMs;
  }

  get rembBps(): number | undefined {
    return this.#rembBps;
  }

  /** New rates, or other renditions; the viewer keeps its rank where it can. */
  setLadder(ladder: readonly Rung[]): void {
    const { wanted } = this;
    this.#ladder = ladder;
    this.#at = Math.max(
      this.#top,
      ladder.findIndex(({ name }) => name === wanted),
    );
  }

  /** The best rendition that somebody allows this session. */
  setTop(name: RenditionName | undefined): void {
    const wasTop = this.#at === this.#top;
    this.#top = Math.max(
      0,
      this.#ladder.findIndex((rung) => rung.name === name),
    );
    this.#at = wasTop ? this.#top : Math.max(this.#at, this.#top);
  }

  onSent(bytes: number, nowMs: number): void {
    this.#turn(nowMs);
    const slot = this.#slotAt % METER_SLOTS;
    this.#slots[slot] = (this.#slots[slot] ?? 0) + bytes;
  }

  /** Average of the last second, or of what there is of it. */
  sentBps(nowMs: number): number {
    this.#turn(nowMs);
    const coveredMs = Math.min(
      METER_SLOTS * METER_SLOT_MS,
      Math.max(METER_SLOT_MS, nowMs - this.#meteredSinceMs),
    );
    return (this.#slots.reduce((sum, bytes) => sum + bytes, 0) * 8000) / coveredMs;
  }

  onRemb(bps: number, nowMs: number): void {
    const fell = bps < FALL_SHARE * (this.#rembBps ?? bps);
    this.#rembBps = bps;
    if (fell && bps < this.sentBps(nowMs)) this.#congested(bps, nowMs);
  }

  /**
   * Loss of the pictures' stream where a stretch of it is over; where it is known, the round trip, and when the sender
   * report left that it was measured with.
   */
  onReport(
    lossShare: number | undefined,
    rtt: { ms: number; reportSentMs: number } | undefined,
    nowMs: number,
  ): void {
    const lossBefore = this.#lossShare;
    if (lossShare !== undefined) this.#lossShare = lossShare;
    if (rtt !== undefined) this.#bestRttMs = Math.min(this.#bestRttMs, rtt.ms);
    const lateMs = rtt === undefined ? 0 : rtt.ms - this.#bestRttMs;
    const probe = this.#probe;
    if (probe !== undefined) {
      const judges = probe.endedMs !== undefined && rtt !== undefined && rtt.reportSentMs >= probe.endedMs;
      if (this.#lossShare > probe.lossBefore + PROBE_LOSS || (judges && lateMs > PROBE_LATE_MS))
        this.#failed(nowMs);
      else if (judges) this.#up(nowMs);
      return;
    }
    if (rtt !== undefined && rtt.reportSentMs !== this.#judgedReportMs) {
      this.#judgedReportMs = rtt.reportSentMs;
      this.#late = lateMs > LATE_MS ? this.#late + 1 : 0;
    }
    const lossy = lossShare !== undefined && lossShare > HEAVY_LOSS && lossBefore > HEAVY_LOSS;
    if (lossy || this.#late >= 2)
      this.#congested(this.sentBps(nowMs) * (1 - this.#lossShare) * DRAIN_SHARE, nowMs);
  }

  /**
   * Called every 20 ms. `probeBytes` should be sent now, over and above the media; with `report` a sender report, too,
   * behind them.
   */
  step(nowMs: number): { probeBytes: number; report: boolean } {
    const next = this.#ladder[this.#at - 1];
    const now = this.#ladder[this.#at];
    if (next === undefined || now === undefined || this.#at <= this.#top) {
      this.#probe = undefined;
      return NOTHING;
    }
    if (this.#probe === undefined) {
      if (nowMs < this.#nextProbeMs || this.#lossShare > HEAVY_LOSS) return NOTHING;
      this.#probe = { startedMs: nowMs, sentBytes: 0, lossBefore: this.#lossShare, endedMs: undefined };
    }
    const probe = this.#probe;
    if (probe.endedMs !== undefined) {
      if (nowMs < probe.endedMs + VERDICT_MS) return NOTHING;
      // A viewer that never tells a round trip is judged by its loss and its estimate alone.
      if (this.#bestRttMs === Infinity) this.#up(nowMs);
      else this.#failed(nowMs);
      return NOTHING;
    }
    const extraBps = PROBE_SHARE * next.bps - now.bps;
    const wholeBytes = (now.bps * PROBE_QUEUE_MS) / 8000;
    const soFarBytes = Math.min(wholeBytes, (extraBps * (nowMs - probe.startedMs + 20)) / 8000);
    const probeBytes = soFarBytes - probe.sentBytes;
    probe.sentBytes = soFarBytes;
    if (soFarBytes < wholeBytes) return { probeBytes, report: false };
    probe.endedMs = nowMs;
    return { probeBytes, report: true };
  }

  #failed(nowMs: number): void {
    this.#probe = undefined;
    this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2);
    this.#nextProbeMs = nowMs + this.#pauseMs;
    this.#deafUntilMs = nowMs + DEAF_MS;
  }

  #congested(roomBps: number, nowMs: number): void {
    this.#late = 0;
    // What the probe filled the link with is gone with it; what the viewer gets fitted before.
    if (this.#probe !== undefined) {
      this.#failed(nowMs);
      return;
    }
    this.#nextProbeMs = nowMs + this.#pauseMs;
    // The same full queue speaks several times; a step down shows only when it has drained.
    if (nowMs < this.#deafUntilMs) return;
    const fitting = this.#ladder.findIndex(({ bps }, at) => at >= this.#top && bps <= roomBps);
    const at = fitting < 0 ? this.#ladder.length - 1 : fitting;
    if (at <= this.#at) return;
    if (roomBps < URGENT_SHARE * (this.#ladder[this.#at]?.bps ?? 0)) this.#heldUntilMs = nowMs + HELD_MS;
    this.#at = at;
    this.#deafUntilMs = nowMs + DEAF_MS;
  }

  #up(nowMs: number): void {
    this.#probe = undefined;
    this.#at -= 1;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#nextProbeMs = nowMs + AFTER_SUCCESS_MS;
  }

  #turn(nowMs: number): void {
    const at = Math.floor(nowMs / METER_SLOT_MS);
    const steps = Math.min(METER_SLOTS, at - this.#slotAt);
    for (let step = 1; step <= steps; step++) this.#slots[(at - steps + step) % METER_SLOTS] = 0;
    this.#slotAt = Math.max(at, this.#slotAt);
  }
}

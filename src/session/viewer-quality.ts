import type { RenditionName } from '../media/frame.js';

/**
 * Which of a session's renditions one viewer's link carries. Down at once when the viewer's estimate (REMB) falls below
 * what it is sent, or when much is lost; up after a probe: for a moment copies of packets fill the link to the next
 * rendition's rate, and if neither the estimate nor the loss minds, the viewer moves.
 *
 * The estimate is compared with what was really sent, not with a rendition's nominal rate: libwebrtc lets it grow to
 * 1.5 times what arrives and no further, and cuts it to 0.85 times that when its queue grows.
 */

/** What a rendition takes on the wire, all told: pictures, sound, headers. Best first in a ladder. */
export interface Rung {
  readonly name: RenditionName;
  readonly bps: number;
}

/** Below this share of what was sent, the estimate means a queue that grows: 0.85 with room for noise. */
const CONGESTED_SHARE = 0.9;
/** Loss that is no accident any more; random loss up to 15 % is left to repeats. */
const HEAVY_LOSS = 0.2;
/** An estimate so far above the next rung needs no probe. */
const CLEAR_SHARE = 1.3;
const PROBE_MS = 1000;
/** Time for the viewer's word on the end of a probe. */
const VERDICT_MS = 500;
const PROBE_SHARE = 1.05;
const FIRST_PAUSE_MS = 1500;
const AFTER_SUCCESS_MS = 800;
/** The longest wait for a link that recovered: two probes must fit into ten seconds. */
const MAX_PAUSE_MS = 5000;
const METER_SLOT_MS = 100;
const METER_SLOTS = 10;

export class ViewerQuality {
  #ladder: readonly Rung[];
  #at = 0;
  /** Index of the best rung that is allowed. */
  #top = 0;
  #rembBps: number | undefined;
  #lossShare = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #nextProbeMs = 0;
  #probe: { startedMs: number; sentBytes: number } | undefined;
  readonly #slots = new Float64Array(METER_SLOTS);
  #slotAt = 0;
  #meteredSinceMs: number;
  /** Times that it went down and up. */
  downs = 0;
  ups = 0;

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
    const coveredMs = Math.min(METER_SLOTS * METER_SLOT_MS, Math.max(METER_SLOT_MS, nowMs - this.#meteredSinceMs));
    return (this.#slots.reduce((sum, bytes) => sum + bytes, 0) * 8000) / coveredMs;
  }

  onRemb(bps: number, nowMs: number): void {
    this.#rembBps = bps;
    // Half a second of sending says nothing yet.
    if (nowMs - this.#meteredSinceMs < 500) return;
    if (bps < CONGESTED_SHARE * this.sentBps(nowMs) * (1 - this.#lossShare)) this.#congested(bps, nowMs);
  }

  /** Of the pictures' stream, since the report before. */
  onLoss(share: number, nowMs: number): void {
    const twice = share > HEAVY_LOSS && this.#lossShare > HEAVY_LOSS;
    this.#lossShare = share;
    if (twice) this.#congested(this.sentBps(nowMs) * (1 - share), nowMs);
  }

  /** Called every 20 ms: bytes that should be sent as a probe now. May move the viewer up. */
  probeBytes(nowMs: number): number {
    const next = this.#ladder[this.#at - 1];
    if (next === undefined || this.#at <= this.#top) {
      this.#probe = undefined;
      return 0;
    }
    if (this.#probe === undefined) {
      if (nowMs < this.#nextProbeMs || this.#lossShare > HEAVY_LOSS) return 0;
      if ((this.#rembBps ?? 0) > CLEAR_SHARE * next.bps) {
        this.#up(nowMs);
        return 0;
      }
      this.#probe = { startedMs: nowMs, sentBytes: 0 };
    }
    const probe = this.#probe;
    const elapsedMs = nowMs - probe.startedMs;
    if (elapsedMs >= PROBE_MS + VERDICT_MS) {
      this.#up(nowMs);
      return 0;
    }
    if (elapsedMs >= PROBE_MS) return 0;
    const mediaBps = this.#ladder[this.#at]?.bps ?? 0;
    const wantedBytes = (Math.max(0, PROBE_SHARE * next.bps - mediaBps) * (elapsedMs + 20)) / 8000;
    const bytes = Math.max(0, wantedBytes - probe.sentBytes);
    probe.sentBytes += bytes;
    return bytes;
  }

  #congested(roomBps: number, nowMs: number): void {
    if (this.#probe !== undefined) {
      this.#probe = undefined;
      this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2);
    }
    this.#nextProbeMs = nowMs + this.#pauseMs;
    const fitting = this.#ladder.findIndex(({ bps }, at) => at >= this.#top && bps <= roomBps);
    const at = fitting < 0 ? this.#ladder.length - 1 : fitting;
    if (at <= this.#at) return;
    this.#at = at;
    this.downs += 1;
  }

  #up(nowMs: number): void {
    this.#probe = undefined;
    this.#at -= 1;
    this.ups += 1;
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

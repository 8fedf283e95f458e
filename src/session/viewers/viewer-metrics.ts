import type { Spread } from '../../lib/histogram.js';
import type { HistogramFigure, NumberFigure } from './figures.js';
import { FreezeRule } from './freeze-rule.js';
import { defined, ViewerTally } from './viewer-tally.js';

/** Weight of the newest report in the loss that is shown: about the last four reports. */
const NEWEST_REPORT_WEIGHT = 0.25;

/** PLI and FIR are RFC 4585 section 6.3.1 and RFC 5104 section 4.3.1; a join is what the server asks for on its own. */
export type KeyframeReason = 'pli' | 'fir' | 'join';

/** In words, for people. What has not been measured yet is absent. */
export interface ViewerSummary {
  readonly rendition?: string;
  /** Times that it was moved to another rendition. */
  readonly moves: number;
  /** On the wire, headers included, over the last second before the last report. */
  readonly sentBps?: number;
  /** What the viewer's own estimate says that its link carries (REMB). */
  readonly estimateBps?: number;
  readonly connectedS?: number;
  /** From the arrival of the offer to the first picture that was sent. */
  readonly firstFrameMs?: number;
  readonly lastPictureAgoMs?: number;
  /** Media time of that picture. */
  readonly lastPictureMediaMs?: number;
  readonly frameGapMs?: Spread;
  /** Of the last report. */
  readonly rttMs?: number;
  readonly jitterMs?: number;
  /** 0..1, over the last few reports. */
  readonly lostShare?: number;
  readonly freezes: number;
  readonly freezeMs: number;
  readonly picturesSent: number;
  readonly keyPicturesSent: number;
  readonly picturesHeldBack: number;
  readonly soundsSent: number;
  readonly keyframesRequested: Readonly<Record<KeyframeReason, number>>;
  readonly packetsRetransmitted: number;
  readonly nacksMissed: number;
}

/** What one viewer's peer measures. It is told what happens and asks for nothing; telling it allocates nothing. */
export class ViewerMetrics {
  /** What adds up over the viewers of a session. */
  readonly tally = new ViewerTally();
  /** Name of the rendition that the viewer gets, where there are several. */
  rendition: string | undefined;
  moves = 0;
  sentBps: number | undefined;
  estimateBps: number | undefined;
  readonly #clockNowMs: () => number;
  readonly #freezes = new FreezeRule();
  readonly #keyframes = { pli: 0, fir: 0, join: 0 };
  #offeredAtMs: number | undefined;
  #connectedAtMs: number | undefined;
  #firstFrameMs: number | undefined;
  #pictureAtMs: number | undefined;
  #pictureMediaMs = 0;
  #keyPictures = 0;
  #rttMs: number | undefined;
  #jitterMs: number | undefined;
  #lostShare: number | undefined;

  /** `clockNowMs` is monotonic. */
  constructor(clockNowMs: () => number) {
    this.#clockNowMs = clockNowMs;
  }

  /** The viewer's offer arrived; the time to its first picture counts from here. */
  offered(): void {
    this.#offeredAtMs = this.#clockNowMs();
  }

  connected(): void {
    this.#connectedAtMs ??= this.#clockNowMs();
  }

  /** All packets of a picture were given to the socket. */
  pictureSent(key: boolean, mediaMs: number): void {
    const nowMs = this.#clockNowMs();
    const { tally } = this;
    if (this.#pictureAtMs !== undefined) {
      const gapMs = nowMs - this.#pictureAtMs;
      tally.frameGapMs.add(gapMs);
      this.#freezes.add(gapMs);
      tally.freezes = this.#freezes.count;
      tally.freezeMs = this.#freezes.totalMs;
    } else if (this.#offeredAtMs !== undefined) {
      this.#firstFrameMs = nowMs - this.#offeredAtMs;
      tally.firstFrameMs.add(this.#firstFrameMs);
    }
    this.#pictureAtMs = nowMs;
    this.#pictureMediaMs = mediaMs;
    tally.picturesSent += 1;
    if (key) this.#keyPictures += 1;
  }

  soundSent(): void {
    this.tally.soundsSent += 1;
  }

  /** A picture was not sent: the viewer is not connected yet, or waits for a key picture. */
  pictureHeldBack(): void {
    this.tally.picturesHeldBack += 1;
  }

  keyframeRequested(why: KeyframeReason): void {
    this.#keyframes[why] += 1;
    this.tally.keyframesRequested += 1;
  }

  packetsRetransmitted(count: number): void {
    this.tally.packetsRetransmitted += count;
  }

  /** Packets that the viewer asked for and that are kept no more. */
  nackMissed(count: number): void {
    this.tally.nacksMissed += count;
  }

  /**
   * One block of a receiver report (RFC 3550 section 6.4.1). `lostShare`, 0..1, is told now and then, when it covers enough
   * packets; `rttMs` is absent if the report names no sender report. Values out of range are left out.
   */
  report(block: { rttMs?: number; lostShare?: number; jitterMs: number }): void {
    const { rttMs, lostShare, jitterMs } = block;
    if (rttMs !== undefined && isMeasure(rttMs)) {
      this.#rttMs = rttMs;
      this.tally.rttMs.add(rttMs);
    }
    if (isMeasure(jitterMs)) this.#jitterMs = jitterMs;
    if (lostShare === undefined || !isMeasure(lostShare) || lostShare > 1) return;
    this.tally.lostShare.add(lostShare);
    const before = this.#lostShare ?? lostShare;
    this.#lostShare = before + (lostShare - before) * NEWEST_REPORT_WEIGHT;
  }

  summary(): ViewerSummary {
    const nowMs = this.#clockNowMs();
    const { tally } = this;
    const sinceMs = (atMs: number | undefined) => (atMs === undefined ? undefined : nowMs - atMs);
    const connectedMs = sinceMs(this.#connectedAtMs);
    const seen = this.#pictureAtMs !== undefined;
    return defined({
      rendition: this.rendition,
      moves: this.moves,
      sentBps: rounded(this.sentBps, 0),
      estimateBps: rounded(this.estimateBps, 0),
      connectedS: connectedMs === undefined ? undefined : rounded(connectedMs / 1000, 1),
      firstFrameMs: rounded(this.#firstFrameMs, 0),
      lastPictureAgoMs: rounded(sinceMs(this.#pictureAtMs), 0),
      lastPictureMediaMs: seen ? rounded(this.#pictureMediaMs, 0) : undefined,
      frameGapMs: tally.frameGapMs.spread(),
      rttMs: rounded(this.#rttMs, 1),
      jitterMs: rounded(this.#jitterMs, 1),
      lostShare: rounded(this.#lostShare, 4),
      freezes: tally.freezes,
      freezeMs: Math.round(tally.freezeMs),
      picturesSent: tally.picturesSent,
      keyPicturesSent: this.#keyPictures,
      picturesHeldBack: tally.picturesHeldBack,
      soundsSent: tally.soundsSent,
      keyframesRequested: { ...this.#keyframes },
      packetsRetransmitted: tally.packetsRetransmitted,
      nacksMissed: tally.nacksMissed,
    });
  }

  histograms(): HistogramFigure[] {
    return this.tally.histograms('musecast_viewer');
  }

  /** Counters and gauges; a gauge that has not been measured yet is absent. */
  numbers(): NumberFigure[] {
    const gauge = (name: string, help: string, value: number | undefined): NumberFigure[] =>
      value === undefined ? [] : [{ name: `musecast_viewer_${name}`, help, type: 'gauge', value }];
    const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000);
    return [
      ...gauge(
        'first_frame_seconds',
        'From the offer of the viewer to the first picture sent to it.',
        seconds(this.#firstFrameMs),
      ),
      ...gauge('jitter_seconds', 'Jitter of the last receiver report.', seconds(this.#jitterMs)),
      ...this.tally.numbers('musecast_viewer'),
    ];
  }
}

function isMeasure(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}

function rounded<T extends number | undefined>(value: T, digits: number): T {
  return (value === undefined ? undefined : Number(value.toFixed(digits))) as T;
}

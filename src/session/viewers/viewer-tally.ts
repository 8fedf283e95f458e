import { Histogram, type HistogramData, type Spread } from '../../lib/histogram.js';
import { FRAME_GAP_BOUNDS_MS, type HistogramFigure, type NumberFigure } from './figures.js';

const FIRST_FRAME_BOUNDS_MS = [50, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 2000, 5000, 15_000];
const RTT_BOUNDS_MS = [1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 500, 1000, 2000];
const LOST_BOUNDS = [0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];

/** In words, for people. */
export interface ViewerTallySummary {
  readonly firstFrameMs?: Spread;
  readonly frameGapMs?: Spread;
  readonly rttMs?: Spread;
  /** 0..1 a report. */
  readonly lostShare?: Spread;
  readonly freezes: number;
  readonly freezeMs: number;
}

const HISTOGRAMS = ['firstFrameMs', 'frameGapMs', 'rttMs', 'lostShare'] as const;
const COUNTS = [
  'freezes',
  'freezeMs',
  'picturesSent',
  'picturesHeldBack',
  'soundsSent',
  'keyframesRequested',
  'packetsRetransmitted',
  'nacksMissed',
] as const;

/** A tally as plain data. */
export interface TallyData {
  readonly histograms: Readonly<Record<(typeof HISTOGRAMS)[number], HistogramData>>;
  readonly counts: Readonly<Record<(typeof COUNTS)[number], number>>;
}

/** What adds up over viewers: one viewer's, or that of all viewers that a session ever had. */
export class ViewerTally {
  readonly firstFrameMs = new Histogram(FIRST_FRAME_BOUNDS_MS);
  readonly frameGapMs = new Histogram(FRAME_GAP_BOUNDS_MS);
  readonly rttMs = new Histogram(RTT_BOUNDS_MS);
  readonly lostShare = new Histogram(LOST_BOUNDS);
  freezes = 0;
  freezeMs = 0;
  picturesSent = 0;
  picturesHeldBack = 0;
  soundsSent = 0;
  keyframesRequested = 0;
  packetsRetransmitted = 0;
  nacksMissed = 0;

  static of(data: TallyData): ViewerTally {
    const tally = new ViewerTally();
    tally.addData(data);
    return tally;
  }

  add(other: ViewerTally): void {
    for (const name of HISTOGRAMS) this[name].merge(other[name]);
    for (const name of COUNTS) this[name] += other[name];
  }

  get data(): TallyData {
    const { firstFrameMs, frameGapMs, rttMs, lostShare } = this;
    const { freezes, freezeMs, picturesSent, picturesHeldBack, soundsSent } = this;
    const { keyframesRequested, packetsRetransmitted, nacksMissed } = this;
    return {
      histograms: {
        firstFrameMs: firstFrameMs.data,
        frameGapMs: frameGapMs.data,
        rttMs: rttMs.data,
        lostShare: lostShare.data,
      },
      counts: {
        ...{ freezes, freezeMs, picturesSent, picturesHeldBack, soundsSent },
        ...{ keyframesRequested, packetsRetransmitted, nacksMissed },
      },
    };
  }

  addData({ histograms, counts }: TallyData): void {
    for (const name of HISTOGRAMS) this[name].addData(histograms[name]);
    for (const name of COUNTS) this[name] += counts[name];
  }

  summary(): ViewerTallySummary {
    return defined({
      firstFrameMs: this.firstFrameMs.spread(0),
      frameGapMs: this.frameGapMs.spread(),
      rttMs: this.rttMs.spread(),
      lostShare: this.lostShare.spread(4),
      freezes: this.freezes,
      freezeMs: Math.round(this.freezeMs),
    });
  }

  /** The names begin with `prefix`. The time to the first picture is not among them: one viewer has only one. */
  histograms(prefix: string): HistogramFigure[] {
    return [
      {
        name: `${prefix}_frame_gap_seconds`,
        help: 'Time between two pictures sent to a viewer.',
        unit: 'ms',
        snapshot: this.frameGapMs.snapshot(),
      },
      {
        name: `${prefix}_rtt_seconds`,
        help: 'Round trip, as receiver reports show it.',
        unit: 'ms',
        snapshot: this.rttMs.snapshot(),
      },
      {
        name: `${prefix}_lost_ratio`,
        help: 'Share of packets lost (0 to 1), one value a receiver report.',
        unit: 'none',
        snapshot: this.lostShare.snapshot(),
      },
    ];
  }

  firstFrameHistogram(prefix: string): HistogramFigure {
    return {
      name: `${prefix}_first_frame_seconds`,
      help: 'From the offer of a viewer to the first picture sent to it.',
      unit: 'ms',
      snapshot: this.firstFrameMs.snapshot(),
    };
  }

  numbers(prefix: string): NumberFigure[] {
    const counter = (name: string, help: string, value: number): NumberFigure => ({
      name: `${prefix}_${name}_total`,
      help,
      type: 'counter',
      value,
    });
    return [
      counter('freezes', 'Gaps between sent pictures that a viewer sees as a freeze.', this.freezes),
      counter('freeze_seconds', 'Length of these gaps.', this.freezeMs / 1000),
      counter('pictures_sent', 'Pictures sent to viewers.', this.picturesSent),
      counter(
        'pictures_held_back',
        'Pictures not sent as the viewer was not connected or waited for a keyframe.',
        this.picturesHeldBack,
      ),
      counter('sounds_sent', 'Sound packets sent to viewers.', this.soundsSent),
      counter(
        'keyframe_requests',
        'Keyframes that viewers asked for (PLI, FIR, join).',
        this.keyframesRequested,
      ),
      counter('packets_retransmitted', 'Packets sent once more after a NACK.', this.packetsRetransmitted),
      counter('nacks_missed', 'Packets asked for by NACK that were kept no more.', this.nacksMissed),
    ];
  }
}

/** Leaves out what is undefined, as JSON does. */
export function defined<T extends object>(values: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

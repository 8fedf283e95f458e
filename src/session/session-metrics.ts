import { Histogram, type Spread } from '../lib/histogram.js';
import { MEDIA_RATE, OPUS_FRAME_SAMPLES, samplesToMs } from '../media/timeline.js';
import {
  FRAME_GAP_BOUNDS_MS,
  type HistogramFigure,
  type NumberFigure,
  type SessionFigures,
} from './viewers/figures.js';
import { FreezeRule } from './viewers/freeze-rule.js';
import { SOUND_LEAD_MS, type PlayoutMeter } from './playout/playout.js';
import type { ViewerReport } from './viewers/audience.js';
import type { ViewerSummary } from './viewers/viewer-metrics.js';
import { defined, type ViewerTally, type ViewerTallySummary } from './viewers/viewer-tally.js';

const SKEW_BOUNDS_MS = [
  -40, -20, -10, -5, -2, -1, 0, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 80, 160, 500, 1000, 5000,
];
const DELAY_BOUNDS_MS = [0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 100, 200, 500, 1000];
const DEPTH_BOUNDS = [0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100];
/** Sounds whose time of leaving is kept: about 5 s, far more than a picture may wait. */
const SOUNDS_KEPT = (5 * MEDIA_RATE) / OPUS_FRAME_SAMPLES;

/** Pictures of the session by what became of them. Late ones were sent, too. */
export interface PictureCounts {
  readonly sent: number;
  /** Left more than a frame after their time. */
  readonly late: number;
  /** Drawn, but pushed out of the full queue. */
  readonly dropped: number;
  /** Never drawn, as the worker was behind. */
  readonly skipped: number;
}

/** In words, for people. What has not been measured yet is absent. */
export interface SessionMediaSummary {
  /** How much later a picture leaves than it should after the sound of the same media time; negative: earlier. */
  readonly skewMs?: Spread;
  readonly frameGapMs?: Spread;
  readonly renderMs?: Spread;
  readonly encoderDelayMs?: Spread;
  readonly eventLoopDelayMs?: Spread;
  readonly queuedPictures?: Spread;
  readonly queuedSounds?: Spread;
  readonly pictures: PictureCounts;
  /** In what was sent, before any network. */
  readonly freezes: number;
  readonly freezeMs: number;
  /** Over all viewers that the session has and had. */
  readonly allViewers: ViewerTallySummary;
}

/** One viewer of the summary. */
export interface ViewerStats extends Partial<ViewerSummary> {
  readonly id: string;
  readonly state: 'connecting' | 'connected' | 'closed';
}

/** What a session measures of its own media. It is told what happens; telling it allocates nothing. */
export class SessionMetrics implements PlayoutMeter {
  readonly #clockNowMs: () => number;
  readonly #skewMs = new Histogram(SKEW_BOUNDS_MS);
  readonly #frameGapMs = new Histogram(FRAME_GAP_BOUNDS_MS);
  readonly #renderMs = new Histogram(DELAY_BOUNDS_MS);
  readonly #encodeMs = new Histogram(DELAY_BOUNDS_MS);
  readonly #loopDelayMs = new Histogram(DELAY_BOUNDS_MS);
  readonly #queuedPictures = new Histogram(DEPTH_BOUNDS);
  readonly #queuedSounds = new Histogram(DEPTH_BOUNDS);
  readonly #freezes = new FreezeRule();
  /** Ring by packet number: when the sound left, and which it was. */
  readonly #soundLeftMs = new Float64Array(SOUNDS_KEPT);
  readonly #soundSamples = new Float64Array(SOUNDS_KEPT).fill(-1);
  #pictureLeftMs: number | undefined;

  /** `clockNowMs` is monotonic. */
  constructor(clockNowMs: () => number) {
    this.#clockNowMs = clockNowMs;
  }

  /** Queue depths are taken here as sound leaves every 20 ms, whatever the pictures do. */
  soundLeaves(mediaSamples: number, queuedSounds: number, queuedPictures: number): void {
    const at = Math.floor(mediaSamples / OPUS_FRAME_SAMPLES) % SOUNDS_KEPT;
    this.#soundLeftMs[at] = this.#clockNowMs();
    this.#soundSamples[at] = mediaSamples;
    this.#queuedSounds.add(queuedSounds);
    this.#queuedPictures.add(queuedPictures);
  }

  pictureLeaves(mediaSamples: number): void {
    const nowMs = this.#clockNowMs();
    const packet = Math.floor(mediaSamples / OPUS_FRAME_SAMPLES);
    const at = packet % SOUNDS_KEPT;
    const soundSamples = packet * OPUS_FRAME_SAMPLES;
    // A picture may begin within a packet of sound (30 pictures a second do): that part of it is heard later.
    if (this.#soundSamples[at] === soundSamples)
      this.#skewMs.add(
        nowMs - this.#soundLeftMs[at]! - SOUND_LEAD_MS - samplesToMs(mediaSamples - soundSamples),
      );
    if (this.#pictureLeftMs !== undefined) {
      this.#frameGapMs.add(nowMs - this.#pictureLeftMs);
      this.#freezes.add(nowMs - this.#pictureLeftMs);
    }
    this.#pictureLeftMs = nowMs;
  }

  /** Means over the worker's last second. */
  workerReported(stats: { renderMs: number; encodeMs: number }): void {
    this.#renderMs.add(stats.renderMs);
    this.#encodeMs.add(stats.encodeMs);
  }

  /** The session's timer came `lateMs` after it was due. */
  timerCame(lateMs: number): void {
    this.#loopDelayMs.add(Math.max(0, lateMs));
  }

  /** `sums` are those of all viewers that the session has and had. */
  summary(pictures: PictureCounts, sums: ViewerTally): SessionMediaSummary {
    return defined({
      skewMs: this.#skewMs.spread(2),
      frameGapMs: this.#frameGapMs.spread(),
      renderMs: this.#renderMs.spread(),
      encoderDelayMs: this.#encodeMs.spread(),
      eventLoopDelayMs: this.#loopDelayMs.spread(),
      queuedPictures: this.#queuedPictures.spread(),
      queuedSounds: this.#queuedSounds.spread(),
      pictures,
      freezes: this.#freezes.count,
      freezeMs: Math.round(this.#freezes.totalMs),
      allViewers: sums.summary(),
    });
  }

  /** The `listed` viewers get series of their own; the sums have all. */
  figures(
    sessionId: string,
    pictures: PictureCounts,
    sums: ViewerTally,
    listed: readonly ViewerReport[],
  ): SessionFigures {
    return {
      sessionId,
      histograms: [
        ...this.#histograms(),
        sums.firstFrameHistogram('musecast_all_viewers'),
        ...sums.histograms('musecast_all_viewers'),
      ],
      numbers: [...this.#numbers(pictures), ...sums.numbers('musecast_all_viewers')],
      viewers: listed.map(({ id, histograms, numbers }) => ({ viewerId: id, histograms, numbers })),
    };
  }

  #histograms(): HistogramFigure[] {
    const figure = (
      name: string,
      unit: HistogramFigure['unit'],
      help: string,
      histogram: Histogram,
    ): HistogramFigure => ({ name: `musecast_${name}`, help, unit, snapshot: histogram.snapshot() });
    return [
      figure(
        'skew_seconds',
        'ms',
        'How much later a picture leaves than it should after the sound of its media time; negative if earlier.',
        this.#skewMs,
      ),
      figure('frame_gap_seconds', 'ms', 'Time between two pictures as they leave.', this.#frameGapMs),
      figure(
        'render_seconds',
        'ms',
        'Drawing of a picture; one value is a mean over one second.',
        this.#renderMs,
      ),
      figure(
        'encoder_delay_seconds',
        'ms',
        'Encoding of a picture; one value is a mean over one second.',
        this.#encodeMs,
      ),
      figure(
        'event_loop_delay_seconds',
        'ms',
        'How much too late the timer of the session came.',
        this.#loopDelayMs,
      ),
      figure('queued_pictures', 'none', 'Encoded pictures that wait for their time.', this.#queuedPictures),
      figure('queued_sounds', 'none', 'Sound packets of 20 ms that wait for their time.', this.#queuedSounds),
    ];
  }

  #numbers(pictures: PictureCounts): NumberFigure[] {
    const counter = (name: string, help: string, value: number): NumberFigure => ({
      name: `musecast_${name}_total`,
      help,
      type: 'counter',
      value,
    });
    return [
      counter('pictures_sent', 'Pictures that left, late ones included.', pictures.sent),
      counter('pictures_late', 'Pictures that left more than a frame after their time.', pictures.late),
      counter('pictures_dropped', 'Pictures pushed out of a full queue.', pictures.dropped),
      counter('pictures_skipped', 'Pictures left out by a worker that was behind.', pictures.skipped),
      counter(
        'freezes',
        'Gaps between pictures as they leave that are seen as a freeze.',
        this.#freezes.count,
      ),
      counter('freeze_seconds', 'Length of these gaps.', this.#freezes.totalMs / 1000),
    ];
  }
}

import type { HistogramSnapshot } from '../../lib/histogram.js';

/** One figure as it goes to Prometheus. Names follow its rules: base units, and the unit in the name. */
export interface HistogramFigure {
  readonly name: string;
  readonly help: string;
  /** Of the snapshot's values. Milliseconds are given out as seconds. */
  readonly unit: 'ms' | 'none';
  readonly snapshot: HistogramSnapshot;
}

export interface NumberFigure {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly value: number;
}

/** What one session gives to Prometheus. */
export interface SessionFigures {
  readonly sessionId: string;
  readonly histograms: readonly HistogramFigure[];
  readonly numbers: readonly NumberFigure[];
  readonly viewers: readonly ViewerFigures[];
}

export interface ViewerFigures {
  readonly viewerId: string;
  readonly histograms: readonly HistogramFigure[];
  readonly numbers: readonly NumberFigure[];
}

/** Fine around the frame times of 25, 30, 50 and 60 pictures a second. */
export const FRAME_GAP_BOUNDS_MS: readonly number[] = [
  5, 10, 17, 25, 34, 38, 42, 50, 67, 100, 150, 200, 300, 500, 1000, 2000,
];

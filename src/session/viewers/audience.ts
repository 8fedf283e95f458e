import type { EncodedPicture, RenditionName } from '../../media/frame.js';
import type { HistogramFigure, NumberFigure } from './figures.js';
import type { SoundPacket } from './fan-out.js';
import type { ViewerSummary } from './viewer-metrics.js';
import type { Rung } from './viewer-quality.js';
import type { TallyData } from './viewer-tally.js';

/** What a session's viewers may be sent. */
export interface AudienceSettings {
  /** Best first. */
  readonly ladder: readonly Rung[];
  /** No better rendition than this one; undefined leaves it to each viewer's link. */
  readonly top: RenditionName | undefined;
  /** Range of the delay that players shall add, ms. */
  readonly playoutDelayMs: readonly [number, number];
}

/** What viewers need of the session's encoders. */
export interface AudienceDemand {
  /** What connected viewers get or wait for. */
  readonly renditions: ReadonlySet<RenditionName>;
  readonly slimSound: boolean;
  /** Of the viewer that misses most, 0..1. */
  readonly worstLossShare: number;
}

export const NO_DEMAND: AudienceDemand = { renditions: new Set(), slimSound: false, worstLossShare: 0 };

export interface AudienceEvents {
  /** A viewer wants something: `demand` may have changed, and a call of onKeyframeWanted may follow. */
  onWish(): void;
  /** At most once in 300 ms for each rendition. */
  onKeyframeWanted(rendition: RenditionName): void;
  onJoined(viewerId: string): void;
  onGone(viewerId: string): void;
}

export interface ViewerAnswer {
  readonly id: string;
  readonly answerSdp: string;
  readonly etag: string;
}

/** One viewer, as plain data. */
export interface ViewerReport {
  readonly id: string;
  readonly state: 'connecting' | 'connected' | 'closed';
  readonly summary: ViewerSummary;
  readonly histograms: readonly HistogramFigure[];
  readonly numbers: readonly NumberFigure[];
}

export interface AudienceReport {
  /** Of all viewers that there are and were. */
  readonly sums: TallyData;
  readonly viewers: readonly ViewerReport[];
}

/**
 * All WebRTC viewers of one session. Plain data go in and come out, so that they may be served elsewhere: what is here at
 * once is `size`, `demand` and `etagOf`.
 */
export interface Audience {
  /** Those that are being answered included. */
  readonly size: number;
  readonly demand: AudienceDemand;
  /** Tag of the viewer's ICE session; undefined if there is no such viewer. */
  etagOf(viewerId: string): string | undefined;
  /** @throws sdp-invalid, sdp-unsupported, no-capacity */
  add(offerSdp: string): Promise<ViewerAnswer>;
  /** @throws peer-not-found, sdp-invalid, not-supported */
  trickle(viewerId: string, fragment: string): Promise<void>;
  /** @throws peer-not-found, sdp-invalid */
  restartIce(viewerId: string, fragment: string): Promise<{ fragment: string; etag: string }>;
  /** Gone when it returns. @throws peer-not-found */
  remove(viewerId: string): void;
  configure(settings: AudienceSettings): void;
  /** One picture in all renditions that are there. */
  sendPicture(renditions: readonly EncodedPicture[], fps: number): void;
  /** 20 ms, whose first sample is `mediaSamples`. */
  sendSound(sound: SoundPacket, mediaSamples: number): void;
  /** Wall time `wallMs` (Unix ms) and media time `mediaSamples` are the same moment. */
  sendSenderReports(mediaSamples: number, wallMs: number): void;
  /** A new epoch: nothing that was handed over before leaves any more, or leaves again. */
  cut(): void;
  requestKeyframe(rendition: RenditionName): void;
  /** At most `listed` viewers, the oldest, one by one. */
  report(listed: number): Promise<AudienceReport>;
  /** Every viewer is told; no event comes any more. */
  close(): void;
}

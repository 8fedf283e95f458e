import { randomUUID } from 'node:crypto';
import { AppError, toAppError } from '../errors.js';
import type { Clock } from '../lib/clock.js';
import { Emitter } from '../lib/emitter.js';
import type { Log } from '../lib/log.js';
import type { OpusEncoder } from '../encoder/opus-encoder.js';
import { Downsampler48To16 } from '../media/resample.js';
import {
  frameToSamples,
  msToSamples,
  OPUS_FRAME_SAMPLES,
  samplesToFrame,
  samplesToMs,
} from '../media/timeline.js';
import type { WorkerStream, WorkerStreamOptions } from '../worker/host.js';
import type { Audience, AudienceDemand, AudienceEvents, ViewerAnswer } from './audience.js';
import { JpegWatchers } from './jpeg-watchers.js';
import { MediaClock } from './media-clock.js';
import { PictureStream } from './picture-stream.js';
import { Playout, SOUND_LEAD_MS } from './playout.js';
import { RenderAhead } from './render-ahead.js';
import { SessionRenditions, type PictureSettings } from './session-renditions.js';
import type { SessionFigures } from './figures.js';
import {
  SessionMetrics,
  type PictureCounts,
  type SessionMediaSummary,
  type ViewerStats,
} from './session-metrics.js';
import { SessionSound } from './session-sound.js';
import { SpeechQueue } from './speech-queue.js';
import type { Utterance } from './utterance.js';
import { ViewerTally } from './viewer-tally.js';

/** Time that a picture may take from its last needed sound to its encoded frame; more makes pictures late. */
const DRAW_MARGIN_MS = 80;
const TICK_MS = 5;
/** After an interrupt the sound that was fed already is heard this much longer, counted at its media time. */
const FALL_SILENT_MS = 60 + SOUND_LEAD_MS;
/** Utterances that wait; each has a decoder that stands by. */
const MAX_WAITING = 32;
/** The first utterance waits this long for somebody to listen, so that its first words are not lost. */
const FIRST_VIEWER_WAIT_MS = 3_000;
/** How often it is looked at what the viewers' links carry. */
const DEMAND_EVERY_MS = 100;
/** Viewers described one by one. */
const MAX_VIEWER_STATS = 100;

export interface SessionOptions {
  id: string;
  avatarId: string;
  fps: number;
  bitrateBps: number;
  lingerMs: number;
  /** Viewers without VP8 can be sent H.264. */
  h264?: boolean;
  /** The faces of an utterance are made before it plays. */
  rehearses?: boolean;
  openStream(options: WorkerStreamOptions): Promise<WorkerStream>;
  openAudience(events: AudienceEvents): Audience;
  opus: OpusEncoder;
  clock: Clock;
  log: Log;
}

export interface SessionSettings extends PictureSettings {
  /** Range of the delay that players shall add, ms. */
  readonly playoutDelayMs: readonly [number, number];
}

export type SessionState = 'idle' | 'speaking' | 'ended';

export type SessionEvents = {
  state: { state: 'idle' | 'speaking' };
  /** After the count changed. */
  viewers: { viewers: number };
  ended: { reason: string };
  /** An utterance is being rendered before it plays: 0..1, and 1 once it waits for its turn. */
  rendering: { utteranceId: string; progress: number };
  /** It plays all the same, over the footage's own face. */
  renderingFailed: { utteranceId: string; message: string };
  speechEnded: { utteranceId: string; playedMs: number; interrupted: boolean };
};

/**
 * One talking avatar on one media clock. Sound is fed to the worker a fixed lead ahead of the clock, pictures come
 * back in time, and the playout lets both leave together. Silence is fed like speech: idle is not a special case.
 */
export class Session {
  readonly id: string;
  readonly avatarId: string;
  readonly fps: number;
  readonly createdAtMs: number;
  readonly events = new Emitter<SessionEvents>();
  readonly #options: SessionOptions;
  readonly #audience: Audience;
  readonly #watchers: JpegWatchers;
  readonly #playout: Playout;
  readonly #downsampler = new Downsampler48To16();
  readonly #pcm = new Int16Array(OPUS_FRAME_SAMPLES * 2);
  readonly #pictures: PictureStream;
  readonly #mediaClock: MediaClock;
  readonly #sound: SessionSound;
  #fedSamples = 0;
  #leadSamples = msToSamples(DRAW_MARGIN_MS + 100);
  readonly #speech = new SpeechQueue();
  #stopTimer: () => void = () => {};
  #lastReportMs = -Infinity;
  #lonelySinceMs: number;
  #renditions: SessionRenditions | undefined;
  #lastDemandMs = -Infinity;
  #playoutDelayMs: readonly [number, number] = [0, 0];
  #workerStats = { renderMs: 0, encodeMs: 0, backlogMs: 0 };
  #skippedPictures = 0;
  readonly #metrics: SessionMetrics;
  #toldState: 'idle' | 'speaking' = 'idle';
  readonly #ahead: RenderAhead;
  #closing: Promise<void> | undefined;

  private constructor(options: SessionOptions) {
    this.#options = options;
    this.#metrics = new SessionMetrics(() => options.clock.now());
    this.id = options.id;
    this.avatarId = options.avatarId;
    this.fps = options.fps;
    this.createdAtMs = options.clock.wall();
    this.#mediaClock = new MediaClock(options.clock);
    this.#sound = new SessionSound(options.opus);
    this.#lonelySinceMs = options.clock.now();
    this.#ahead = new RenderAhead({
      stream: () => this.#pictures.current,
      onProgress: (utteranceId, progress) => this.events.emit('rendering', { utteranceId, progress }),
      onFailed: (utterance, err) => {
        options.log.warn(
          { session: options.id, utterance: utterance.id, err },
          'speech was not rendered ahead',
        );
        this.events.emit('renderingFailed', { utteranceId: utterance.id, message: err.message });
      },
    });
    this.#audience = options.openAudience({
      onWish: () => void this.#serveDemand(),
      onKeyframeWanted: (rendition) => this.#pictures.current?.requestKeyframe(rendition),
      onJoined: () => this.#tellViewers(),
      onGone: () => this.#tellViewers(),
    });
    this.#watchers = new JpegWatchers((count) => {
      this.#pictures.current?.setJpeg(count > 0);
      this.#tellViewers();
    });
    this.#pictures = new PictureStream({
      ...options,
      fedSamples: () => this.#fedSamples,
      onOpened: (stream) => this.#streamOpened(stream),
      onPicture: (picture) => {
        if (this.#playout.pushPicture(picture)) this.#audience.requestKeyframe(picture.rendition);
        this.#playout.advance(this.#mediaClock.nowSamples);
      },
      onJpeg: (picture) => this.#playout.pushJpeg(picture),
      onStats: (stats) => {
        this.#workerStats = stats;
        this.#metrics.workerReported(stats);
        this.#skippedPictures += stats.skipped;
      },
    });
    this.#playout = new Playout(
      options.fps,
      {
        sound: (sound, mediaSamples) => this.#audience.sendSound(sound, mediaSamples),
        picture: (renditions) => this.#audience.sendPicture(renditions, options.fps),
        jpeg: (picture) => this.#watchers.push(picture.data),
      },
      this.#metrics,
    );
  }

  /** Opens the worker's stream and starts the clock. @throws avatar-not-found, worker-died, timeout */
  static async create(options: SessionOptions): Promise<Session> {
    const session = new Session(options);
    try {
      await session.#pictures.open();
    } catch (error) {
      await session.close('could not be opened');
      throw error;
    }
    session.#mediaClock.restart();
    session.#lonelySinceMs = options.clock.now();
    session.#tick();
    return session;
  }

  get widthPx(): number {
    return this.#pictures.current?.widthPx ?? 0;
  }

  get heightPx(): number {
    return this.#pictures.current?.heightPx ?? 0;
  }

  get state(): SessionState {
    if (this.#closing) return 'ended';
    return this.#speech.speaking ? 'speaking' : 'idle';
  }

  get viewers(): number {
    return this.#audience.size + this.#watchers.count;
  }

  get stats(): Record<string, number> {
    return {
      mediaMs: Math.round(samplesToMs(this.#mediaClock.nowSamples)),
      playedPictures: this.#playout.playedPictures,
      latePictures: this.#playout.latePictures,
      droppedPictures: this.#playout.droppedPictures,
      skippedPictures: this.#skippedPictures,
      queuedPictures: this.#playout.queuedPictures,
      soundUnderflows: this.#speech.underflows,
      renderMs: Number(this.#workerStats.renderMs.toFixed(2)),
      encodeMs: Number(this.#workerStats.encodeMs.toFixed(2)),
      backlogMs: Number(this.#workerStats.backlogMs.toFixed(1)),
      workerRestarts: this.#pictures.lost,
      leadMs: Math.round(samplesToMs(this.#leadSamples)),
    };
  }

  /** What the session and its viewers measured since they began, for people; computed when asked for. */
  async media(): Promise<{ media: SessionMediaSummary; viewerStats: ViewerStats[] }> {
    const { sums, viewers } = await this.#audience.report(MAX_VIEWER_STATS);
    return {
      media: this.#metrics.summary(this.#pictureCounts, ViewerTally.of(sums)),
      viewerStats: viewers.map(({ id, state, summary }) => ({ id, state, ...summary })),
    };
  }

  /** The same for Prometheus; the oldest `listedViewers` one by one. */
  async figures(listedViewers: number): Promise<SessionFigures> {
    const { sums, viewers } = await this.#audience.report(listedViewers);
    return this.#metrics.figures(this.id, this.#pictureCounts, ViewerTally.of(sums), viewers);
  }

  get #pictureCounts(): PictureCounts {
    return {
      sent: this.#playout.playedPictures,
      late: this.#playout.latePictures,
      dropped: this.#playout.droppedPictures,
      skipped: this.#skippedPictures,
    };
  }

  /** Utterances that are being rendered before they play, and how far each is (0..1). */
  get rendering(): { utteranceId: string; progress: number }[] {
    return this.#ahead.progress;
  }

  /**
   * Queues speech behind what is queued already. `untilWatched` holds it back until somebody listens (3 s at most).
   * `audioPath` is where its sound lies, for a session that renders before it plays; that file is read until the
   * returned promise resolves.
   */
  say(utterance: Utterance, options: { untilWatched?: boolean; audioPath?: string } = {}): Promise<void> {
    if (this.#closing) throw new AppError('session-closed', `session ${this.id} has ended`);
    if (this.#speech.size >= MAX_WAITING)
      throw new AppError(
        'no-capacity',
        `session ${this.id} has ${MAX_WAITING} utterances waiting already; try again when one has ended`,
      );
    const waitUntilMs = options.untilWatched ? this.#options.clock.now() + FIRST_VIEWER_WAIT_MS : 0;
    if (!this.#options.rehearses || options.audioPath === undefined) {
      this.#speech.push(utterance, { waitUntilMs });
      return utterance.closed;
    }
    const rendered = this.#ahead.add(utterance, options.audioPath);
    this.#speech.push(utterance, {
      waitUntilMs,
      heldAt: (atSamples) => !rendered.ready || !this.#isPictureStart(atSamples),
      onStart: (atSamples) => rendered.start(this.#pictures.ownMs(atSamples)),
    });
    return Promise.all([utterance.closed, rendered.over]).then(() => {});
  }

  #isPictureStart(atSamples: number): boolean {
    return frameToSamples(samplesToFrame(atSamples, this.fps), this.fps) === atSamples;
  }

  /**
   * Drops the speech that plays and all that waits; the session goes on in silence. Sound that was fed already falls
   * silent, too, after a moment; the mouth follows. Returns how much of the speech that played had been heard.
   */
  async interrupt(): Promise<{ playedMs: number }> {
    const stopSamples = this.#mediaClock.nowSamples + msToSamples(FALL_SILENT_MS);
    // The encoder itself says what silence is after the speech that it coded last: packets coded apart would end in a
    // click where its own begin again.
    const silence = new Int16Array(OPUS_FRAME_SAMPLES * 2);
    this.#playout.hush(stopSamples, () => this.#sound.encode(silence));
    this.#pictures.current?.cut();
    const dropped = await this.#speech.clear(stopSamples);
    for (const { utterance, heardSamples } of dropped) this.#tellEnd(utterance.id, heardSamples, true);
    return { playedMs: Math.round(samplesToMs(dropped[0]?.heardSamples ?? 0)) };
  }

  /** @throws sdp-invalid, sdp-unsupported, no-capacity, session-closed */
  async addViewer(offerSdp: string): Promise<ViewerAnswer> {
    if (this.#closing) throw new AppError('session-closed', `session ${this.id} has ended`);
    return this.#audience.add(offerSdp);
  }

  get settings(): SessionSettings {
    return { ...this.#renditions?.settings, playoutDelayMs: this.#playoutDelayMs };
  }

  /** Takes hold without a visible break; viewers who join later get the play-out delay. */
  configure(settings: Partial<SessionSettings>): void {
    const renditions = this.#renditions;
    const { playoutDelayMs, ...picture } = settings;
    this.#playoutDelayMs = playoutDelayMs ?? this.#playoutDelayMs;
    if (renditions === undefined) return;
    renditions.configure(picture);
    this.#configureAudience(renditions);
    this.#serveDemand();
  }

  #configureAudience({ ladder, top }: SessionRenditions): void {
    this.#audience.configure({ ladder, top, playoutDelayMs: this.#playoutDelayMs });
  }

  #serveDemand(): AudienceDemand {
    const { demand } = this.#audience;
    this.#renditions?.serve(demand.renditions, this.#options.clock.now());
    this.#sound.serve(demand);
    return demand;
  }

  /** WebRTC viewers, by their ids: how they are told apart and spoken with. */
  get audience(): Pick<Audience, 'size' | 'etagOf' | 'trickle' | 'restartIce' | 'remove'> {
    return this.#audience;
  }

  /** JPEG pictures from now on; encoded only while somebody asks for them. */
  watchJpeg(signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#watchers.watch(signal);
  }

  #tick(): void {
    if (this.#closing) return;
    const nowMs = this.#options.clock.now();
    const { sinceLastMs, heldMs } = this.#mediaClock.tick();
    this.#metrics.timerCame(sinceLastMs - TICK_MS);
    if (heldMs > 0)
      this.#options.log.warn({ session: this.id, pausedMs: Math.round(heldMs) }, 'clock held after a stall');
    const now = this.#mediaClock.nowSamples;
    while (this.#fedSamples < now + this.#leadSamples) this.#feed(nowMs);
    this.#playout.advance(now);
    this.#retireSpoken(now);
    this.#tellState();
    if (nowMs - this.#lastReportMs >= 1000) {
      this.#lastReportMs = nowMs;
      this.#audience.sendSenderReports(now, this.#options.clock.wall());
    }
    if (nowMs - this.#lastDemandMs >= DEMAND_EVERY_MS) {
      this.#lastDemandMs = nowMs;
      this.#sound.expectLoss(this.#serveDemand().worstLossShare);
    }
    this.#watchLoneliness(nowMs);
    if (!this.#closing) this.#stopTimer = this.#options.clock.after(TICK_MS, () => this.#tick());
  }

  /** Takes the next 20 ms of sound, encodes it for its time, and gives it to the engine at once. */
  #feed(nowMs: number): void {
    const spoke = this.#speech.feed(this.#pcm, this.#fedSamples, this.viewers > 0, nowMs);
    if (!spoke) this.#pcm.fill(0);
    this.#playout.pushSound(this.#sound.encode(this.#pcm), this.#fedSamples);
    this.#pictures.pushSound(this.#downsampler.push(this.#pcm));
    this.#fedSamples += OPUS_FRAME_SAMPLES;
  }

  #streamOpened(stream: WorkerStream): void {
    const { fps, bitrateBps, h264 = false } = this.#options;
    if (this.#renditions === undefined) {
      this.#renditions = new SessionRenditions(
        { widthPx: stream.widthPx, heightPx: stream.heightPx, fps, bitrateBps, h264 },
        (wanted) => this.#pictures.setRenditions(wanted),
      );
      this.#configureAudience(this.#renditions);
    }
    this.#leadSamples = msToSamples(stream.lookaheadMs + DRAW_MARGIN_MS);
    if (this.#watchers.count > 0) stream.setJpeg(true);
    this.#ahead.streamChanged();
    for (const rendition of this.#audience.demand.renditions) this.#audience.requestKeyframe(rendition);
  }

  #retireSpoken(now: number): void {
    for (const { utterance, heardSamples } of this.#speech.retire(now)) {
      if (utterance.error !== undefined) {
        const err = toAppError(utterance.error);
        this.#options.log.warn({ session: this.id, utterance: utterance.id, err }, 'speech broke off');
      }
      this.#tellEnd(utterance.id, heardSamples, false);
    }
  }

  /** Not while it ends: that its viewers go then is no news of its own. */
  #tellViewers(): void {
    if (!this.#closing) this.events.emit('viewers', { viewers: this.viewers });
  }

  #tellState(): void {
    const state = this.#speech.speaking ? 'speaking' : 'idle';
    if (state !== this.#toldState) this.events.emit('state', { state: (this.#toldState = state) });
  }

  #tellEnd(utteranceId: string, heardSamples: number, interrupted: boolean): void {
    this.events.emit('speechEnded', { utteranceId, playedMs: samplesToMs(heardSamples), interrupted });
  }

  #watchLoneliness(nowMs: number): void {
    if (this.viewers > 0 || this.#speech.busy) this.#lonelySinceMs = nowMs;
    else if (nowMs - this.#lonelySinceMs >= this.#options.lingerMs)
      void this.close('nobody watched any more').catch(() => {});
  }

  close(reason: string): Promise<void> {
    // A turn later, so that what the closing sets off finds the session closing.
    this.#closing ??= Promise.resolve().then(() => this.#close(reason));
    return this.#closing;
  }

  async #close(reason: string): Promise<void> {
    this.#stopTimer();
    this.#watchers.close();
    this.#audience.close();
    await Promise.allSettled([this.#pictures.close(), this.#speech.clear(this.#mediaClock.nowSamples)]);
    this.#sound.close();
    this.#options.log.info({ session: this.id, reason, ...this.stats }, 'session ended');
    this.events.emit('ended', { reason });
  }
}

export function newSessionId(): string {
  return randomUUID();
}

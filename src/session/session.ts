import { randomUUID } from 'node:crypto';
import type { MouthTuning } from '../engine/engine.js';
import { AppError, toAppError } from '../errors.js';
import { Downsampler48To16 } from '../media/resample.js';
import type { RenditionName } from '../media/frame.js';
import {
  frameToSamples,
  msToSamples,
  OPUS_FRAME_SAMPLES,
  samplesToFrame,
  samplesToMs,
} from '../media/timeline.js';
import type { WorkerStream } from '../worker/host.js';
import type { Audience, ViewerAnswer } from './viewers/audience.js';
import { MediaClock } from './playout/media-clock.js';
import { PictureStream } from './playout/picture-stream.js';
import { HEARD_AFTER_MS } from './playout/playout.js';
import type {
  Interrupted,
  SayOptions,
  SessionOptions,
  SessionSettings,
  SessionState,
} from './session-types.js';
import { SessionOutput, type OutputCut } from './playout/session-output.js';
import type { OutputTap } from './playout/output-tap.js';
import { Receivers } from './playout/receivers.js';
import { RenderAhead } from './playout/render-ahead.js';
import { SessionScene } from './playout/session-scene.js';
import type { SessionFigures } from './viewers/figures.js';
import {
  SessionMetrics,
  type PictureCounts,
  type SessionMediaSummary,
  type ViewerStats,
} from './session-metrics.js';
import { EventLog } from './events/event-log.js';
import { heardAtOf } from './events/heard-at.js';
import type { InterruptReason } from './events/session-events.js';
import { whenHeld, type TakesHold } from './takes-hold.js';
import { SessionLife } from './session-life.js';
import { SessionSound } from './playout/session-sound.js';
import { SessionSpeech } from './speech/session-speech.js';
import type { UtteranceView } from './speech/utterance-book.js';
import { PIECE_VALUES, type Utterance } from './speech/utterance.js';
import { ViewerTally } from './viewers/viewer-tally.js';

/** Time that a picture may take from its last needed sound to its encoded frame; more makes pictures late. */
const DRAW_MARGIN_MS = 80;
const TICK_MS = 5;
const HEARD_AFTER_SAMPLES = msToSamples(HEARD_AFTER_MS);
/** The first utterance waits this long for somebody to listen, so that its first words are not lost. */
const FIRST_VIEWER_WAIT_MS = 3_000;
/** How often it is looked at what the viewers' links carry. */
const DEMAND_EVERY_MS = 100;
/** Viewers described one by one. */
const MAX_VIEWER_STATS = 100;

/**
 * One talking avatar on one media clock. Sound is fed to the worker a fixed lead ahead of the clock, pictures come
 * back in time, and the playout lets both leave together. Silence is fed like speech: idle is not a special case.
 */
export class Session {
  readonly id: string;
  readonly fps: number;
  readonly createdAtMs: number;
  readonly events = new EventLog();
  /** Resolves once, when nothing of the session is left. */
  readonly ended: Promise<{ reason: string }>;
  #tellEnded: (how: { reason: string }) => void = () => {};
  readonly #options: SessionOptions;
  readonly #receivers: Receivers;
  readonly #output: SessionOutput;
  readonly #downsampler = new Downsampler48To16();
  readonly #pictures: PictureStream;
  /** Who is seen. */
  readonly scene: SessionScene;
  readonly #mediaClock: MediaClock;
  #fedSamples = 0;
  #leadSamples = msToSamples(DRAW_MARGIN_MS + 100);
  readonly #speech: SessionSpeech;
  readonly #heardAt: ReturnType<typeof heardAtOf>;
  #stopTimer: () => void = () => {};
  #lastReportMs = -Infinity;
  readonly #life: SessionLife;
  #lastDemandMs = -Infinity;
  #mouth: MouthTuning = { strength: 1, smoothing: 0 };
  #rateFps: number;
  #workerStats = { renderMs: 0, encodeMs: 0, backlogMs: 0 };
  #skippedPictures = 0;
  readonly #metrics: SessionMetrics;
  readonly #ahead: RenderAhead;
  #closing: Promise<void> | undefined;

  private constructor(options: SessionOptions) {
    this.#options = options;
    this.#metrics = new SessionMetrics(() => options.clock.now());
    this.id = options.id;
    this.fps = options.fps;
    this.#rateFps = options.fps;
    this.createdAtMs = options.clock.wall();
    this.#mediaClock = new MediaClock(options.clock);
    const sound = new SessionSound(options.opus);
    this.#life = new SessionLife(
      {
        ...options.life,
        onEnding: (data) => this.events.add({ event: 'session.ending', data }),
      },
      options.clock.now(),
    );
    this.ended = new Promise((resolve) => (this.#tellEnded = resolve));
    this.#heardAt = heardAtOf(options.id);
    this.#speech = new SessionSpeech({
      sessionId: options.id,
      tell: (event) => this.events.add(event),
      onFailed: ({ id: utterance, error }) =>
        options.log.warn({ session: options.id, utterance, err: toAppError(error) }, 'speech broke off'),
      wallMs: () => options.clock.wall(),
    });
    this.#ahead = new RenderAhead({
      stream: () => this.#pictures.current,
      onProgress: (utteranceId, progress) =>
        this.events.add({ event: 'utterance.rendering', data: { utteranceId, progress } }),
      onFailed: (utterance, err) => {
        options.log.warn(
          { session: options.id, utterance: utterance.id, err },
          'speech was not rendered ahead',
        );
        const data = { utteranceId: utterance.id, message: err.message };
        this.events.add({ event: 'utterance.rendering-failed', data });
      },
    });
    const { fps, bitrateBps, h264 = false } = options;
    this.#receivers = new Receivers({
      ...options,
      coding: { fps, bitrateBps, h264 },
      sound,
      pictures: () => this.#pictures,
      onViewers: () => this.#tellViewers(),
      nowMs: () => options.clock.now(),
    });
    this.#pictures = new PictureStream({
      ...options,
      epoch: () => this.#output.epoch,
      fedSamples: () => this.#fedSamples,
      onOpened: (stream) => this.#streamOpened(stream),
      onLost: () => this.scene.lost(this.#fedSamples),
      onCodedAnew: () => this.#receivers.codedAnew(),
      onActOver: (showId, over) => this.scene.actOver(showId, over),
      onPicture: (picture) => {
        if (this.#output.pushPicture(picture)) this.#receivers.audience.requestKeyframe(picture.rendition);
        this.#output.advance(this.#mediaClock.nowSamples);
      },
      onJpeg: (picture) => this.#output.pushJpeg(picture),
      onStats: (stats) => {
        this.#workerStats = stats;
        this.#metrics.workerReported(stats);
        this.#skippedPictures += stats.skipped;
      },
    });
    this.scene = new SessionScene({
      ...options,
      pictures: this.#pictures,
      tell: (event) => this.events.add(event),
      heardAt: this.#heardAt,
    });
    this.#output = new SessionOutput({
      fps,
      sound,
      sinks: {
        sound: (sent, mediaSamples) => this.#receivers.sound(sent, mediaSamples),
        picture: (renditions) => this.#receivers.picture(renditions),
        jpeg: (picture) => this.#receivers.jpeg(picture.data),
      },
      meter: this.#metrics,
      nowMs: () => options.clock.now(),
    });
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
    session.#tick();
    return session;
  }

  /** The avatar that is seen. */
  get avatarId(): string {
    return this.scene.avatarId;
  }

  /** ms since the session began. */
  get mediaMs(): number {
    return samplesToMs(this.#mediaClock.nowSamples);
  }

  get widthPx(): number {
    return this.#pictures.current?.widthPx ?? 0;
  }

  get heightPx(): number {
    return this.#pictures.current?.heightPx ?? 0;
  }

  get state(): SessionState {
    if (this.#closing) return 'ended';
    return this.#speech.state;
  }

  get viewers(): number {
    return this.#receivers.viewers;
  }

  get stats(): Record<string, number> {
    return {
      mediaMs: Math.round(this.mediaMs),
      ...this.#output.counts,
      skippedPictures: this.#skippedPictures,
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
    const { sums, viewers } = await this.#receivers.audience.report(MAX_VIEWER_STATS);
    return {
      media: this.#metrics.summary(this.#pictureCounts, ViewerTally.of(sums)),
      viewerStats: viewers.map(({ id, state, summary }) => ({ id, state, ...summary })),
    };
  }

  /** The same for Prometheus; the oldest `listedViewers` one by one. */
  async figures(listedViewers: number): Promise<SessionFigures> {
    const { sums, viewers } = await this.#receivers.audience.report(listedViewers);
    return this.#metrics.figures(this.id, this.#pictureCounts, ViewerTally.of(sums), viewers);
  }

  get #pictureCounts(): PictureCounts {
    const { playedPictures: sent, latePictures: late, droppedPictures: dropped } = this.#output.counts;
    return { sent, late, dropped, skipped: this.#skippedPictures };
  }

  /** Utterances that are being rendered before they play, and how far each is (0..1). */
  get rendering(): { utteranceId: string; progress: number }[] {
    return this.#ahead.progress;
  }

  /**
   * Queues speech. Resolves when its sound is not read any more.
   * @throws session-closed, no-capacity
   */
  say(utterance: Utterance, options: SayOptions = {}): Promise<void> {
    if (this.#closing) throw new AppError('session-closed', `session ${this.id} has ended`);
    this.keepAlive();
    const { mode = 'append', untilWatched = false, audioPath, live } = options;
    const waitUntilMs = untilWatched ? this.#options.clock.now() + FIRST_VIEWER_WAIT_MS : 0;
    if (mode === 'replace') this.interrupt('all', 'replaced');
    if (mode === 'interrupt') this.interrupt('playing', 'replaced');
    if (!this.#options.rehearses || audioPath === undefined) {
      this.#speech.say(utterance, mode, { waitUntilMs, ...live });
      return utterance.closed;
    }
    const rendered = this.#ahead.add(utterance, audioPath);
    this.#speech.say(utterance, mode, {
      waitUntilMs,
      heldAt: (atSamples) => !rendered.ready || !this.#isPictureStart(atSamples),
      onStart: (atSamples) => rendered.start(this.#pictures.ownMs(atSamples)),
    });
    return Promise.all([utterance.closed, rendered.over]).then(() => {});
  }

  utterance(id: string): UtteranceView {
    const view = this.#speech.view(id);
    if (view === undefined)
      throw new AppError('utterance-not-found', `session ${this.id} has no utterance ${id}`);
    return view;
  }

  /** Those to come in their order, and the newest that are over. */
  get utterances(): UtteranceView[] {
    return this.#speech.views;
  }

  #isPictureStart(atSamples: number): boolean {
    return frameToSamples(samplesToFrame(atSamples, this.fps), this.fps) === atSamples;
  }

  /**
   * Drops speech: all of it, what plays, or one utterance. The session goes on with what is left, or in silence. Sound
   * that was fed already falls silent at once, too, and the mouth shuts.
   */
  interrupt(
    which: 'all' | 'playing' | { id: string } = 'all',
    reason: InterruptReason = 'request',
  ): Interrupted {
    const startedMs = this.#options.clock.now();
    const playing = this.#speech.state === 'speaking';
    // What only waits can go without a break in what is heard.
    const nextSamples = this.#output.nextSamples ?? this.#fedSamples;
    const isFed = this.#speech.isFedBeyond(nextSamples, typeof which === 'object' ? which.id : undefined);
    const cut = isFed ? this.#cut() : undefined;
    const dropped = this.#speech.cut(cut?.stopSamples ?? this.#fedSamples, which, reason);
    return {
      playedMs: playing ? (dropped[0]?.playedMs ?? 0) : 0,
      dropped,
      resumable: dropped.some(({ utteranceId }) => this.#speech.view(utteranceId)?.resumable),
      ...(cut && { silentAt: this.#heardAt(cut.stopSamples), shutAt: this.#heardAt(cut.shutSamples) }),
      stopped: cut
        ? this.#output.stopped(startedMs, cut)
        : Promise.resolve({ soundStoppedMs: 0, stoppedMs: 0 }),
    };
  }

  /** Its owner is there, whether anybody watches or not. */
  keepAlive(): void {
    this.#life.used(this.#options.clock.now());
  }

  /** Whom the avatar talks with speaks, or is expected to. */
  setListening(listening: boolean): void {
    this.#speech.setListening(listening);
  }

  /** Goes on with what was interrupted last, from where it stopped. Returns the ids; none if there is nothing. */
  resume(): string[] {
    if (this.#closing) throw new AppError('session-closed', `session ${this.id} has ended`);
    return this.#speech.resume();
  }

  /** Nothing of what was fed and drawn for the future leaves any more. */
  #cut(): OutputCut {
    const cut = this.#output.cut(this.#mediaClock.nowSamples, this.#fedSamples);
    this.#receivers.audience.cut();
    this.#pictures.cut(cut.epoch, cut.fromSamples);
    return cut;
  }

  /** @throws sdp-invalid, sdp-unsupported, no-capacity, session-closed */
  async addViewer(offerSdp: string): Promise<ViewerAnswer> {
    if (this.#closing) throw new AppError('session-closed', `session ${this.id} has ended`);
    return this.#receivers.audience.add(offerSdp);
  }

  get settings(): SessionSettings {
    return { ...this.#receivers.settings, mouth: this.#mouth, rateFps: this.#rateFps };
  }

  /** Takes hold without a visible break; viewers who join later get the play-out delay. */
  configure(settings: Partial<SessionSettings>): void {
    const { mouth, rateFps, ...sent } = settings;
    if (rateFps !== undefined) this.#pictures.setRate((this.#rateFps = rateFps));
    if (mouth !== undefined) this.#pictures.tune((this.#mouth = mouth));
    this.#receivers.configure(sent);
  }

  /** When the settings of these names take hold, those that do; to be asked right behind `configure`. */
  async whenHeld(names: object): Promise<Record<string, TakesHold>> {
    const settings = Object.keys(names);
    const codedAnewMs = settings.includes('maxBitrateBps')
      ? await this.#receivers.whenCodedAnew()
      : undefined;
    return whenHeld(settings, { drawnAheadMs: DRAW_MARGIN_MS + 1000 / this.fps, codedAnewMs });
  }

  /** WebRTC viewers, by their ids: how they are told apart and spoken with. */
  get audience(): Pick<Audience, 'size' | 'etagOf' | 'trickle' | 'restartIce' | 'remove'> {
    return this.#receivers.audience;
  }

  /**
   * One more receiver of what leaves, until it is taken off or the session ends. It begins to get pictures with a key
   * picture. @throws session-closed
   */
  tap(tap: OutputTap): { requestKeyframe(rendition: RenditionName): void; remove(): void } {
    if (this.#closing) throw new AppError('session-closed', `session ${this.id} has ended`);
    return this.#receivers.tap(tap);
  }

  /** JPEG pictures from now on; encoded only while somebody asks for them. */
  watchJpeg(signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#receivers.watchJpeg(signal);
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
    this.#output.advance(now);
    this.#speech.advance(now - HEARD_AFTER_SAMPLES);
    this.scene.advance(now - HEARD_AFTER_SAMPLES, this.state === 'idle');
    if (nowMs - this.#lastReportMs >= 1000) {
      this.#lastReportMs = nowMs;
      this.#receivers.audience.sendSenderReports(now, this.#options.clock.wall());
    }
    if (nowMs - this.#lastDemandMs >= DEMAND_EVERY_MS) {
      this.#lastDemandMs = nowMs;
      this.#receivers.serve();
    }
    const over = this.#life.check(nowMs, { watched: this.viewers > 0, busy: this.#speech.busy });
    if (over !== undefined) void this.close(over).catch(() => {});
    if (!this.#closing) this.#stopTimer = this.#options.clock.after(TICK_MS, () => this.#tick());
  }

  /** Takes the next 20 ms of sound, and gives it to the engine at once. */
  #feed(nowMs: number): void {
    const pcm = new Int16Array(PIECE_VALUES);
    this.#speech.feed(pcm, this.#fedSamples, this.#receivers.areThere, nowMs);
    this.#pictures.pushSound(this.#downsampler.push(pcm));
    this.#output.pushSound(pcm, this.#fedSamples);
    this.#fedSamples += OPUS_FRAME_SAMPLES;
  }

  #streamOpened(stream: WorkerStream): void {
    this.#leadSamples = msToSamples(stream.lookaheadMs + DRAW_MARGIN_MS);
    this.#receivers.streamOpened(stream);
    this.#ahead.streamChanged();
  }

  /** Not while it ends: that its viewers go then is no news of its own. */
  #tellViewers(): void {
    if (!this.#closing) this.events.add({ event: 'session.viewers', data: { viewers: this.viewers } });
  }

  close(reason: string): Promise<void> {
    // A turn later, so that what the closing sets off finds the session closing.
    this.#closing ??= Promise.resolve().then(() => this.#close(reason));
    return this.#closing;
  }

  async #close(reason: string): Promise<void> {
    this.#stopTimer();
    const received = this.#receivers.close();
    await Promise.allSettled([this.#pictures.close(), this.#speech.close(), received]);
    this.#output.close();
    this.#options.log.info({ session: this.id, reason, ...this.stats }, 'session ended');
    this.events.add({ event: 'session.ended', data: { reason } });
    this.#tellEnded({ reason });
  }
}

export function newSessionId(): string {
  return randomUUID();
}

import path from 'node:path';
import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { OpusEncoder } from '../encoder/opus-encoder.js';
import { defaultBitrateBps } from '../encoder/vp8-encoder.js';
import { AppError, toAppError } from '../errors.js';
import type { Clock } from '../lib/clock.js';
import type { Log } from '../lib/log.js';
import { runJob } from '../worker/job.js';
import type { Engines, EngineChoice } from '../worker/engines.js';
import type { EngineName } from '../engine/engine.js';
import type { RenderInput } from '../worker/render-job.js';
import type { SessionFigures } from './viewers/figures.js';
import type { Audience, AudienceEvents } from './viewers/audience.js';
import { newSessionId, Session } from './session.js';
import type { IdleAction, PlayingAction, SessionScene } from './playout/session-scene.js';
import type { RecordedSession } from './recording/running-recording.js';
import type { SessionState } from './session-types.js';
import type { TransportHost } from '../transport/peer-transport.js';
import type { LiveReport } from './speech/live-speaker.js';
import type { NumberedEvent } from './events/session-events.js';
import type { TakesHold } from './takes-hold.js';
import { Talks, type TalksOptions } from './talks.js';
import type { Utterance } from './speech/utterance.js';

export interface SessionsOptions {
  engines: Engines;
  ffmpeg: Ffmpeg;
  /** @throws avatar-not-found, avatar-not-ready */
  avatar(id: string): Promise<{ id: string; widthPx: number; heightPx: number; still: boolean }>;
  /** @throws action-not-found, avatar-not-ready */
  action(avatarId: string, name: string): Promise<unknown>;
  avatarsDir: string;
  modelsDir: string;
  resultsDir: string;
  maxSessions: number;
  /** WebRTC viewers of all sessions together, those that are still connecting included. */
  maxViewers: number;
  /** Frame rate of a session that names none. */
  fps: number;
  lingerMs: number;
  /** Of every session, at most; undefined: no limit. See SessionLife. */
  idleMs?: number;
  maxMs?: number;
  openAudience(sessionId: string, events: AudienceEvents): Audience;
  /** The services that make speech of text. */
  text: TalksOptions['text'];
  /** By which sound comes in over WHIP; undefined where other threads have it. */
  transport: TransportHost;
  logLevel: string;
  clock: Clock;
  log: Log;
}

export interface SessionSettings {
  /** The avatar that is seen. */
  avatar?: string;
  /** `#rrggbb` behind the person of a photo; null: its own. */
  background?: string | null;
  /** Pictures a second, at most those that the session began with. */
  fps?: number;
  idleActions?: readonly IdleAction[];
  maxBitrateBps?: number;
  quality?: 'auto' | 'high' | 'mid' | 'low';
  playoutDelayMs?: { min: number; max: number };
  mouthStrength?: number;
  mouthSmoothing?: number;
}

interface SessionView {
  id: string;
  avatar: string;
  state: SessionState;
  fps: number;
  createdAtUnixS: number;
  viewers: number;
  action?: PlayingAction;
  widthPx: number;
  heightPx: number;
  engine: string;
  engineMode: EngineChoice['mode'];
  engineReason: string;
  rendering: { utteranceId: string; progress: number }[];
  live?: LiveReport;
  settings: SessionSettings;
  stats: Record<string, number>;
}

/** All sessions of the server: opens them within the limit, finds them, ends them. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, { session: Session; choice: EngineChoice }>();
  /** Results being saved after their sessions, one behind the other. */
  #saving: Promise<void> = Promise.resolve();
  readonly #abort = new AbortController();
  /** What is said in them. */
  readonly talk: Talks;
  /** Sessions being opened count against the limit, so that parallel requests cannot overshoot it. */
  #opening = new Set<string>();

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.talk = new Talks({
      ...options,
      find: (id) => this.#find(id),
      openEar: (events) => options.engines.listen(events),
      rendersAhead: (id) => this.#sessions.get(id)?.choice.mode === 'prerendered',
    });
  }

  async create(options: {
    avatarId: string;
    id?: string;
    engine?: EngineName | 'auto';
    fps?: number;
    audioPath?: string;
    legacy?: boolean;
    saveImages?: boolean;
    endAfterSpeech?: boolean;
    idleTimeoutS?: number;
    maxLengthS?: number;
  }): Promise<SessionView> {
    const { maxSessions, clock, log } = this.#options;
    const fps = options.fps ?? this.#options.fps;
    if (this.#sessions.size + this.#opening.size >= maxSessions) {
      throw new AppError('no-capacity', `all ${maxSessions} sessions of this server are in use`);
    }
    const id = options.id ?? (options.legacy ? this.#legacyId(options.avatarId) : newSessionId());
    this.#opening.add(id);
    let utterance: Utterance | undefined;
    let choice: EngineChoice | undefined;
    try {
      const avatar = await this.#options.avatar(options.avatarId);
      if (options.audioPath !== undefined) utterance = this.talk.utteranceOf(options.audioPath);
      // First the sound: one that cannot be decoded is refused before anything runs that would have to be undone.
      await utterance?.firstSound;
      choice = await this.#options.engines.choose({
        avatarId: avatar.id,
        engine: options.engine ?? 'auto',
        fps,
      });
      const chosen = choice;
      const session = await Session.create({
        id,
        avatarId: avatar.id,
        fps,
        bitrateBps: defaultBitrateBps(avatar.widthPx, avatar.heightPx),
        h264: this.#options.ffmpeg.codesH264,
        life: {
          lingerMs: this.#options.lingerMs,
          idleMs: shorter(this.#options.idleMs, options.idleTimeoutS),
          maxMs: shorter(this.#options.maxMs, options.maxLengthS),
          endAfterSpeech: options.endAfterSpeech,
        },
        rehearses: chosen.mode === 'prerendered',
        openStream: (streamOptions) => chosen.open(streamOptions),
        openAudience: (events) => this.#options.openAudience(id, events),
        opus: new OpusEncoder(),
        clock,
        log,
      });
      if (utterance && options.audioPath !== undefined)
        void session.say(utterance, { untilWatched: true, audioPath: options.audioPath });
      this.#sessions.set(id, { session, choice: chosen });
      void session.ended.then(() => {
        this.#sessions.delete(id);
        this.talk.forget(session);
        chosen.release();
        if (options.saveImages && options.audioPath !== undefined)
          this.#save(session, avatar.id, chosen, options.audioPath);
      });
      return this.get(id);
    } catch (error) {
      choice?.release();
      await utterance?.close();
      throw error;
    } finally {
      this.#opening.delete(id);
    }
  }

  list(): SessionView[] {
    return [...this.#sessions.keys()].map((id) => this.get(id));
  }

  get(id: string): SessionView {
    const session = this.#find(id);
    const live = this.talk.liveReport(session);
    return { ...viewOf(session, this.#sessions.get(id)!.choice), ...(live === undefined ? {} : { live }) };
  }

  /** What a session and its viewers measured. @throws session-not-found */
  async media(id: string): ReturnType<Session['media']> {
    return this.#find(id).media();
  }

  /** The same of all sessions for Prometheus; the first `listedViewers` viewers one by one. */
  async figures(listedViewers: number): Promise<SessionFigures[]> {
    const all: SessionFigures[] = [];
    let left = listedViewers;
    for (const { session } of [...this.#sessions.values()]) {
      const figures = await session.figures(left);
      left -= figures.viewers.length;
      all.push(figures);
    }
    return all;
  }

  /**
   * Calls back on every event until the session ends; with `afterId`, first with what is kept of those that came after
   * that one.
   */
  subscribe(id: string, listener: (event: NumberedEvent) => void, afterId?: number): () => void {
    return this.#find(id).events.follow(listener, afterId);
  }

  /** For who records it. @throws session-not-found */
  recorded(id: string): RecordedSession {
    return this.#find(id);
  }

  usesAvatar(avatarId: string): boolean {
    return [...this.#sessions.values()].some(({ session }) => session.scene.uses(avatarId));
  }

  keepAlive(id: string): void {
    this.#find(id).keepAlive();
  }

  async stop(id: string): Promise<void> {
    await this.#find(id).close('stopped by request');
  }

  async addPeer(
    sessionId: string,
    offerSdp: string,
  ): Promise<{ peerId: string; answerSdp: string; etag: string }> {
    const session = this.#find(sessionId);
    const peers = [...this.#sessions.values()].reduce((sum, one) => sum + one.session.audience.size, 0);
    const { maxViewers } = this.#options;
    if (peers >= maxViewers)
      throw new AppError('no-capacity', `all ${maxViewers} places for viewers of this server are taken`);
    const { id, answerSdp, etag } = await session.addViewer(offerSdp);
    return { peerId: id, answerSdp, etag };
  }

  /**
   * Takes hold without a visible break: all of it, or what is thrown says why none of it does.
   * @throws session-not-found, not-supported, and for another avatar what SessionScene.show throws
   */
  async configure(
    id: string,
    settings: Readonly<SessionSettings>,
  ): Promise<SessionView & { takesHold: Record<string, TakesHold> }> {
    const {
      avatar,
      background,
      fps,
      idleActions,
      playoutDelayMs,
      mouthStrength,
      mouthSmoothing,
      ...picture
    } = settings;
    const session = this.#find(id);
    if (fps !== undefined && fps > session.fps)
      throw new AppError(
        'not-supported',
        `the session counts its time in ${session.fps} pictures a second and can show fewer, not more; open one with "fps": ${fps}`,
      );
    if (idleActions !== undefined && idleActions.length > 0) {
      this.#assertActs(id);
      for (const { name } of idleActions) await this.#options.action(avatar ?? session.avatarId, name);
    }
    const { choice } = this.#sessions.get(id)!;
    const tunes = mouthStrength !== undefined || mouthSmoothing !== undefined;
    if (tunes && choice.engine !== 'cpu')
      throw new AppError(
        'not-supported',
        'only the cpu engine can change how far and how smoothly a mouth moves',
      );
    session.keepAlive();
    const takesHold =
      avatar === undefined && background === undefined ? {} : await this.#show(id, { avatar, background });
    const { mouth } = session.settings;
    if (idleActions !== undefined) session.scene.idleActions = idleActions;
    session.configure({
      ...picture,
      ...(fps === undefined ? {} : { rateFps: fps }),
      ...(tunes
        ? {
            mouth: {
              strength: mouthStrength ?? mouth.strength,
              smoothing: mouthSmoothing ?? mouth.smoothing,
            },
          }
        : {}),
      ...(playoutDelayMs === undefined
        ? {}
        : { playoutDelayMs: [playoutDelayMs.min, playoutDelayMs.max] as const }),
    });
    const others = await session.whenHeld(settings);
    return { ...viewOf(session, choice), takesHold: { ...takesHold, ...others } };
  }

  /** Another avatar takes the present one's place, or the same one before another background. */
  async #show(
    id: string,
    look: { avatar: string | undefined; background: string | null | undefined },
  ): Promise<Record<string, TakesHold>> {
    const { avatar, background = null } = look;
    const session = this.#find(id);
    if (this.#sessions.get(id)?.choice.mode === 'prerendered')
      throw new AppError(
        'not-supported',
        'a session that renders its speech before it plays keeps its look: what is rendered already shows that',
      );
    const avatarId = avatar ?? session.avatarId;
    const askedMs = session.mediaMs;
    const { mediaMs } = await session.scene.show(avatarId, background ?? undefined, async () => {
      const { still } = await this.#options.avatar(avatarId);
      if (background !== null && !still)
        throw new AppError(
          'not-supported',
          `avatar ${avatarId} is footage: only of a photo is it known what is person and what is behind`,
        );
    });
    const hold = { ms: Math.round(mediaMs - askedMs) };
    return {
      ...(look.avatar === undefined ? {} : { avatar: hold }),
      ...(look.background === undefined ? {} : { background: hold }),
    };
  }

  /** The avatar plays one of its actions. @throws not-supported, and what SessionScene.act throws */
  act(id: string, { name, times }: { name: string; times: number }): ReturnType<SessionScene['act']> {
    const session = this.#find(id);
    this.#assertActs(id);
    session.keepAlive();
    return session.scene.act(name, times);
  }

  #assertActs(id: string): void {
    if (this.#sessions.get(id)?.choice.mode !== 'prerendered') return;
    throw new AppError(
      'not-supported',
      'a session that renders its speech before it plays plays no actions: what is rendered shows the avatar itself',
    );
  }

  stopActing(id: string): void {
    this.#find(id).scene.stopActing();
  }

  /** ETag of the viewer's ICE session; undefined if there is no such viewer. */
  peerTag(sessionId: string, peerId: string): string | undefined {
    return this.#sessions.get(sessionId)?.session.audience.etagOf(peerId);
  }

  /** Trickled candidates. @throws session-not-found, peer-not-found, sdp-invalid, not-supported */
  async trickle(sessionId: string, peerId: string, fragment: string): Promise<void> {
    await this.#find(sessionId).audience.trickle(peerId, fragment);
  }

  /** The running ICE session is kept until the new one works. @throws session-not-found, peer-not-found, sdp-invalid */
  async restartIce(
    sessionId: string,
    peerId: string,
    fragment: string,
  ): Promise<{ fragment: string; etag: string }> {
    return this.#find(sessionId).audience.restartIce(peerId, fragment);
  }

  async removePeer(sessionId: string, peerId: string): Promise<void> {
    this.#find(sessionId).audience.remove(peerId);
  }

  mjpeg(sessionId: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#find(sessionId).watchJpeg(signal);
  }

  async close(): Promise<void> {
    this.#abort.abort(new AppError('session-closed', 'the server stops'));
    await Promise.allSettled(
      [...this.#sessions.values()].map(({ session }) => session.close('the server stops')),
    );
    await this.#saving;
  }

  #find(id: string): Session {
    const session = this.#sessions.get(id)?.session;
    if (session === undefined) throw new AppError('session-not-found', `there is no session ${id}`);
    return session;
  }

  /** `<avatar>_<unix seconds>` as the legacy API promises; `_2`, `_3` … when several start in one second. */
  #legacyId(avatarId: string): string {
    const base = `${avatarId}_${Math.floor(this.#options.clock.wall() / 1000)}`;
    let id = base;
    for (let n = 2; this.#sessions.has(id) || this.#opening.has(id); n += 1) id = `${base}_${n}`;
    return id;
  }

  /** `skip_save_images: false`: drawn once more at low priority after the session, so that no live picture waits for a disk. */
  #save(session: Session, avatarId: string, choice: EngineChoice, audioPath: string): void {
    const { resultsDir, avatarsDir, modelsDir, ffmpeg, logLevel, log } = this.#options;
    if (this.#abort.signal.aborted) return;
    const folder = path.join(resultsDir, session.id);
    const input: RenderInput = {
      avatarId,
      avatarsDir,
      modelsDir,
      audioPath,
      outPath: path.join(folder, 'result.mp4'),
      framesDir: path.join(folder, 'frames'),
      fps: session.fps,
      ...(choice.face === undefined ? {} : { face: choice.face }),
      ffmpeg,
      logLevel,
    };
    // One at a time: each may load gigabytes of networks.
    this.#saving = this.#saving
      .then(() => runJob('render-job', input, { niceness: 10, signal: this.#abort.signal }))
      .then(
        () => log.info({ session: session.id, folder }, 'result saved'),
        (error: unknown) =>
          log.error({ session: session.id, err: toAppError(error) }, 'result could not be saved'),
      );
  }
}

/** A session may have a shorter time than the server gives all, not a longer one. */
function shorter(mostMs: number | undefined, askedS: number | undefined): number | undefined {
  const ms = Math.min(mostMs ?? Infinity, askedS === undefined ? Infinity : askedS * 1000);
  return Number.isFinite(ms) ? ms : undefined;
}

function settingsOf(session: Session): SessionSettings {
  const { maxBitrateBps, quality, playoutDelayMs, mouth, rateFps } = session.settings;
  return {
    ...(maxBitrateBps === undefined ? {} : { maxBitrateBps }),
    quality: quality ?? 'auto',
    ...(session.scene.background === undefined ? {} : { background: session.scene.background }),
    ...(rateFps === session.fps ? {} : { fps: rateFps }),
    ...(session.scene.idleActions.length === 0 ? {} : { idleActions: session.scene.idleActions }),
    playoutDelayMs: { min: playoutDelayMs[0], max: playoutDelayMs[1] },
    mouthStrength: mouth.strength,
    mouthSmoothing: mouth.smoothing,
  };
}

function viewOf(session: Session, choice: EngineChoice): SessionView {
  const { id, avatarId, state, viewers, widthPx, heightPx, rendering, stats } = session;
  return {
    id,
    avatar: avatarId,
    state,
    fps: session.settings.rateFps,
    createdAtUnixS: session.createdAtMs / 1000,
    viewers,
    ...(session.scene.action === undefined ? {} : { action: session.scene.action }),
    widthPx,
    heightPx,
    engine: choice.engine,
    engineMode: choice.mode,
    engineReason: choice.reason,
    rendering,
    settings: settingsOf(session),
    stats,
  };
}

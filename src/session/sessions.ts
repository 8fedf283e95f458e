import { rm } from 'node:fs/promises';
import path from 'node:path';
import { randomUUID } from 'node:crypto';
import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { decodeAudio } from '../audio/decode.js';
import { OpusEncoder } from '../encoder/opus-encoder.js';
import { defaultBitrateBps } from '../encoder/vp8-encoder.js';
import { AppError, toAppError } from '../errors.js';
import type { Clock } from '../lib/clock.js';
import type { Log } from '../lib/log.js';
import { runJob } from '../worker/job.js';
import type { WorkerPool } from '../worker/host.js';
import type { RenderInput } from '../worker/render-job.js';
import { Peer } from './peer.js';
import { newSessionId, Session, type SessionState } from './session.js';
import { Utterance } from './utterance.js';

export interface SessionsOptions {
  pool: WorkerPool;
  ffmpeg: Ffmpeg;
  /** @throws avatar-not-found, avatar-not-ready */
  avatar(id: string): Promise<{ id: string; widthPx: number; heightPx: number }>;
  avatarsDir: string;
  modelsDir: string;
  resultsDir: string;
  maxSessions: number;
  lingerMs: number;
  publicHosts: string[];
  icePortRange: [number, number] | undefined;
  logLevel: string;
  clock: Clock;
  log: Log;
}

interface SessionView {
  id: string;
  avatar: string;
  state: SessionState;
  fps: number;
  createdAtUnixS: number;
  viewers: number;
  widthPx: number;
  heightPx: number;
  engine: string;
  stats: Record<string, number>;
}

/** All sessions of the server: opens them within the limit, finds them, ends them. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #jobs = new Set<Promise<unknown>>();
  readonly #abort = new AbortController();
  /** Sessions being opened count against the limit, so that parallel requests cannot overshoot it. */
  #opening = new Set<string>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  async create(options: {
    avatarId: string;
    id?: string;
    fps?: number;
    audioPath?: string;
    legacy?: boolean;
    saveImages?: boolean;
  }): Promise<SessionView> {
    const { maxSessions, clock, log } = this.#options;
    const fps = options.fps ?? 25;
    if (this.#sessions.size + this.#opening.size >= maxSessions) {
      throw new AppError('no-capacity', `all ${maxSessions} sessions of this server are in use`);
    }
    const id = options.id ?? (options.legacy ? this.#legacyId(options.avatarId) : newSessionId());
    this.#opening.add(id);
    let utterance: Utterance | undefined;
    try {
      const avatar = await this.#options.avatar(options.avatarId);
      if (options.audioPath !== undefined) utterance = this.#utterance(options.audioPath);
      // First the sound: one that cannot be decoded is refused before anything runs that would have to be undone.
      await utterance?.firstSound;
      const session = await Session.create({
        id,
        avatarId: avatar.id,
        fps,
        bitrateBps: defaultBitrateBps(avatar.widthPx, avatar.heightPx),
        lingerMs: this.#options.lingerMs,
        openStream: (streamOptions) => this.#options.pool.open(streamOptions),
        openPeer: (peerOptions) => this.#openPeer(peerOptions),
        opus: new OpusEncoder(),
        clock,
        log,
      });
      if (utterance) session.say(utterance, { untilWatched: true });
      this.#sessions.set(id, session);
      session.events.on('ended', () => {
        this.#sessions.delete(id);
        if (options.saveImages && options.audioPath !== undefined) this.#save(session, options.audioPath);
      });
      return this.#view(session);
    } catch (error) {
      await utterance?.close();
      throw error;
    } finally {
      this.#opening.delete(id);
    }
  }

  list(): SessionView[] {
    return [...this.#sessions.values()].map((session) => this.#view(session));
  }

  get(id: string): SessionView {
    return this.#view(this.#find(id));
  }

  usesAvatar(avatarId: string): boolean {
    return [...this.#sessions.values()].some((session) => session.avatarId === avatarId);
  }

  async say(
    id: string,
    options: { audioPath: string; audioIsUpload?: boolean },
  ): Promise<{ utteranceId: string }> {
    const discard = () =>
      options.audioIsUpload ? rm(options.audioPath, { force: true }) : Promise.resolve();
    try {
      const session = this.#find(id);
      const utterance = this.#utterance(options.audioPath);
      void utterance.closed.then(discard, discard);
      await utterance.firstSound;
      session.say(utterance);
      return { utteranceId: utterance.id };
    } catch (error) {
      await discard();
      throw error;
    }
  }

  interrupt(id: string): Promise<{ playedMs: number }> {
    return this.#find(id).interrupt();
  }

  async stop(id: string): Promise<void> {
    await this.#find(id).close('stopped by request');
  }

  async addPeer(
    sessionId: string,
    offerSdp: string,
  ): Promise<{ peerId: string; answerSdp: string; etag: string }> {
    const { id, answerSdp, etag } = await this.#find(sessionId).addPeer(offerSdp);
    return { peerId: id, answerSdp, etag };
  }

  /** Trickled candidates. @throws session-not-found, peer-not-found, sdp-invalid */
  async patchPeer(sessionId: string, peerId: string, fragment: string): Promise<void> {
    await this.#find(sessionId).peer(peerId).addCandidates(fragment);
  }

  async removePeer(sessionId: string, peerId: string): Promise<void> {
    await this.#find(sessionId).removePeer(peerId);
  }

  mjpeg(sessionId: string, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#find(sessionId).watchJpeg(signal);
  }

  async close(): Promise<void> {
    this.#abort.abort(new AppError('session-closed', 'the server stops'));
    await Promise.allSettled(
      [...this.#sessions.values()].map((session) => session.close('the server stops')),
    );
    await Promise.allSettled(this.#jobs);
  }

  #find(id: string): Session {
    const session = this.#sessions.get(id);
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

  #utterance(audioPath: string): Utterance {
    return new Utterance(randomUUID(), (signal) => decodeAudio(this.#options.ffmpeg, audioPath, { signal }));
  }

  #openPeer(options: {
    offerSdp: string;
    onKeyframeNeeded(): void;
    onConnected(): void;
    onClosed(reason: string): void;
  }): Promise<Peer> {
    const { publicHosts, icePortRange, log } = this.#options;
    return Peer.create({
      ...options,
      id: randomUUID(),
      log,
      publicHosts,
      ...(icePortRange ? { icePortRange } : {}),
    });
  }

  /** `skip_save_images: false`: drawn once more at low priority after the session, so that no live picture waits for a disk. */
  #save(session: Session, audioPath: string): void {
    const { resultsDir, avatarsDir, modelsDir, ffmpeg, logLevel, log } = this.#options;
    if (this.#abort.signal.aborted) return;
    const folder = path.join(resultsDir, session.id);
    const input: RenderInput = {
      avatarId: session.avatarId,
      avatarsDir,
      modelsDir,
      audioPath,
      outPath: path.join(folder, 'result.mp4'),
      framesDir: path.join(folder, 'frames'),
      fps: session.fps,
      ffmpeg,
      logLevel,
    };
    const job = runJob('render-job', input, { niceness: 10, signal: this.#abort.signal }).then(
      () => log.info({ session: session.id, folder }, 'result saved'),
      (error: unknown) =>
        log.error({ session: session.id, err: toAppError(error) }, 'result could not be saved'),
    );
    this.#jobs.add(job);
    void job.finally(() => this.#jobs.delete(job));
  }

  #view(session: Session): SessionView {
    const { id, avatarId, state, fps, viewers, widthPx, heightPx, stats } = session;
    return {
      id,
      avatar: avatarId,
      state,
      fps,
      createdAtUnixS: session.createdAtMs / 1000,
      viewers,
      widthPx,
      heightPx,
      engine: 'cpu',
      stats,
    };
  }
}

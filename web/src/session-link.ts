/**
 * Keeps one talking picture on the page, for ever: a session that exists, shown by WebRTC, or by MJPEG where
 * WebRTC does not come through. Whatever ends (connection, session, server) is made anew after a named pause.
 */
import { type Session, dropSession, getSession, iceServersUrl, isGone, mjpegUrl, whepUrl } from './api.js';
import { pause } from './dom.js';
import { type Figures, WhepPlayer } from './whep-player.js';

export type LinkState = 'connecting' | 'webrtc' | 'mjpeg' | 'waiting';

export interface SessionLinkOptions {
  video: HTMLVideoElement;
  mjpeg: HTMLImageElement;
  /** Finds or creates a session; `owned` sessions are deleted when the link closes. */
  open(signal: AbortSignal): Promise<{ session: Session; owned: boolean }>;
  onState(state: LinkState): void;
  /** The state of the session as the server tells it, about once a second. */
  onSession?(session: Session): void;
  onFigures?(figures: Figures): void;
  /** Something failed; the link tries again by itself. */
  onError(error: unknown): void;
}

const FIRST_PICTURE_MS = 5000;
const ASK_MS = 1000;
/** How long MJPEG is kept before WebRTC gets another chance. */
const MJPEG_HOLD_MS = 30_000;

/** The pause before the next attempt: 1, 2, 4, 8, then 10 s for ever. */
export const backoffMs = (attempt: number): number => Math.min(10_000, 1000 * 2 ** Math.min(attempt, 4));

export class SessionLink {
  readonly #options: SessionLinkOptions;
  readonly #closed = new AbortController();
  #round = new AbortController();
  #current: { session: Session; owned: boolean } | undefined;
  #player: WhepPlayer | undefined;
  #attempt = 0;
  #hurry = false;
  #live = false;
  #mjpegOf: string | undefined;
  readonly #waiting = new Set<() => void>();

  static start(options: SessionLinkOptions): SessionLink {
    const link = new SessionLink(options);
    void link.#run();
    return link;
  }

  private constructor(options: SessionLinkOptions) {
    this.#options = options;
  }

  get session(): Session | undefined {
    return this.#current?.session;
  }

  /**
   * The session, as soon as its picture is seen, so that nothing is spoken to nobody. After the limit a session
   * without a picture will do; rejects where there is none at all.
   */
  whenLive(limitMs: number): Promise<Session> {
    if (this.#current && this.#live) return Promise.resolve(this.#current.session);
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        if (this.#current) resolve(this.#current.session);
        else reject(new Error('The avatar is not ready to speak yet. Please try again in a moment.'));
      };
      const timer = setTimeout(done, limitMs);
      this.#waiting.add(done);
    });
  }

  /** Leaves the present session and opens another at once. */
  renew(): void {
    void this.#drop();
    this.#live = false;
    this.#hurry = true;
    this.#round.abort();
  }

  /** Ends everything; the requests leave at once, so it works while the page is being left. */
  async close(): Promise<void> {
    // First: what aborts below need not delete a viewer that goes with its session.
    const dropped = this.#drop();
    this.#closed.abort();
    this.#round.abort();
    this.#showMjpeg(undefined);
    await Promise.all([this.#player?.close(), dropped]);
  }

  async #drop(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    if (!current?.owned) return;
    this.#player?.forget();
    await dropSession(current.session.id);
  }

  async #run(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      this.#round = new AbortController();
      const signal = AbortSignal.any([this.#round.signal, this.#closed.signal]);
      try {
        await this.#openAndShow(signal);
      } catch (error) {
        if (isGone(error)) this.#current = undefined;
        if (!signal.aborted) this.#options.onError(error);
      }
      if (this.#closed.signal.aborted) return;
      this.#tell('waiting');
      if (!this.#hurry) await pause(backoffMs(this.#attempt++), signal);
      this.#hurry = false;
    }
  }

  #tell(state: LinkState): void {
    this.#live = state === 'webrtc' || state === 'mjpeg';
    if (this.#live) for (const done of this.#waiting) done();
    this.#options.onState(state);
  }

  /** Returns when the picture is lost; throws where none could be had. */
  async #openAndShow(signal: AbortSignal): Promise<void> {
    this.#tell('connecting');
    let current = this.#current;
    if (!current) {
      current = await this.#options.open(signal);
      if (signal.aborted) {
        if (current.owned) await dropSession(current.session.id);
        return;
      }
      this.#current = current;
    }
    const { session } = current;
    this.#options.onSession?.(session);
    const ending = new AbortController();
    const whole = AbortSignal.any([signal, ending.signal]);
    try {
      await Promise.race([this.#untilGone(session, whole), this.#show(session, whole)]);
    } finally {
      ending.abort();
    }
  }

  async #show(session: Session, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (WhepPlayer.isSupported()) {
        try {
          await this.#showWebrtc(session, signal);
          return;
        } catch (error) {
          if (signal.aborted) return;
          if (isGone(error)) throw error;
        }
      }
      await this.#startMjpeg(session, signal);
      await pause(MJPEG_HOLD_MS, signal);
    }
  }

  async #showWebrtc(session: Session, signal: AbortSignal): Promise<void> {
    const { video, onFigures } = this.#options;
    const iceServers = iceServersUrl(session);
    const player = await WhepPlayer.create({
      endpoint: whepUrl(session),
      ...(iceServers === undefined ? {} : { iceServersUrl: iceServers }),
      video,
      signal,
      firstPictureMs: FIRST_PICTURE_MS,
      ...(onFigures ? { onFigures } : {}),
    });
    this.#player = player;
    this.#showMjpeg(undefined);
    this.#attempt = 0;
    this.#tell('webrtc');
    const stop = (): void => void player.close();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    await player.lost;
    signal.removeEventListener('abort', stop);
    await player.close();
    this.#player = undefined;
  }

  async #startMjpeg(session: Session, signal: AbortSignal): Promise<void> {
    const { mjpeg } = this.#options;
    // A picture of this very session may stay until the fresh stream replaces it.
    if (this.#mjpegOf !== session.id) this.#showMjpeg(undefined);
    this.#mjpegOf = session.id;
    this.#showMjpeg(mjpegUrl(session));
    const until = performance.now() + FIRST_PICTURE_MS;
    // An endless multipart picture has no reliable load event; its size is known with the first part.
    while (mjpeg.naturalWidth === 0 && !signal.aborted) {
      if (performance.now() > until) throw new Error('Neither WebRTC nor MJPEG brought a picture.');
      await pause(50, signal);
    }
    if (signal.aborted) return;
    this.#attempt = 0;
    this.#tell('mjpeg');
  }

  #showMjpeg(url: string | undefined): void {
    const { mjpeg, video } = this.#options;
    if (url === undefined) {
      mjpeg.removeAttribute('src');
      this.#mjpegOf = undefined;
    } else {
      mjpeg.src = `${url}${url.includes('?') ? '&' : '?'}t=${Date.now()}`;
    }
    mjpeg.hidden = url === undefined;
    video.hidden = url !== undefined;
  }

  /** Asks for the session's state and returns when the session has ended or the server stays away. */
  async #untilGone(session: Session, signal: AbortSignal): Promise<void> {
    let unanswered = 0;
    while (!signal.aborted) {
      await pause(ASK_MS, signal);
      if (signal.aborted) return;
      try {
        const now = await getSession(session.id, AbortSignal.any([signal, AbortSignal.timeout(5000)]));
        unanswered = 0;
        if (now.state === 'ended') break;
        this.#options.onSession?.({ ...session, ...now });
      } catch (error) {
        if (signal.aborted) return;
        if (isGone(error)) break;
        if (++unanswered >= 5) throw error;
      }
    }
    if (signal.aborted) return;
    this.#player?.forget();
    this.#current = undefined;
  }
}

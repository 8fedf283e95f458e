/**
 * Plays one WHEP endpoint (draft-ietf-wish-whep) in a <video>. The offer leaves at once and its candidates follow by PATCH
 * as they are found; a connection that is lost gets an ICE restart before it is given up.
 */
import { ApiError, problemSentence } from './api.js';
import { pause } from './dom.js';
import { fragmentOf, restartedAnswer } from './ice-fragment.js';
import { iceServersOf } from './link-header.js';

export interface Figures {
  widthPx: number;
  heightPx: number;
  fps: number;
  bitrateBps: number;
  /** Time a picture waits in the receiver, plus half a round trip; undefined before the first second is over. */
  delayMs?: number;
  rttMs?: number;
  jitterMs?: number;
  lostPackets: number;
}

export type WhepState = 'connecting' | 'live' | 'closed';

export interface WhepPlayerOptions {
  endpoint: string;
  video: HTMLVideoElement;
  signal: AbortSignal;
  onState?(state: WhepState): void;
  /** Once a second while live. */
  onFigures?(figures: Figures): void;
  /** From the first step to the first decoded picture. */
  firstPictureMs?: number;
  /**
   * Where a HEAD tells the ICE servers before there is an offer. Without it those of the answer are used, which come too
   * late for the first candidates, but not for a restart.
   */
  iceServersUrl?: string;
}

/** A picture that stands still for so long means a connection that is dead, whatever its state says. */
const STALLED_MS = 6000;
/** "disconnected" often heals by itself; after this ICE is restarted. */
const DISCONNECTED_MS = 2000;
/** How long a restart may take, and how long a server that cannot restart is waited for. */
const RESTART_MS = 6000;
const HEAL_MS = 2000;
const FRAGMENT = { 'content-type': 'application/trickle-ice-sdpfrag' };

interface Sample {
  atMs: number;
  bytes: number;
  framesDecoded: number;
  bufferDelayS: number;
  bufferEmitted: number;
}

export class WhepPlayer {
  /** Resolves, with the reason, when the connection is lost or closed. */
  readonly lost: Promise<string>;
  #settleLost!: (reason: string) => void;
  readonly #options: WhepPlayerOptions;
  readonly #pc: RTCPeerConnection;
  readonly #stream = new MediaStream();
  /** Candidates that the server does not know yet, as attributes. */
  readonly #found: string[] = [];
  #sending = false;
  #live = false;
  #restarting = false;
  #resource: string | undefined;
  #etag: string | undefined;
  #answered = false;
  #closing: Promise<void> | undefined;
  #sampling: ReturnType<typeof setInterval> | undefined;
  #disconnected: ReturnType<typeof setTimeout> | undefined;
  #last: Sample | undefined;
  #movedAtMs = performance.now();

  static isSupported(): boolean {
    return typeof RTCPeerConnection === 'function';
  }

  /** Resolves when the first picture has been decoded; otherwise cleans up and rejects. */
  static async create(options: WhepPlayerOptions): Promise<WhepPlayer> {
    const player = new WhepPlayer(options);
    const limit = new AbortController();
    const timer = setTimeout(
      () => limit.abort(new Error('No picture arrived in time.')),
      options.firstPictureMs ?? 5000,
    );
    const signal = AbortSignal.any([limit.signal, options.signal]);
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    aborted.catch(() => undefined);
    try {
      signal.throwIfAborted();
      options.onState?.('connecting');
      // Raced, because a browser's own steps cannot be cancelled and might never end.
      await Promise.race([aborted, player.#connect(signal).then(() => player.#firstPicture(signal))]);
      player.#watch();
      options.onState?.('live');
      return player;
    } catch (error) {
      await player.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private constructor(options: WhepPlayerOptions) {
    this.#options = options;
    this.lost = new Promise((resolve) => (this.#settleLost = resolve));
    this.#pc = new RTCPeerConnection(CONFIGURATION);
    for (const kind of ['audio', 'video'] as const)
      playSoon(this.#pc.addTransceiver(kind, { direction: 'recvonly' }).receiver);
    this.#pc.ontrack = ({ track }) => this.#stream.addTrack(track);
    this.#pc.onicecandidate = ({ candidate }) => {
      if (candidate === null) this.#found.push('end-of-candidates');
      else if (candidate.candidate !== '' && this.#isOfNow(candidate)) this.#found.push(candidate.candidate);
      this.#trickle();
    };
    this.#pc.onconnectionstatechange = () => this.#connectionChanged();
  }

  /** Ends the connection and its resource on the server. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The session is gone, and the viewer's resource with it: there is nothing left to delete. */
  forget(): void {
    this.#resource = undefined;
  }

  async #close(): Promise<void> {
    clearInterval(this.#sampling);
    clearTimeout(this.#disconnected);
    this.#pc.close();
    if (this.#options.video.srcObject === this.#stream) this.#options.video.srcObject = null;
    this.#settleLost('closed');
    this.#options.onState?.('closed');
    if (this.#resource === undefined) return;
    try {
      await fetch(this.#resource, { method: 'DELETE', keepalive: true });
    } catch {
      // The server notices missing consent checks by itself.
    }
  }

  async #connect(signal: AbortSignal): Promise<void> {
    if (this.#options.iceServersUrl !== undefined)
      await this.#learnIceServers(this.#options.iceServersUrl, signal);
    await this.#pc.setLocalDescription(await this.#pc.createOffer());
    const offer = this.#pc.localDescription?.sdp;
    if (offer === undefined) throw new Error('The browser made no offer.');
    const response = await fetch(this.#options.endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', accept: 'application/sdp' },
      body: offer,
      signal,
    });
    const body = await response.text();
    if (response.status !== 201) throw new ApiError(response.status, problemSentence(response.status, body));
    const location = response.headers.get('location');
    const resource = location === null ? undefined : new URL(location, response.url).href;
    if (this.#closing && resource !== undefined) {
      // Given up while the answer was under way: the server must not keep a viewer that nobody is.
      void fetch(resource, { method: 'DELETE', keepalive: true }).catch(() => undefined);
    }
    signal.throwIfAborted();
    this.#resource = resource;
    this.#etag = response.headers.get('etag') ?? undefined;
    this.#useIceServers(response);
    this.#options.video.srcObject = this.#stream;
    await this.#pc.setRemoteDescription({ type: 'answer', sdp: body });
    this.#answered = true;
    this.#trickle();
  }

  async #learnIceServers(url: string, signal: AbortSignal): Promise<void> {
    try {
      this.#useIceServers(await fetch(url, { method: 'HEAD', signal }));
    } catch {
      // Without them most lines still come through.
      signal.throwIfAborted();
    }
  }

  #useIceServers({ headers }: Response): void {
    const iceServers = iceServersOf(headers.get('link'));
    if (iceServers.length > 0) this.#pc.setConfiguration({ ...CONFIGURATION, iceServers });
  }

  /** What was gathered before a restart is of no use after it. */
  #isOfNow({ usernameFragment }: RTCIceCandidate): boolean {
    const sdp = this.#pc.localDescription?.sdp ?? '';
    return !usernameFragment || sdp.includes(`a=ice-ufrag:${usernameFragment}\r\n`);
  }

  /** One PATCH at a time: what is found meanwhile goes with the next. */
  #trickle(): void {
    if (!this.#answered || this.#sending || this.#found.length === 0 || this.#closing) return;
    this.#sending = true;
    this.#patch(this.#etag, this.#found.splice(0))
      // The server learns most addresses by itself; if not, the first-picture limit decides.
      .catch(() => undefined)
      .finally(() => {
        this.#sending = false;
        this.#trickle();
      });
  }

  async #patch(
    ifMatch: string | undefined,
    attributes: readonly string[],
    signal?: AbortSignal,
  ): Promise<Response> {
    if (this.#resource === undefined) throw new Error('The server named no resource to change.');
    return fetch(this.#resource, {
      method: 'PATCH',
      headers: ifMatch === undefined ? FRAGMENT : { ...FRAGMENT, 'if-match': ifMatch },
      body: fragmentOf(this.#pc.localDescription?.sdp ?? '', attributes),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #firstPicture(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const state = this.#pc.connectionState;
      if (state === 'failed' || state === 'closed') throw new Error('The connection could not be made.');
      const sample = await this.#sample();
      if (sample !== undefined && sample.figures.widthPx > 0 && sample.now.framesDecoded > 0) return;
      await pause(50, signal);
    }
  }

  #connectionChanged(): void {
    const state = this.#pc.connectionState;
    clearTimeout(this.#disconnected);
    // Before the first picture, its limit decides.
    if (!this.#live) return;
    if (state === 'failed') void this.#recover(state);
    if (state === 'disconnected')
      this.#disconnected = setTimeout(() => void this.#recover(state), DISCONNECTED_MS);
  }

  async #recover(state: 'failed' | 'disconnected'): Promise<void> {
    if (this.#restarting || this.#closing) return;
    this.#restarting = true;
    try {
      const signal = AbortSignal.timeout(RESTART_MS);
      await this.#restartIce(signal);
      await this.#untilConnected(signal);
    } catch {
      // The server keeps the old connection where it cannot restart, and so do we.
      if (this.#pc.signalingState === 'have-local-offer')
        await this.#pc.setLocalDescription({ type: 'rollback' }).catch(() => undefined);
      this.#answered = true;
      if (state === 'disconnected')
        await this.#untilConnected(AbortSignal.timeout(HEAL_MS)).catch(() => undefined);
      if (this.#pc.connectionState !== 'connected') this.#settleLost(state);
    } finally {
      this.#restarting = false;
    }
  }

  async #restartIce(signal: AbortSignal): Promise<void> {
    this.#answered = false;
    const offer = await this.#pc.createOffer({ iceRestart: true });
    this.#found.length = 0;
    await this.#pc.setLocalDescription(offer);
    const response = await this.#askForRestart(signal);
    const fragment = await response.text();
    const answer = this.#pc.currentRemoteDescription?.sdp ?? '';
    if (response.status !== 200)
      throw new ApiError(response.status, problemSentence(response.status, fragment));
    await this.#pc.setRemoteDescription({ type: 'answer', sdp: restartedAnswer(answer, fragment) });
    this.#etag = response.headers.get('etag') ?? undefined;
    this.#answered = true;
    this.#trickle();
  }

  /** Asks until there is an answer: what broke the connection may keep requests from arriving for a while, too. */
  async #askForRestart(signal: AbortSignal): Promise<Response> {
    for (;;) {
      try {
        return await this.#patch('*', [], signal);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        await pause(500, signal);
        signal.throwIfAborted();
      }
    }
  }

  async #untilConnected(signal: AbortSignal): Promise<void> {
    while (this.#pc.connectionState !== 'connected') {
      if (this.#pc.connectionState === 'closed') throw new Error('The connection was closed.');
      await pause(50, signal);
      signal.throwIfAborted();
    }
  }

  #watch(): void {
    this.#live = true;
    this.#movedAtMs = performance.now();
    this.#sampling = setInterval(() => {
      this.#sample().then(
        (sample) => {
          if (sample === undefined) return;
          const previous = this.#last;
          this.#last = sample.now;
          // A hidden page may stop decoding; then arriving bytes have to do as a sign of life.
          const moved = document.hidden
            ? sample.now.bytes !== previous?.bytes
            : sample.now.framesDecoded !== previous?.framesDecoded;
          // What is being restarted has its own limit.
          const broken = this.#restarting || this.#pc.connectionState === 'disconnected';
          if (moved || broken) this.#movedAtMs = performance.now();
          else if (performance.now() - this.#movedAtMs > STALLED_MS) this.#settleLost('stalled');
          this.#options.onFigures?.(sample.figures);
        },
        () => this.#settleLost('closed'),
      );
    }, 1000);
  }

  async #sample(): Promise<{ now: Sample; figures: Figures } | undefined> {
    const report = await this.#pc.getStats();
    let video: RTCInboundRtpStreamStats | undefined;
    let pair: RTCIceCandidatePairStats | undefined;
    let bytes = 0;
    report.forEach((entry: RTCStats) => {
      if (entry.type === 'inbound-rtp') {
        const inbound = entry as RTCInboundRtpStreamStats;
        bytes += inbound.bytesReceived ?? 0;
        if (inbound.kind === 'video') video = inbound;
      } else if (entry.type === 'candidate-pair' && (entry as RTCIceCandidatePairStats).nominated) {
        pair = entry as RTCIceCandidatePairStats;
      }
    });
    if (video === undefined) return undefined;
    const now: Sample = {
      atMs: video.timestamp,
      bytes,
      framesDecoded: video.framesDecoded ?? 0,
      bufferDelayS: video.jitterBufferDelay ?? 0,
      bufferEmitted: video.jitterBufferEmittedCount ?? 0,
    };
    const figures: Figures = {
      widthPx: video.frameWidth ?? 0,
      heightPx: video.frameHeight ?? 0,
      fps: video.framesPerSecond ?? 0,
      bitrateBps: 0,
      lostPackets: video.packetsLost ?? 0,
    };
    if (video.jitter !== undefined) figures.jitterMs = video.jitter * 1000;
    if (pair?.currentRoundTripTime !== undefined) figures.rttMs = pair.currentRoundTripTime * 1000;
    const last = this.#last;
    if (last !== undefined && now.atMs > last.atMs) {
      figures.bitrateBps = ((now.bytes - last.bytes) * 8000) / (now.atMs - last.atMs);
      const emitted = now.bufferEmitted - last.bufferEmitted;
      if (emitted > 0) {
        figures.delayMs =
          ((now.bufferDelayS - last.bufferDelayS) * 1000) / emitted + (figures.rttMs ?? 0) / 2;
      }
    }
    return { now, figures };
  }
}

const CONFIGURATION: RTCConfiguration = { bundlePolicy: 'max-bundle' };

/** Asks for the smallest buffer that the line allows, by the standard's name and the older one. */
function playSoon(receiver: RTCRtpReceiver): void {
  if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
  else if ('playoutDelayHint' in receiver) Object.assign(receiver, { playoutDelayHint: 0 });
}

/**
 * Plays one WHEP endpoint (draft-ietf-wish-whep) in a <video>: the client offers, candidates found within
 * `gatherMs` travel in the offer, later ones by PATCH with If-Match.
 */
import { ApiError, problemSentence } from './api.js';
import { pause } from './dom.js';

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
  /** How long the offer waits for candidates. Host candidates are there at once; the rest trickles. */
  gatherMs?: number;
}

/** A picture that stands still for so long means a connection that is dead, whatever its state says. */
const STALLED_MS = 6000;
/** "disconnected" often heals by itself. */
const DISCONNECTED_MS = 4000;

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
  readonly #late: RTCIceCandidate[] = [];
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
    this.#pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.#pc.addTransceiver('audio', { direction: 'recvonly' });
    this.#pc.addTransceiver('video', { direction: 'recvonly' });
    this.#pc.ontrack = ({ track }) => this.#stream.addTrack(track);
    this.#pc.onicecandidate = ({ candidate }) => {
      if (candidate && candidate.candidate !== '') this.#late.push(candidate);
      if (this.#answered) this.#sendLate();
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
    await this.#pc.setLocalDescription(await this.#pc.createOffer());
    await this.#gather(signal);
    const offer = this.#pc.localDescription?.sdp;
    if (offer === undefined) throw new Error('The browser made no offer.');
    // What is in the offer need not be sent again.
    this.#late.length = 0;
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
    this.#options.video.srcObject = this.#stream;
    await this.#pc.setRemoteDescription({ type: 'answer', sdp: body });
    this.#answered = true;
    this.#sendLate();
  }

  async #gather(signal: AbortSignal): Promise<void> {
    const enough = new AbortController();
    this.#pc.onicegatheringstatechange = () => {
      if (this.#pc.iceGatheringState === 'complete') enough.abort();
    };
    if (this.#pc.iceGatheringState === 'complete') return;
    await pause(this.#options.gatherMs ?? 200, AbortSignal.any([enough.signal, signal]));
    signal.throwIfAborted();
  }

  /** RFC 8840 fragment: only the bundle-tagged m-line, with the offer's own credentials. */
  #sendLate(): void {
    if (this.#late.length === 0 || this.#resource === undefined) return;
    const lines = (this.#pc.localDescription?.sdp ?? '').split('\r\n');
    const line = (prefix: string): string[] => lines.filter((text) => text.startsWith(prefix)).slice(0, 1);
    const fragment = [
      ...line('a=group:BUNDLE'),
      ...line('a=ice-options:'),
      ...line('a=ice-ufrag:'),
      ...line('a=ice-pwd:'),
      ...line('m='),
      ...line('a=mid:'),
      ...this.#late.splice(0).map((candidate) => `a=${candidate.candidate}`),
      '',
    ].join('\r\n');
    const headers: Record<string, string> = { 'content-type': 'application/trickle-ice-sdpfrag' };
    if (this.#etag !== undefined) headers['if-match'] = this.#etag;
    fetch(this.#resource, { method: 'PATCH', headers, body: fragment }).catch(() => {
      // The offer's candidates usually do; if not, the first-picture limit decides.
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
    if (state === 'failed') this.#settleLost('failed');
    if (state === 'disconnected') {
      this.#disconnected = setTimeout(() => this.#settleLost('disconnected'), DISCONNECTED_MS);
    }
  }

  #watch(): void {
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
          if (moved) this.#movedAtMs = performance.now();
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

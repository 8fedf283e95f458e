import { randomUUID } from 'node:crypto';
import { AppError } from '../../errors.js';
import type { Clock } from '../../lib/clock.js';
import type { Log } from '../../lib/log.js';
import type { EncodedPicture, RenditionName } from '../../media/frame.js';
import { timestampBaseOf } from '../../rtp/timestamp-base.js';
import type { TransportHost } from '../../transport/peer-transport.js';
import type {
  Audience,
  AudienceDemand,
  AudienceEvents,
  AudienceReport,
  AudienceSettings,
  ViewerAnswer,
} from './audience.js';
import { FanOut, type SoundPacket } from './fan-out.js';
import { Peer, type PeerOptions } from './peer.js';
import { ViewerTally } from './viewer-tally.js';

export interface LocalAudienceOptions {
  readonly sessionId: string;
  readonly events: AudienceEvents;
  /** @throws sdp-invalid, sdp-unsupported */
  openPeer(options: Omit<PeerOptions, 'id' | 'transport' | 'clock' | 'log'>): Peer;
  readonly clock: Clock;
  readonly log: Log;
}

/** Opens audiences whose viewers come over this transport. */
export function localAudiences(options: {
  transport: TransportHost;
  clock: Clock;
  log: Log;
}): (sessionId: string, events: AudienceEvents) => Audience {
  const { transport, clock, log } = options;
  return (sessionId, events) =>
    new LocalAudience({
      ...{ sessionId, events, clock, log },
      openPeer: (peer) => new Peer({ ...peer, id: randomUUID(), transport, clock, log }),
    });
}

/** The viewers that this thread serves. */
export class LocalAudience implements Audience {
  readonly #options: LocalAudienceOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #fanOut: FanOut;
  readonly #timestampBases: { readonly audio: number; readonly video: number };
  readonly #goneViewers = new ViewerTally();
  #settings: AudienceSettings = { ladder: [], top: undefined, playoutDelayMs: [0, 0] };
  #closed = false;

  constructor(options: LocalAudienceOptions) {
    const { sessionId, events, clock, log } = options;
    this.#options = options;
    this.#timestampBases = {
      audio: timestampBaseOf(sessionId, 'audio'),
      video: timestampBaseOf(sessionId, 'video'),
    };
    this.#fanOut = new FanOut({
      clock,
      onKeyframeNeeded: (rendition) => events.onKeyframeWanted(rendition),
      onPeerError: (peer, err) => log.warn({ session: sessionId, peer, err }, 'sending to a viewer failed'),
    });
  }

  get size(): number {
    return this.#peers.size;
  }

  get demand(): AudienceDemand {
    const { demand, wantsSlimSound, worstLossShare } = this.#fanOut;
    return { renditions: demand, slimSound: wantsSlimSound, worstLossShare };
  }

  etagOf(viewerId: string): string | undefined {
    return this.#peers.get(viewerId)?.etag;
  }

  async add(offerSdp: string): Promise<ViewerAnswer> {
    const { events } = this.#options;
    const { ladder, top, playoutDelayMs } = this.#settings;
    const peer: Peer = this.#options.openPeer({
      offerSdp,
      ladder,
      playoutDelayMs,
      timestampBases: this.#timestampBases,
      onKeyframeNeeded: (rendition) => {
        // One that is not encoded yet begins with a key picture by itself.
        if (!this.#closed) events.onWish();
        this.#fanOut.requestKeyframe(rendition);
      },
      onConnected: () => this.#fanOut.catchUp(peer),
      onClosed: (reason) => this.#drop(peer, reason),
    });
    peer.setTop(top);
    this.#peers.set(peer.id, peer);
    this.#fanOut.add(peer);
    // While the viewer connects its encoder and a key picture get ready, so that it need not wait for them then.
    events.onWish();
    this.#fanOut.requestKeyframe(peer.wanted);
    events.onJoined(peer.id);
    const { id, answerSdp, etag } = peer;
    return { id, answerSdp, etag };
  }

  async trickle(viewerId: string, fragment: string): Promise<void> {
    this.#peer(viewerId).addCandidates(fragment);
  }

  async restartIce(viewerId: string, fragment: string): Promise<{ fragment: string; etag: string }> {
    const peer = this.#peer(viewerId);
    const answer = peer.restartIce(fragment);
    return { fragment: answer, etag: peer.etag };
  }

  remove(viewerId: string): void {
    this.#peer(viewerId).close('the viewer left');
  }

  /** Viewers who join later get the play-out delay from the start. */
  configure(settings: AudienceSettings): void {
    this.#settings = settings;
    for (const peer of this.#peers.values()) {
      peer.setLadder(settings.ladder);
      peer.setTop(settings.top);
      peer.setPlayoutDelay(settings.playoutDelayMs);
    }
  }

  sendPicture(renditions: readonly EncodedPicture[], fps: number): void {
    this.#fanOut.sendPicture(renditions, fps);
  }

  sendSound(sound: SoundPacket, mediaSamples: number): void {
    this.#fanOut.sendSound(sound, mediaSamples);
  }

  sendSenderReports(mediaSamples: number, wallMs: number): void {
    this.#fanOut.sendSenderReports(mediaSamples, wallMs);
  }

  cut(): void {
    this.#fanOut.cut();
  }

  requestKeyframe(rendition: RenditionName): void {
    this.#fanOut.requestKeyframe(rendition);
  }

  async report(listed: number): Promise<AudienceReport> {
    const sums = new ViewerTally();
    sums.add(this.#goneViewers);
    for (const { metrics } of this.#peers.values()) sums.add(metrics.tally);
    return {
      sums: sums.data,
      viewers: [...this.#peers.values()].slice(0, listed).map(({ id, state, metrics }) => ({
        ...{ id, state, summary: metrics.summary() },
        ...{ histograms: metrics.histograms(), numbers: metrics.numbers() },
      })),
    };
  }

  close(): void {
    this.#closed = true;
    this.#fanOut.close();
    for (const peer of [...this.#peers.values()]) peer.close('the session ended');
  }

  #peer(id: string): Peer {
    const peer = this.#peers.get(id);
    if (peer === undefined)
      throw new AppError('peer-not-found', `session ${this.#options.sessionId} has no viewer ${id}`);
    return peer;
  }

  #drop(peer: Peer, reason: string): void {
    if (!this.#peers.delete(peer.id)) return;
    this.#goneViewers.add(peer.metrics.tally);
    this.#fanOut.remove(peer.id);
    const { sessionId, events, log } = this.#options;
    if (!this.#closed) events.onGone(peer.id);
    log.debug({ session: sessionId, peer: peer.id, reason }, 'viewer gone');
  }
}

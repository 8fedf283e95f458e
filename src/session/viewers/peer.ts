import { AppError } from '../../errors.js';
import { systemClock, type Clock } from '../../lib/clock.js';
import type { Log } from '../../lib/log.js';
import type { RenditionName } from '../../media/frame.js';
import { OPUS_CLOCK_RATE, rtpTimestamp, samplesToMs, VIDEO_CLOCK_RATE } from '../../media/timeline.js';
import { OPUS_LOOKAHEAD_SAMPLES } from '../../rtp/opus.js';
import { OutgoingStream } from '../../rtp/outgoing-stream.js';
import { readRtcp, type ReceptionReport } from '../../rtp/rtcp.js';
import { SrtpProtector, type SrtpMaster } from '../../rtp/srtp.js';
import { PICTURE_ID_COUNT } from '../../rtp/vp8-packetizer.js';
import { ABS_SEND_TIME, PLAYOUT_DELAY, writeAnswer } from '../../sdp/answer.js';
import { readOffer, type OfferedSection } from '../../sdp/offer.js';
import { candidateLine } from '../../transport/ice-candidate.js';
import { PeerTransport, type TransportHost } from '../../transport/peer-transport.js';
import type { PictureParts, SoundPacket } from './fan-out.js';
import { IceSession } from './ice-session.js';
import { KeyRequestLimit } from './key-request-limit.js';
import { LossWindow } from './loss-window.js';
import { Repairs } from './repairs.js';
import { ViewerMetrics, type KeyframeReason } from './viewer-metrics.js';
import { rungsOf, ViewerQuality, type Rung } from './viewer-quality.js';
import { ViewerReports } from './viewer-reports.js';

/** A viewer who has not connected by then is given up. */
const CONNECT_LIMIT_MS = 15_000;
const UDP_IP_BYTES = 28;
const LOSS_WEIGHT = 0.3;
/** A probe repeats the newest packets over and over. */
const PROBE_REACH = 32;
const MAX_PROBE_PACKETS = 40;

export interface PeerOptions {
  readonly id: string;
  readonly offerSdp: string;
  readonly transport: TransportHost;
  readonly log: Log;
  readonly clock?: Clock;
  /** What the session can be sent as, best first; a viewer without VP8 gets its `h264`. */
  readonly ladder: readonly Rung[];
  /** The viewer connected or lost a picture, or shall get another rendition; may come often. */
  onKeyframeNeeded(rendition: RenditionName): void;
  /** Pictures can be sent from now on; those sent within the call may spare the wait for a key picture. */
  onConnected(): void;
  /** Once, whoever ended it. */
  onClosed(reason: string): void;
  /** Range of the delay that the viewer's player shall add, ms; default 0 to 0, the shortest. */
  readonly playoutDelayMs?: readonly [number, number];
  /** RTP time stamps of media time 0, the same for all viewers of a session; random if absent. */
  readonly timestampBases?: { readonly audio: number; readonly video: number };
}

type State = 'connecting' | 'connected' | 'closed';

/** One viewer: answers its offer, sends it pictures and sound, hears what it missed. */
export class Peer {
  readonly id: string;
  readonly #options: PeerOptions;
  readonly #clock: Clock;
  readonly #codec: 'VP8' | 'H264';
  readonly #transport: PeerTransport;
  readonly #audio: OutgoingStream | undefined;
  readonly #video: OutgoingStream | undefined;
  readonly answerSdp: string;
  readonly #ice: IceSession;
  readonly metrics: ViewerMetrics;
  readonly #quality: ViewerQuality;
  #state: State = 'connecting';
  #keyed = false;
  #rendition: RenditionName;
  #asked: RenditionName;
  #lastSamples = -1;
  readonly #keyRequests = new KeyRequestLimit();
  readonly #reports: ViewerReports;
  readonly #repairs: Repairs;
  /** Smoothed: one report covers few packets. */
  #lossShare = 0;
  readonly #windows = { audio: new LossWindow(), video: new LossWindow() };
  #pictureId = Math.floor(Math.random() * PICTURE_ID_COUNT);
  #stopWaiting: () => void;

  /** Answers at once: all candidates are known. @throws sdp-invalid, sdp-unsupported */
  constructor(options: PeerOptions) {
    this.id = options.id;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.metrics = new ViewerMetrics(() => this.#clock.now());
    this.metrics.offered();
    const codesH264 = options.ladder.some(({ name }) => name === 'h264');
    const offer = readOffer(options.offerSdp, codesH264 ? ['VP8', 'H264'] : ['VP8']);
    this.#codec = offer.sections.some(({ codec }) => codec?.name === 'H264') ? 'H264' : 'VP8';
    const { ice, identity, lite } = options.transport;
    if (offer.iceLite && lite)
      throw new AppError('sdp-unsupported', 'both sides are ICE-lite, so none would open the connection');
    this.#quality = new ViewerQuality(rungsOf(options.ladder, this.#codec), this.#clock.now());
    this.#rendition = this.#quality.wanted;
    this.#asked = this.#rendition;
    this.#repairs = new Repairs(this.#clock, () => ({
      narrow: this.#quality.constrained,
      sentBps: this.#quality.sentBps(this.#clock.now()),
      lossShare: this.#lossShare,
      rttMs: this.#reports.roundTrip.latestMs,
    }));
    const tracks = new Map<OfferedSection, OutgoingStream>();
    for (const section of offer.sections) {
      const { codec } = section;
      if (codec === undefined) continue;
      const stream = new OutgoingStream({
        payloadType: codec.payloadType,
        rtxPayloadType: codec.rtxPayloadType,
        clockRate: codec.name === 'opus' ? OPUS_CLOCK_RATE : VIDEO_CLOCK_RATE,
        timestampBase: options.timestampBases?.[codec.name === 'opus' ? 'audio' : 'video'],
        extensions: {
          ...extension('absSendTime', codec.extensions.get(ABS_SEND_TIME)),
          ...(codec.name === 'opus' ? {} : extension('playoutDelay', codec.extensions.get(PLAYOUT_DELAY))),
        },
      });
      tracks.set(section, stream);
    }
    const ofKind = (kind: string): OutgoingStream | undefined =>
      [...tracks].find(([section]) => section.kind === kind)?.[1];
    this.#audio = ofKind('audio');
    this.#video = ofKind('video');
    const streams = [this.#audio, this.#video].filter((stream) => stream !== undefined);
    this.#reports = new ViewerReports(streams, this.#clock, (compound) => this.#transport.sendRtcp(compound));
    this.setPlayoutDelay(options.playoutDelayMs ?? [0, 0]);
    this.#transport = new PeerTransport({
      host: options.transport,
      remote: offer.ice,
      remoteIsLite: offer.iceLite,
      fingerprints: offer.fingerprints,
      clock: this.#clock,
      log: options.log,
      onConnected: (keys) => this.#connected(keys),
      onRtcp: (packet) => this.#onRtcp(packet),
      onClosed: (reason) => this.#closed(reason),
    });
    for (const candidate of offer.candidates) this.#transport.addCandidate(candidate);
    this.#ice = new IceSession({
      ...{ peerId: options.id, offer, transport: this.#transport },
      ...{ candidates: ice.candidates, lite },
    });
    this.answerSdp = writeAnswer(
      offer,
      {
        ...this.#transport.credentials,
        fingerprint: identity.fingerprint,
        lite,
        candidates: ice.candidates.map(candidateLine),
      },
      tracks,
      this.#reports.cname,
    );
    this.#stopWaiting = this.#clock.after(CONNECT_LIMIT_MS, () => this.close('the viewer did not connect'));
  }

  get state(): State {
    return this.#state;
  }

  /** Strong entity tag of the ICE session, with its quotes. */
  get etag(): string {
    return this.#ice.etag;
  }

  get rendition(): RenditionName {
    return this.#rendition;
  }

  get wanted(): RenditionName {
    return this.#quality.wanted;
  }

  get wantsSlimSound(): boolean {
    return this.#quality.constrained;
  }

  get lossShare(): number {
    return this.#lossShare;
  }

  setPlayoutDelay([shortest, longest]: readonly [number, number]): void {
    if (this.#video !== undefined)
      this.#video.playoutDelay = [Math.round(shortest / 10), Math.round(longest / 10)];
  }

  setLadder(ladder: readonly Rung[]): void {
    this.#quality.setLadder(rungsOf(ladder, this.#codec));
    this.#askForWanted();
  }

  /** No better rendition than this one. */
  setTop(rendition: RenditionName | undefined): void {
    this.#quality.setTop(rendition);
    this.#askForWanted();
  }

  #connected(keys: SrtpMaster): void {
    if (this.#state !== 'connecting') return;
    this.#stopWaiting();
    const protector = new SrtpProtector(keys);
    for (const stream of [this.#audio, this.#video])
      stream?.open(protector, (packet) => {
        this.#quality.onSent(packet.length + UDP_IP_BYTES, this.#clock.now());
        this.#transport.send(packet);
      });
    this.#state = 'connected';
    this.metrics.connected();
    this.#options.onConnected();
    if (!this.#keyed) this.#wantKeyframe('join');
  }

  #wantKeyframe(why?: KeyframeReason): void {
    if (this.#state !== 'connected' || this.#video === undefined) return;
    if (why !== undefined) this.metrics.keyframeRequested(why);
    this.#asked = this.#quality.wanted;
    this.#options.onKeyframeNeeded(this.#asked);
  }

  /** Another rendition begins with a key picture, which has to be asked for once. */
  #askForWanted(): void {
    if (this.#asked !== this.#quality.wanted) this.#wantKeyframe();
  }

  /**
   * One picture in the renditions that are there; parts (see rtp/*-packetizer.ts) are not changed, and kept for a
   * while for repeats. Nothing is sent before a key picture, and the viewer moves to another rendition at one.
   */
  sendPicture(renditions: readonly PictureParts[], mediaSamples: number): void {
    if (this.#video === undefined) return;
    const picture = this.#choose(renditions);
    if (picture === undefined || mediaSamples <= this.#lastSamples) {
      this.metrics.pictureHeldBack();
      return;
    }
    if (picture.rendition !== this.#rendition) {
      this.metrics.moves += 1;
      this.#video.forget();
    }
    this.#rendition = picture.rendition;
    this.metrics.rendition = picture.rendition;
    this.#lastSamples = mediaSamples;
    this.#keyed = true;
    this.#pictureId = (this.#pictureId + 1) % PICTURE_ID_COUNT;
    const stream = this.#video;
    const timestamp = rtpTimestamp(mediaSamples, stream.clockRate, stream.timestampBase);
    const nowMs = this.#clock.now();
    const last = picture.parts.length - 1;
    for (const [at, data] of picture.parts.entries()) {
      const pictureId = this.#codec === 'VP8' ? this.#pictureId : undefined;
      stream.send({ data, timestamp, marker: at === last, first: at === 0, pictureId }, nowMs);
    }
    this.#repairs.pictureLeft();
    this.metrics.pictureSent(picture.key, samplesToMs(mediaSamples));
  }

  #choose(renditions: readonly PictureParts[]): PictureParts | undefined {
    if (this.#state !== 'connected') return undefined;
    const wanted = renditions.find(({ rendition }) => rendition === this.#quality.wanted);
    if (wanted?.key === true) return wanted;
    if (this.#rendition !== this.#quality.wanted && this.#quality.holds(this.#clock.now())) {
      this.#keyed = false; // what follows a picture that was held back cannot be decoded
      return undefined;
    }
    const same = renditions.find(({ rendition }) => rendition === this.#rendition);
    return same !== undefined && (this.#keyed || same.key) ? same : undefined;
  }

  /** What was sent is worthless from now on, and not repeated; a key picture follows. */
  cut(): void {
    this.#video?.forget();
  }

  /** One 20 ms packet whose first sample is `mediaSamples`. */
  sendSound(sound: SoundPacket, mediaSamples: number): void {
    if (this.#state !== 'connected') return;
    const nowMs = this.#clock.now();
    const stream = this.#audio;
    if (stream !== undefined) {
      const data = this.#quality.constrained ? (sound.slim ?? sound.full) : sound.full;
      // Decoded, the packet begins with what was said a lookahead earlier.
      const timestamp = rtpTimestamp(
        mediaSamples - OPUS_LOOKAHEAD_SAMPLES,
        stream.clockRate,
        stream.timestampBase,
      );
      stream.send({ data, timestamp, marker: stream.packets === 0, first: true }, nowMs);
      this.metrics.soundSent();
    }
    this.#everyPacketTime(nowMs);
  }

  /** Sound comes 50 times a second, which is the pace of all that has to be done now and then. */
  #everyPacketTime(nowMs: number): void {
    const stream = this.#video;
    this.#repairs.step(stream);
    const { probeBytes, report } = this.#quality.step(nowMs);
    let restBytes = probeBytes;
    for (let back = 0; restBytes > 0 && stream?.rtxPayloadType !== undefined; back++) {
      const bytes = back < MAX_PROBE_PACKETS ? stream.probe(back % PROBE_REACH, nowMs) : 0;
      if (bytes === 0) break;
      restBytes -= bytes;
    }
    if (report) this.#reports.sendAgain();
    this.#askForWanted();
  }

  /**
   * Tells the viewer, for both tracks, that media time `mediaSamples` belongs to wall time `wallMs` (Unix ms). Once a
   * second, and twice soon after connecting (fan-out.ts does that).
   */
  sendSenderReports(mediaSamples: number, wallMs: number): void {
    if (this.#state !== 'connected') return;
    this.#reports.send(mediaSamples, wallMs);
  }

  #onRtcp(packet: Buffer): void {
    const { reports, nacks, wantsKey, rembBps, bye } = readRtcp(packet);
    if (bye) {
      this.close('the viewer said goodbye');
      return;
    }
    const nowMs = this.#clock.now();
    for (const report of reports) this.#onReport(report, nowMs);
    if (rembBps !== undefined) this.#quality.onRemb(rembBps, nowMs);
    for (const { ssrc, sequenceNumbers } of nacks)
      if (ssrc === this.#video?.ssrc) this.#repeat(this.#video, sequenceNumbers);
    if (wantsKey !== undefined && this.#keyRequests.allows(nowMs)) this.#wantKeyframe(wantsKey);
    else this.#askForWanted();
  }

  #repeat(stream: OutgoingStream, sequenceNumbers: readonly number[]): void {
    const { repeated, refused } = this.#repairs.repeat(stream, sequenceNumbers);
    // By itself libwebrtc would ask for one only after it has waited for three seconds.
    if (refused > 0 && this.#keyRequests.allows(this.#clock.now())) this.#wantKeyframe();
    this.metrics.packetsRetransmitted(repeated);
    this.metrics.nackMissed(sequenceNumbers.length - repeated);
  }

  #onReport(report: ReceptionReport, nowMs: number): void {
    const stream = [this.#audio, this.#video].find((one) => one?.ssrc === report.ssrc);
    if (stream === undefined) return;
    const lostShare = this.#windows[stream === this.#video ? 'video' : 'audio'].add(report, nowMs);
    if (lostShare !== undefined) this.#lossShare += LOSS_WEIGHT * (lostShare - this.#lossShare);
    const rtt = this.#reports.roundTrip.measure(report, nowMs);
    const jitterMs = (report.jitterTicks * 1000) / stream.clockRate;
    this.metrics.report({
      ...(rtt === undefined ? {} : { rttMs: Math.max(0, rtt.ms) }),
      ...(lostShare === undefined ? {} : { lostShare }),
      jitterMs,
    });
    if (stream !== this.#video) return;
    this.metrics.sentBps = this.#quality.sentBps(nowMs);
    this.metrics.estimateBps = this.#quality.rembBps;
    this.#quality.onReport(lostShare, rtt, nowMs);
  }

  /** A trickled fragment. @throws sdp-invalid; not-supported if it is of another ICE session; peer-not-found */
  addCandidates(sdpFragment: string): void {
    this.#assertOpen();
    this.#ice.addCandidates(sdpFragment);
  }

  /** Returns the fragment to answer with; the entity tag changes (ice-session.ts). @throws sdp-invalid, peer-not-found */
  restartIce(sdpFragment: string): string {
    this.#assertOpen();
    return this.#ice.restart(sdpFragment);
  }

  #assertOpen(): void {
    if (this.#state === 'closed') throw new AppError('peer-not-found', `peer ${this.id} is closed`);
  }

  /** Tells the viewer. */
  close(reason = 'closed'): void {
    if (this.#state === 'closed') return;
    this.#transport.close();
    this.#closed(reason);
  }

  #closed(reason: string): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#stopWaiting();
    this.#options.onClosed(reason);
  }
}

function extension(name: 'absSendTime' | 'playoutDelay', id: number | undefined): Record<string, number> {
  return id === undefined ? {} : { [name]: id };
}

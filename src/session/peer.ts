import { randomBytes } from 'node:crypto';
import { AppError } from '../errors.js';
import { systemClock, type Clock } from '../lib/clock.js';
import type { Log } from '../lib/log.js';
import { ntpTime, OPUS_CLOCK_RATE, rtpTimestamp, VIDEO_CLOCK_RATE } from '../media/timeline.js';
import { OPUS_LOOKAHEAD_SAMPLES } from '../rtp/opus.js';
import { OutgoingStream } from '../rtp/outgoing-stream.js';
import { readRtcp, type ReceptionReport } from '../rtp/rtcp.js';
import { buildSenderReport, ntpMiddle } from '../rtp/sender-report.js';
import { SrtpProtector, type SrtpMaster } from '../rtp/srtp.js';
import { PICTURE_ID_COUNT } from '../rtp/vp8-packetizer.js';
import { ABS_SEND_TIME, PLAYOUT_DELAY, writeAnswer } from '../sdp/answer.js';
import { readSdpFragment, writeSdpFragment } from '../sdp/ice-fragment.js';
import { readOffer, type Offer, type OfferedSection } from '../sdp/offer.js';
import { candidateLine } from '../transport/ice-candidate.js';
import { PeerTransport, type TransportHost } from '../transport/peer-transport.js';

/** A viewer who has not connected by then is given up. */
const CONNECT_LIMIT_MS = 15_000;
const MAX_RTT_MS = 30_000;
/** Key pictures a viewer may ask for in a row, and the pause for each further one: all viewers get (and pay for) them. */
const KEYS_IN_A_ROW = 5;
const KEY_PAUSE_MS = 1000;
/** Sender reports that a receiver report may refer to. */
const REPORTS_KEPT = 5;

export interface PeerOptions {
  readonly id: string;
  readonly offerSdp: string;
  readonly transport: TransportHost;
  readonly log: Log;
  readonly clock?: Clock;
  /** The viewer connected or lost a picture; may come often. */
  onKeyframeNeeded(): void;
  onConnected(): void;
  /** Once, whoever ended it. */
  onClosed(reason: string): void;
  /** Range of the delay that the viewer's player shall add, ms; default 0 to 0, the shortest. */
  readonly playoutDelayMs?: readonly [number, number];
}

export interface PeerStats {
  readonly packetsSent: number;
  /** Payload bytes. */
  readonly bytesSent: number;
  readonly picturesSent: number;
  /** Pictures held back because the viewer was not connected or had no key picture yet. */
  readonly picturesSkipped: number;
  readonly keyframesRequested: number;
  readonly packetsRepeated: number;
  readonly rttMs?: number;
  /** As the viewer reports it, over both tracks. */
  readonly lostPackets?: number;
}

/** A stream and what its viewer says of it. */
interface Track {
  readonly stream: OutgoingStream;
  lost: number | undefined;
}

type State = 'connecting' | 'connected' | 'closed';

/** One viewer: answers its offer, sends it pictures and sound, hears what it missed. */
export class Peer {
  readonly id: string;
  /** Names both streams as one source; random, as it is told to every viewer's browser. */
  readonly #cname = randomBytes(8).toString('hex');
  readonly #options: PeerOptions;
  readonly #clock: Clock;
  readonly #offer: Offer;
  readonly #transport: PeerTransport;
  readonly #audio: Track | undefined;
  readonly #video: Track | undefined;
  readonly answerSdp: string;
  #etag = newTag();
  #state: State = 'connecting';
  #keyed = false;
  #pictureId = Math.floor(Math.random() * PICTURE_ID_COUNT);
  #picturesSent = 0;
  #picturesSkipped = 0;
  #keyframesRequested = 0;
  #rttMs: number | undefined;
  /** Middle NTP bits of a report -> steady ms at which it left. */
  readonly #sentReports = new Map<number, number>();
  #stopWaiting: () => void;

  /** Answers at once: all candidates are known. @throws sdp-invalid, sdp-unsupported */
  constructor(options: PeerOptions) {
    this.id = options.id;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const offer = readOffer(options.offerSdp);
    const { ice, identity, lite } = options.transport;
    if (offer.iceLite && lite)
      throw new AppError('sdp-unsupported', 'both sides are ICE-lite, so none would open the connection');
    this.#offer = offer;
    const [shortest, longest] = options.playoutDelayMs ?? [0, 0];
    const tracks = new Map<OfferedSection, Track>();
    for (const section of offer.sections) {
      const { codec } = section;
      if (codec === undefined) continue;
      const stream = new OutgoingStream({
        payloadType: codec.payloadType,
        rtxPayloadType: codec.rtxPayloadType,
        clockRate: codec.name === 'opus' ? OPUS_CLOCK_RATE : VIDEO_CLOCK_RATE,
        extensions: {
          ...extension('absSendTime', codec.extensions.get(ABS_SEND_TIME)),
          ...(codec.name === 'opus' ? {} : extension('playoutDelay', codec.extensions.get(PLAYOUT_DELAY))),
        },
      });
      stream.playoutDelay = [Math.round(shortest / 10), Math.round(longest / 10)];
      tracks.set(section, { stream, lost: undefined });
    }
    const ofKind = (kind: string): Track | undefined =>
      [...tracks].find(([section]) => section.kind === kind)?.[1];
    this.#audio = ofKind('audio');
    this.#video = ofKind('video');
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
    this.answerSdp = writeAnswer(
      offer,
      {
        ...this.#transport.credentials,
        fingerprint: identity.fingerprint,
        lite,
        candidates: ice.candidates.map(candidateLine),
      },
      new Map([...tracks].map(([section, { stream }]) => [section, stream])),
      this.#cname,
    );
    this.#stopWaiting = this.#clock.after(CONNECT_LIMIT_MS, () => this.close('the viewer did not connect'));
  }

  get state(): State {
    return this.#state;
  }

  /** Strong entity tag of the ICE session, with its quotes. */
  get etag(): string {
    return this.#etag;
  }

  #connected(keys: SrtpMaster): void {
    if (this.#state !== 'connecting') return;
    this.#stopWaiting();
    const protector = new SrtpProtector(keys);
    for (const track of [this.#audio, this.#video])
      track?.stream.open(protector, (packet) => this.#transport.send(packet));
    this.#state = 'connected';
    this.#options.onConnected();
    this.#wantKeyframe();
  }

  #wantKeyframe(): void {
    if (this.#state !== 'connected' || this.#video === undefined) return;
    this.#keyframesRequested += 1;
    this.#options.onKeyframeNeeded();
  }

  /**
   * One picture's parts (see rtp/vp8-packetizer.ts), not changed, and kept for a while for repeats. Held back until the
   * viewer is connected and a key picture comes.
   */
  sendVideo(parts: readonly Uint8Array[], mediaSamples: number, key: boolean): void {
    const stream = this.#video?.stream;
    if (stream === undefined) return;
    if (this.#state !== 'connected' || !(this.#keyed || key)) {
      this.#picturesSkipped += 1;
      return;
    }
    this.#keyed = true;
    this.#picturesSent += 1;
    this.#pictureId = (this.#pictureId + 1) % PICTURE_ID_COUNT;
    const timestamp = rtpTimestamp(mediaSamples, stream.clockRate, stream.timestampBase);
    const nowMs = this.#clock.now();
    const last = parts.length - 1;
    for (const [at, data] of parts.entries()) {
      const pictureId = this.#pictureId;
      stream.send({ data, timestamp, marker: at === last, first: at === 0, pictureId }, nowMs);
    }
  }

  /** One 20 ms packet whose first sample is `mediaSamples`. */
  sendAudio(opus: Uint8Array, mediaSamples: number): void {
    const stream = this.#audio?.stream;
    if (stream === undefined || this.#state !== 'connected') return;
    // Decoded, the packet begins with what was said a lookahead earlier.
    const timestamp = rtpTimestamp(
      mediaSamples - OPUS_LOOKAHEAD_SAMPLES,
      stream.clockRate,
      stream.timestampBase,
    );
    stream.send({ data: opus, timestamp, marker: stream.packets === 0, first: true }, this.#clock.now());
  }

  /**
   * Tells the viewer, for both tracks, that media time `mediaSamples` belongs to wall time `wallMs` (Unix ms). Once a
   * second, and twice soon after connecting (fan-out.ts does that).
   */
  sendSenderReports(mediaSamples: number, wallMs: number): void {
    if (this.#state !== 'connected') return;
    const ntp = ntpTime(wallMs);
    for (const track of [this.#audio, this.#video]) {
      if (track === undefined) continue;
      const { stream } = track;
      this.#transport.sendRtcp(
        buildSenderReport({
          ssrc: stream.ssrc,
          ntp,
          rtpTimestamp: rtpTimestamp(mediaSamples, stream.clockRate, stream.timestampBase),
          packetCount: stream.packets,
          octetCount: stream.octets,
          cname: this.#cname,
        }),
      );
    }
    this.#sentReports.set(ntpMiddle(ntp), this.#clock.now());
    const [oldest] = this.#sentReports.keys();
    if (this.#sentReports.size > REPORTS_KEPT && oldest !== undefined) this.#sentReports.delete(oldest);
  }

  #onRtcp(packet: Buffer): void {
    const { reports, nacks, wantsKey, bye } = readRtcp(packet);
    if (bye) {
      this.close('the viewer said goodbye');
      return;
    }
    for (const report of reports) this.#onReport(report);
    const nowMs = this.#clock.now();
    for (const { ssrc, sequenceNumbers } of nacks) {
      const stream = this.#video?.stream;
      if (stream?.ssrc !== ssrc) continue;
      for (const sequenceNumber of sequenceNumbers) stream.repeat(sequenceNumber, nowMs, this.#rttMs ?? 0);
    }
    if (wantsKey !== undefined && this.#mayAskForKey(nowMs)) this.#wantKeyframe();
  }

  #keysPaidUntilMs = 0;

  #mayAskForKey(nowMs: number): boolean {
    const paidUntilMs = Math.max(this.#keysPaidUntilMs, nowMs) + KEY_PAUSE_MS;
    if (paidUntilMs > nowMs + KEYS_IN_A_ROW * KEY_PAUSE_MS) return false;
    this.#keysPaidUntilMs = paidUntilMs;
    return true;
  }

  #onReport(report: ReceptionReport): void {
    const track = [this.#audio, this.#video].find((one) => one?.stream.ssrc === report.ssrc);
    if (track === undefined) return;
    track.lost = report.lostPackets;
    const sentAtMs = this.#sentReports.get(report.lastReport);
    if (sentAtMs === undefined) return;
    const rttMs = this.#clock.now() - sentAtMs - (report.sinceLastReport * 1000) / 65_536;
    if (rttMs < MAX_RTT_MS) this.#rttMs = Math.max(0, rttMs);
  }

  /** A trickled fragment. @throws sdp-invalid; not-supported if it is of another ICE session; peer-not-found */
  addCandidates(sdpFragment: string): void {
    const { ufrag, candidates } = readSdpFragment(sdpFragment);
    this.#assertOpen();
    if (ufrag !== undefined && !this.#offer.ufrags.has(ufrag) && ufrag !== this.#restartedUfrag)
      throw new AppError('not-supported', `peer ${this.id} was offered other ICE credentials`);
    for (const candidate of candidates) this.#transport.addCandidate(candidate);
  }

  #restartedUfrag: string | undefined;

  /**
   * The viewer starts ICE anew (RFC 8445 section 2.4); media flow on over the old path until the new one is there.
   * Returns the fragment to answer with; the entity tag changes. @throws sdp-invalid, peer-not-found
   */
  restartIce(sdpFragment: string): string {
    const { ufrag, pwd, candidates } = readSdpFragment(sdpFragment);
    this.#assertOpen();
    if (ufrag === undefined || pwd === undefined)
      throw new AppError('sdp-invalid', 'an ICE restart needs a=ice-ufrag and a=ice-pwd');
    if (this.#offer.ufrags.has(ufrag) || ufrag === this.#restartedUfrag)
      throw new AppError('sdp-invalid', 'an ICE restart needs credentials that were not used before');
    const local = this.#transport.restartIce({ ufrag, pwd });
    this.#restartedUfrag = ufrag;
    this.#etag = newTag();
    for (const candidate of candidates) this.#transport.addCandidate(candidate);
    const tagged = this.#offer.sections.find(({ codec }) => codec !== undefined);
    const { ice, lite } = this.#options.transport;
    return writeSdpFragment({
      kind: tagged?.kind ?? 'audio',
      mid: tagged?.mid,
      ...local,
      lite,
      candidates: ice.candidates.map(candidateLine),
    });
  }

  #assertOpen(): void {
    if (this.#state === 'closed') throw new AppError('peer-not-found', `peer ${this.id} is closed`);
  }

  stats(): PeerStats {
    const tracks = [this.#audio, this.#video].filter((track) => track !== undefined);
    const sum = (of: (track: Track) => number): number => tracks.reduce((all, track) => all + of(track), 0);
    const reported = tracks.filter((track) => track.lost !== undefined);
    return {
      packetsSent: sum(({ stream }) => stream.packets),
      bytesSent: sum(({ stream }) => stream.octets),
      picturesSent: this.#picturesSent,
      picturesSkipped: this.#picturesSkipped,
      keyframesRequested: this.#keyframesRequested,
      packetsRepeated: sum(({ stream }) => stream.repeated),
      ...(this.#rttMs === undefined ? {} : { rttMs: this.#rttMs }),
      ...(reported.length === 0 ? {} : { lostPackets: sum(({ lost }) => lost ?? 0) }),
    };
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

function newTag(): string {
  return `"${randomBytes(16).toString('hex')}"`;
}

function extension(name: 'absSendTime' | 'playoutDelay', id: number | undefined): Record<string, number> {
  return id === undefined ? {} : { [name]: id };
}

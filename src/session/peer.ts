/**
 * One viewer. The only file that knows the WebRTC library (werift, pinned: three of its inner parts are touched, see
 * `assertLibrary`). Its own sender reports are wrong and would tear sound and picture apart, so ours are sent.
 */
import { randomBytes, randomInt } from 'node:crypto';
import {
  MediaStream,
  MediaStreamTrack,
  RTCDtlsTransport,
  RTCPeerConnection,
  RTCRtpCodecParameters,
  RtpHeader,
  RtpPacket,
  useFIR,
  useNACK,
  usePLI,
  useSdesMid,
  type RTCRtpSender,
} from 'werift';
import { AppError, isAppError } from '../errors.js';
import { systemClock } from '../lib/clock.js';
import type { Log } from '../lib/log.js';
import { ntpTime, OPUS_CLOCK_RATE, rtpTimestamp, VIDEO_CLOCK_RATE } from '../media/timeline.js';
import { OPUS_LOOKAHEAD_SAMPLES } from '../rtp/opus.js';
import { buildSenderReport, ntpMiddle } from '../rtp/sender-report.js';
import { closeNotifyRecord } from './dtls-close.js';
import { addPublicHosts, readSdpFragment } from './sdp-fragment.js';
import { readOffer, type Offer } from './sdp-offer.js';

/** A viewer who has not connected by then is given up. */
const CONNECT_LIMIT_MS = 15_000;
/** How long a connected viewer may be silent; consent checks run every few seconds. */
const SILENCE_LIMIT_MS = 12_000;
const CLOSE_LIMIT_MS = 2000;
const MAX_RTT_MS = 30_000;
const FIR = { type: 206, count: 4 } as const;
const RECEIVER_REPORT_TYPE = 201;

export interface PeerOptions {
  readonly id: string;
  readonly offerSdp: string;
  readonly log: Log;
  /** The viewer connected or lost a picture; may come often. */
  onKeyframeNeeded(): void;
  onConnected(): void;
  /** Once, whoever ended it. */
  onClosed(reason: string): void;
  /** Ends the peer, before or after it was created. */
  readonly signal?: AbortSignal;
  /** Addresses under which a one-to-one NAT shows this machine. */
  readonly publicHosts?: readonly string[];
  /** First and last UDP port, not the same. */
  readonly icePortRange?: readonly [number, number];
}

export interface PeerStats {
  readonly packetsSent: number;
  /** Payload bytes. */
  readonly bytesSent: number;
  readonly picturesSent: number;
  /** Pictures held back because the viewer was not connected or had no key picture yet. */
  readonly picturesSkipped: number;
  readonly keyframesRequested: number;
  readonly rttMs?: number;
  /** As the viewer reports it, over both tracks. */
  readonly lostPackets?: number;
}

/** One outgoing RTP stream: its numbering and its counters. */
interface Track {
  readonly sender: RTCRtpSender;
  readonly clockRate: number;
  readonly timestampBase: number;
  sequenceNumber: number;
  packets: number;
  octets: number;
  lost: number | undefined;
  /** Sender reports that a receiver report may refer to: middle NTP bits -> monotonic ms of sending. */
  readonly sentReports: Map<number, number>;
}

type State = 'connecting' | 'connected' | 'closed';

export class Peer {
  readonly id: string;
  /** Strong entity tag of the ICE session, with its quotes. */
  readonly etag = `"${randomBytes(16).toString('hex')}"`;
  #pc: RTCPeerConnection;
  #offer: Offer;
  #options: PeerOptions;
  #answerSdp = '';
  #state: State = 'connecting';
  #audio: Track | undefined;
  #video: Track | undefined;
  #keyed = false;
  #picturesSent = 0;
  #picturesSkipped = 0;
  #keyframesRequested = 0;
  #rttMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #onAbort = (): void => void this.close('aborted');

  private constructor(options: PeerOptions, offer: Offer, pc: RTCPeerConnection) {
    this.id = options.id;
    this.#options = options;
    this.#offer = offer;
    this.#pc = pc;
  }

  /** Answers the offer with all candidates gathered. Throws `sdp-invalid` or `sdp-unsupported`. */
  static async create(options: PeerOptions): Promise<Peer> {
    assertLibrary();
    const offer = readOffer(options.offerSdp);
    options.signal?.throwIfAborted();
    const pc = new RTCPeerConnection({
      iceServers: [],
      bundlePolicy: 'max-bundle',
      // The library leaves the loopback interface out by itself; viewers on this machine need it.
      iceAdditionalHostAddresses: ['127.0.0.1'],
      ...(options.icePortRange === undefined
        ? {}
        : { icePortRange: [...options.icePortRange] as [number, number] }),
      codecs: { audio: [OPUS()], video: [VP8(), RTX()] },
      headerExtensions: { audio: [useSdesMid()], video: [useSdesMid()] },
    });
    const peer = new Peer(options, offer, pc);
    try {
      await peer.#answer();
      options.signal?.throwIfAborted();
    } catch (error) {
      await peer.#end();
      if (isAppError(error) || options.signal?.aborted === true) throw error;
      throw new AppError(
        'sdp-invalid',
        `the offer cannot be answered: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
    options.signal?.addEventListener('abort', peer.#onAbort, { once: true });
    return peer;
  }

  get answerSdp(): string {
    return this.#answerSdp;
  }

  get state(): State {
    return this.#state;
  }

  async #answer(): Promise<void> {
    const pc = this.#pc;
    await pc.setRemoteDescription({ type: 'offer', sdp: this.#offerSdp() });
    const stream = new MediaStream();
    for (const transceiver of pc.getTransceivers()) {
      const { sender, kind } = transceiver;
      // The track only gives the sender an identity in the SDP; packets are handed to the sender.
      await sender.replaceTrack(new MediaStreamTrack({ kind }));
      sender.setStreams([stream]);
      transceiver.setDirection('sendonly');
      sender.rtcpRunning = true; // keeps its own reports from ever starting
      if (kind === 'audio') this.#audio = newTrack(sender, OPUS_CLOCK_RATE);
      else this.#video = newTrack(sender, VIDEO_CLOCK_RATE);
      this.#listen(kind === 'audio' ? this.#audio : this.#video);
    }
    // Without a server named it would ask a public one, and wait for it.
    for (const transport of pc.iceTransports) Reflect.set(transport.connection, 'stunServer', undefined);
    await pc.setLocalDescription(await pc.createAnswer());
    const sdp = pc.localDescription?.sdp;
    if (sdp === undefined || !/^a=candidate:/m.test(sdp))
      throw new AppError('internal', 'no network address could be gathered for the answer');
    this.#answerSdp = addPublicHosts(sdp, this.#options.publicHosts ?? []);
    pc.connectionStateChange.subscribe((state) => this.#onConnectionState(state));
    for (const transport of pc.dtlsTransports) {
      transport.onStateChange.subscribe((state) => {
        if (state === 'closed' || state === 'failed')
          void this.close(`the viewer's encryption ${state === 'closed' ? 'was closed' : 'failed'}`);
      });
    }
    this.#timer = setTimeout(() => void this.close('the viewer did not connect'), CONNECT_LIMIT_MS);
    if (pc.connectionState === 'connected') this.#onConnectionState('connected');
  }

  /** Bare LF line ends are tolerated. */
  #offerSdp(): string {
    return `${this.#options.offerSdp
      .split(/\r\n|\n|\r/)
      .filter((line) => line !== '')
      .join('\r\n')}\r\n`;
  }

  #listen(track: Track | undefined): void {
    if (track === undefined) return;
    track.sender.onPictureLossIndication.subscribe(() => this.#wantKeyframe());
    track.sender.onRtcp.subscribe((packet) => {
      if (packet.type === FIR.type && 'feedback' in packet) {
        // Full intra requests (RFC 5104 section 4.3.1) are parsed by the library but not acted on.
        if ((packet.feedback as { count?: number }).count === FIR.count) this.#wantKeyframe();
      } else if (packet.type === RECEIVER_REPORT_TYPE && 'reports' in packet) {
        for (const report of packet.reports)
          if (report.ssrc === track.sender.ssrc) this.#onReport(track, report);
      }
    });
  }

  #onReport(track: Track, report: { packetsLost: number; lsr: number; dlsr: number }): void {
    track.lost = (report.packetsLost << 8) >> 8; // 24 bits, signed
    const sentAtMs = track.sentReports.get(report.lsr >>> 0);
    if (sentAtMs === undefined) return;
    const rttMs = systemClock.now() - sentAtMs - (report.dlsr * 1000) / 65_536;
    if (rttMs >= 0 && rttMs < MAX_RTT_MS) this.#rttMs = rttMs;
  }

  #wantKeyframe(): void {
    if (this.#state !== 'connected' || this.#video === undefined) return;
    this.#keyframesRequested += 1;
    this.#options.onKeyframeNeeded();
  }

  #onConnectionState(state: string): void {
    if (this.#state === 'closed') return;
    if (state === 'connected') {
      clearTimeout(this.#timer);
      if (this.#state === 'connected') return; // back from a silence
      this.#state = 'connected';
      this.#options.onConnected();
      this.#wantKeyframe();
    } else if (state === 'disconnected' && this.#state === 'connected') {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.close('the viewer fell silent'), SILENCE_LIMIT_MS);
    } else if (state === 'failed' || state === 'closed')
      void this.close(`the connection ${state === 'failed' ? 'failed' : 'was closed'}`);
  }

  /**
   * One picture's payloads (see rtp/vp8-packetizer.ts), not changed and not kept beyond the library's store for
   * retransmission. Held back until the viewer is connected and a key picture comes.
   */
  sendVideo(payloads: readonly Uint8Array[], mediaSamples: number, key: boolean): void {
    const track = this.#video;
    if (track === undefined) return;
    if (this.#state !== 'connected' || !(this.#keyed || key)) {
      this.#picturesSkipped += 1;
      return;
    }
    this.#keyed = true;
    this.#picturesSent += 1;
    const timestamp = rtpTimestamp(mediaSamples, track.clockRate, track.timestampBase);
    payloads.forEach((payload, at) => this.#send(track, payload, timestamp, at === payloads.length - 1));
  }

  /** One 20 ms packet whose first sample is `mediaSamples`. */
  sendAudio(opus: Uint8Array, mediaSamples: number): void {
    const track = this.#audio;
    if (track === undefined || this.#state !== 'connected') return;
    // Decoded, the packet begins with what was said a lookahead earlier.
    const timestamp = rtpTimestamp(
      mediaSamples - OPUS_LOOKAHEAD_SAMPLES,
      track.clockRate,
      track.timestampBase,
    );
    this.#send(track, opus, timestamp, track.packets === 0);
  }

  #send(track: Track, payload: Uint8Array, timestamp: number, marker: boolean): void {
    const { sequenceNumber } = track;
    track.sequenceNumber = (sequenceNumber + 1) & 0xffff;
    track.packets += 1;
    track.octets += payload.length;
    const body = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    // Payload type, SSRC and extensions are filled in by the sender.
    const packet = new RtpPacket(new RtpHeader({ marker, sequenceNumber, timestamp }), body);
    track.sender
      .sendRtp(packet)
      .catch((error: unknown) => this.#options.log.debug({ peer: this.id, error }, 'packet not sent'));
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
      const report = buildSenderReport({
        ssrc: track.sender.ssrc,
        ntp,
        rtpTimestamp: rtpTimestamp(mediaSamples, track.clockRate, track.timestampBase),
        packetCount: track.packets,
        octetCount: track.octets,
        cname: this.#pc.cname,
      });
      track.sentReports.set(ntpMiddle(ntp), systemClock.now());
      const [oldest] = track.sentReports.keys();
      if (track.sentReports.size > 5 && oldest !== undefined) track.sentReports.delete(oldest);
      const packet = { serialize: () => report } as unknown as Parameters<
        RTCDtlsTransport['sendRtcp']
      >[0][number];
      track.sender.dtlsTransport
        .sendRtcp([packet])
        .catch((error: unknown) => this.#options.log.debug({ peer: this.id, error }, 'report not sent'));
    }
  }

  /** A trickled fragment. Throws `sdp-invalid`, or `not-supported` if it asks for an ICE restart. */
  async addCandidates(sdpFragment: string): Promise<void> {
    const { ufrag, candidates } = readSdpFragment(sdpFragment);
    if (ufrag !== undefined && !this.#offer.ufrags.has(ufrag)) {
      throw new AppError(
        'not-supported',
        `peer ${this.id} was offered other ICE credentials; restarting ICE is not supported`,
      );
    }
    if (this.#state === 'closed') throw new AppError('peer-not-found', `peer ${this.id} is closed`);
    for (const candidate of candidates) {
      try {
        await this.#pc.addIceCandidate({ candidate, sdpMid: this.#offer.mid ?? null, sdpMLineIndex: 0 });
      } catch (error) {
        this.#options.log.debug({ peer: this.id, candidate, error }, 'candidate not used');
      }
    }
  }

  stats(): PeerStats {
    const tracks = [this.#audio, this.#video].filter((track) => track !== undefined);
    const lost = tracks.map((track) => track.lost).filter((count) => count !== undefined);
    return {
      packetsSent: tracks.reduce((sum, track) => sum + track.packets, 0),
      bytesSent: tracks.reduce((sum, track) => sum + track.octets, 0),
      picturesSent: this.#picturesSent,
      picturesSkipped: this.#picturesSkipped,
      keyframesRequested: this.#keyframesRequested,
      ...(this.#rttMs === undefined ? {} : { rttMs: this.#rttMs }),
      ...(lost.length === 0 ? {} : { lostPackets: lost.reduce((sum, count) => sum + count, 0) }),
    };
  }

  /** Tells the viewer and frees its sockets. */
  close(reason = 'closed'): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = this.#end();
      this.#options.onClosed(reason);
    }
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(): Promise<void> {
    const wasConnected = this.#state === 'connected';
    this.#state = 'closed';
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    let limit: NodeJS.Timeout | undefined;
    const tooLong = new Promise<void>((resolve) => {
      limit = setTimeout(resolve, CLOSE_LIMIT_MS);
    });
    await Promise.race([tooLong, this.#shut(wasConnected)]);
    clearTimeout(limit);
  }

  async #shut(wasConnected: boolean): Promise<void> {
    try {
      if (wasConnected) {
        for (const transport of this.#pc.dtlsTransports) {
          // Twice, as a datagram may get lost, and with a moment before the socket goes.
          for (let copy = 0; copy < 2; copy++) {
            const record = closeNotifyRecord(transport.dtls);
            if (record === undefined) break;
            await transport.iceTransport.connection.send(record).catch(() => {});
            await new Promise<void>((resolve) => systemClock.after(20, resolve));
          }
        }
      }
      await this.#pc.close();
    } catch (error) {
      this.#options.log.debug({ peer: this.id, error }, 'closing a viewer failed');
    }
  }
}

function newTrack(sender: RTCRtpSender, clockRate: number): Track {
  return {
    sender,
    clockRate,
    timestampBase: randomBytes(4).readUInt32BE(0),
    sequenceNumber: randomInt(0x8000), // below half, so that no receiver sees a wrap at once
    packets: 0,
    octets: 0,
    lost: undefined,
    sentReports: new Map(),
  };
}

function VP8(): RTCRtpCodecParameters {
  return new RTCRtpCodecParameters({
    mimeType: 'video/VP8',
    clockRate: VIDEO_CLOCK_RATE,
    rtcpFeedback: [useNACK(), usePLI(), useFIR()],
  });
}

function RTX(): RTCRtpCodecParameters {
  return new RTCRtpCodecParameters({ mimeType: 'video/rtx', clockRate: VIDEO_CLOCK_RATE });
}

function OPUS(): RTCRtpCodecParameters {
  return new RTCRtpCodecParameters({
    mimeType: 'audio/OPUS',
    clockRate: OPUS_CLOCK_RATE,
    channels: 2,
    parameters: 'minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1',
  });
}

let libraryChecked = false;

/** Fails at the first peer, loudly, if an update of the library moved what is touched here behind its types. */
function assertLibrary(): void {
  if (libraryChecked) return;
  const prototype: unknown = RTCDtlsTransport.prototype;
  const faults = [
    typeof Reflect.get(prototype as object, 'sendRtcp') === 'function'
      ? undefined
      : 'RTCDtlsTransport.sendRtcp',
    typeof Reflect.get(prototype as object, 'sendRtp') === 'function'
      ? undefined
      : 'RTCDtlsTransport.sendRtp',
  ];
  const probe = new RTCPeerConnection({ iceServers: [] });
  const sender: unknown = probe.addTransceiver('video').sender;
  if (typeof Reflect.get(sender as object, 'rtcpRunning') !== 'boolean')
    faults.push('RTCRtpSender.rtcpRunning');
  if (typeof Reflect.get(sender as object, 'ssrc') !== 'number') faults.push('RTCRtpSender.ssrc');
  const [ice] = probe.iceTransports;
  if (ice !== undefined && !Reflect.has(ice.connection, 'stunServer'))
    faults.push('IceConnection.stunServer');
  void probe.close();
  const missing = faults.filter((fault) => fault !== undefined);
  if (missing.length > 0)
    throw new AppError('internal', `this version of werift lacks ${missing.join(', ')}`);
  libraryChecked = true;
}

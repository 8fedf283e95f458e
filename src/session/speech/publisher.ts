import { randomBytes, randomUUID } from 'node:crypto';
import { AppError } from '../../errors.js';
import { OpusDecoder, opusPacketSamples } from '../../encoder/opus-decoder.js';
import type { Clock } from '../../lib/clock.js';
import type { Log } from '../../lib/log.js';
import { IncomingOrder } from '../../rtp/incoming-order.js';
import { buildReceiverReport } from '../../rtp/receiver-report.js';
import { Reception } from '../../rtp/reception.js';
import { readRtcp } from '../../rtp/rtcp.js';
import { SrtpOpener } from '../../rtp/srtp-opener.js';
import { writeAnswer } from '../../sdp/answer.js';
import { readOffer } from '../../sdp/offer.js';
import { candidateLine } from '../../transport/ice-candidate.js';
import { PeerTransport, type TransportHost } from '../../transport/peer-transport.js';
import { IceSession } from '../viewers/ice-session.js';

const CONNECT_LIMIT_MS = 15_000;
/** Its browser judges the line by what we say came. */
const REPORT_EVERY_MS = 1000;
const OPUS_CLOCK_RATE = 48_000;

export interface PublisherOptions {
  readonly offerSdp: string;
  readonly transport: TransportHost;
  readonly clock: Clock;
  readonly log: Log;
  /** PCM16LE, mono, 48 kHz; what was lost on the way is silence. */
  onSound(pcm: Uint8Array): void;
  /** Once, whoever ended it. */
  onClosed(reason: string): void;
}

/** A microphone somewhere else: answers its offer (RFC 9725) and turns what it sends into sound. */
export class Publisher {
  readonly id = randomUUID();
  readonly answerSdp: string;
  readonly #options: PublisherOptions;
  readonly #transport: PeerTransport;
  readonly #ice: IceSession;
  readonly #order: IncomingOrder;
  readonly #decoder = new OpusDecoder();
  readonly #reception = new Reception(OPUS_CLOCK_RATE);
  readonly #reporterSsrc = randomBytes(4).readUInt32BE(0);
  #stopReports: () => void = () => {};
  #opener: SrtpOpener | undefined;
  #stopWaiting: () => void;
  #isClosed = false;

  /** @throws sdp-invalid, sdp-unsupported */
  constructor(options: PublisherOptions) {
    this.#options = options;
    const offer = readOffer(options.offerSdp, [], 'publisher');
    const section = offer.sections.find(({ codec }) => codec !== undefined);
    if (section?.codec === undefined) throw new AppError('sdp-unsupported', 'the offer sends no sound');
    this.#order = new IncomingOrder(section.codec.payloadType);
    const { ice, identity, lite } = options.transport;
    this.#transport = new PeerTransport({
      host: options.transport,
      remote: offer.ice,
      remoteIsLite: offer.iceLite,
      fingerprints: offer.fingerprints,
      clock: options.clock,
      log: options.log,
      onConnected: (_own, remote) => {
        this.#stopWaiting();
        this.#opener = new SrtpOpener(remote);
        this.#reportLater();
      },
      onRtp: (packet) => this.#take(packet),
      onRtcp: (packet) => {
        const { bye, sender } = readRtcp(packet);
        if (sender !== undefined)
          this.#reception.senderReported(sender.ssrc, sender.ntpMiddle, options.clock.now());
        if (bye) this.close('the sender said goodbye');
      },
      onClosed: (reason) => this.#closed(reason),
    });
    for (const candidate of offer.candidates) this.#transport.addCandidate(candidate);
    this.#ice = new IceSession({
      ...{ peerId: this.id, offer, transport: this.#transport },
      ...{ candidates: ice.candidates, lite },
    });
    const transport = {
      ...this.#transport.credentials,
      fingerprint: identity.fingerprint,
      lite,
      candidates: ice.candidates.map(candidateLine),
    };
    this.answerSdp = writeAnswer(offer, transport, 'recvonly');
    this.#stopWaiting = options.clock.after(CONNECT_LIMIT_MS, () => this.close('the sender did not connect'));
  }

  /** Strong entity tag of the ICE session, with its quotes. */
  get etag(): string {
    return this.#ice.etag;
  }

  /** @throws sdp-invalid, not-supported */
  addCandidates(sdpFragment: string): void {
    this.#ice.addCandidates(sdpFragment);
  }

  /** Returns the fragment to answer with; the entity tag changes. @throws sdp-invalid */
  restartIce(sdpFragment: string): string {
    return this.#ice.restart(sdpFragment);
  }

  /** Tells the sender. */
  close(reason = 'closed'): void {
    if (this.#isClosed) return;
    this.#transport.close();
    this.#closed(reason);
  }

  #take(packet: Buffer): void {
    const plain = this.#opener?.open(packet);
    if (plain === undefined) return;
    this.#reception.came(plain, this.#options.clock.now());
    for (const { data, lostTicks } of this.#order.take(plain, opusPacketSamples)) {
      if (lostTicks > 0) this.#options.onSound(new Uint8Array(2 * lostTicks));
      const pcm = this.#decoder.decode(data);
      if (pcm !== undefined) this.#options.onSound(pcm);
    }
  }

  #reportLater(): void {
    const { clock } = this.#options;
    this.#stopReports = clock.after(REPORT_EVERY_MS, () => {
      const report = this.#reception.report(clock.now());
      if (report !== undefined)
        this.#transport.sendRtcp(buildReceiverReport(this.#reporterSsrc, report, this.id));
      this.#reportLater();
    });
  }

  #closed(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopWaiting();
    this.#stopReports();
    this.#options.onClosed(reason);
  }
}

import { randomBytes } from 'node:crypto';
import type { Clock } from '../../lib/clock.js';
import { msToSamples, ntpTime, rtpTimestamp } from '../../media/timeline.js';
import type { OutgoingStream } from '../../rtp/outgoing-stream.js';
import { buildSenderReport } from '../../rtp/sender-report.js';
import { RoundTrip } from './round-trip.js';

type ReportedStream = Pick<OutgoingStream, 'ssrc' | 'clockRate' | 'timestampBase' | 'packets' | 'octets'>;

/** The sender reports of one viewer's streams: which media time belongs to which wall time, and how long an answer takes. */
export class ViewerReports {
  /** Names the streams as one source; random, as it is told to every viewer's browser. */
  readonly cname = randomBytes(8).toString('hex');
  readonly roundTrip = new RoundTrip();
  readonly #streams: readonly ReportedStream[];
  readonly #clock: Clock;
  readonly #send: (compound: Buffer) => void;
  #last: { readonly mediaSamples: number; readonly wallMs: number; readonly atMs: number } | undefined;

  constructor(streams: readonly ReportedStream[], clock: Clock, send: (compound: Buffer) => void) {
    this.#streams = streams;
    this.#clock = clock;
    this.#send = send;
  }

  /** Media time `mediaSamples` belongs to wall time `wallMs` (Unix ms). */
  send(mediaSamples: number, wallMs: number): void {
    const nowMs = this.#clock.now();
    this.#last = { mediaSamples, wallMs, atMs: nowMs };
    const ntp = ntpTime(wallMs);
    for (const { ssrc, clockRate, timestampBase, packets, octets } of this.#streams)
      this.#send(
        buildSenderReport({
          ssrc,
          ntp,
          rtpTimestamp: rtpTimestamp(mediaSamples, clockRate, timestampBase),
          packetCount: packets,
          octetCount: octets,
          cname: this.cname,
        }),
      );
    this.roundTrip.reportLeaves(ntp, nowMs);
  }

  /** The pair of times of the last report, both moved on. */
  sendAgain(): void {
    if (this.#last === undefined) return;
    const { mediaSamples, wallMs, atMs } = this.#last;
    const aheadMs = this.#clock.now() - atMs;
    this.send(mediaSamples + msToSamples(aheadMs), wallMs + aheadMs);
  }
}

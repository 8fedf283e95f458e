import { ntpMiddle } from '../../rtp/sender-report.js';
import type { ReceptionReport } from '../../rtp/rtcp.js';

/** Sender reports that a receiver report may refer to. */
const REPORTS_KEPT = 5;
/** A viewer that claims more has made it up. */
const MAX_RTT_MS = 30_000;

export interface RoundTripTime {
  /** Below 0 where the viewer claims to have kept the report longer than it was away. */
  readonly ms: number;
  /** When the sender report left that it was measured with. */
  readonly reportSentMs: number;
}

/** The way to a viewer and back, by which sender report its reports answer (RFC 3550 section 6.4.1, LSR and DLSR). */
export class RoundTrip {
  /** Middle NTP bits of a report -> steady ms at which it left. */
  readonly #sentReports = new Map<number, number>();
  #latestMs: number | undefined;

  /** The latest that makes sense. */
  get latestMs(): number | undefined {
    return this.#latestMs;
  }

  /** A sender report with this 64-bit NTP time leaves. */
  reportLeaves(ntp: bigint, nowMs: number): void {
    this.#sentReports.set(ntpMiddle(ntp), nowMs);
    const [oldest] = this.#sentReports.keys();
    if (this.#sentReports.size > REPORTS_KEPT && oldest !== undefined) this.#sentReports.delete(oldest);
  }

  /** Undefined if the report answers none that is known. */
  measure(
    { lastReport, sinceLastReport }: Pick<ReceptionReport, 'lastReport' | 'sinceLastReport'>,
    nowMs: number,
  ): RoundTripTime | undefined {
    const reportSentMs = this.#sentReports.get(lastReport);
    if (reportSentMs === undefined) return undefined;
    const ms = nowMs - reportSentMs - (sinceLastReport * 1000) / 65_536;
    if (ms < MAX_RTT_MS) this.#latestMs = Math.max(0, ms);
    return { ms, reportSentMs };
  }
}

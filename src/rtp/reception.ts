import type { ReceptionReport } from './rtcp.js';

/** A jump of more than this is a sender that began anew (RFC 3550 appendix A.1). */
const MAX_DROPOUT = 3000;

/**
 * What came of one sender's packets, for the reports to it (RFC 3550 section 6.4.1, appendices A.1, A.3 and A.8). Only
 * authentic packets are to be counted. A sender that changes its SSRC or jumps in its numbers is counted anew.
 */
export class Reception {
  readonly #clockRate: number;
  #ssrc: number | undefined;
  #firstNumber = 0;
  /** With the count of its wraps above 16 bits. */
  #highest = 0;
  #came = 0;
  #before = { expected: 0, came: 0 };
  #jitterTicks = 0;
  #transitTicks: number | undefined;
  #sender = { middle: 0, atMs: 0 };

  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  /** An RTP packet that arrived at `nowMs`. */
  came(packet: Buffer, nowMs: number): void {
    const number = packet.readUInt16BE(2);
    const timestamp = packet.readUInt32BE(4);
    const ssrc = packet.readUInt32BE(8);
    const ahead = (((number - this.#highest) & 0xffff) ^ 0x8000) - 0x8000;
    if (ssrc !== this.#ssrc || Math.abs(ahead) > MAX_DROPOUT) this.#begin(ssrc, number);
    else if (ahead > 0) this.#highest += ahead;
    this.#came += 1;
    const transit = (nowMs * this.#clockRate) / 1000 - timestamp;
    if (this.#transitTicks !== undefined) {
      // Time stamps wrap: the difference of two transits is small.
      const change = Math.abs(Math.round(transit - this.#transitTicks) | 0);
      if (change < this.#clockRate) this.#jitterTicks += (change - this.#jitterTicks) / 16;
    }
    this.#transitTicks = transit;
  }

  /** A sender report came; `middle` are the middle 32 bits of its NTP time. */
  senderReported(ssrc: number, middle: number, nowMs: number): void {
    if (ssrc === this.#ssrc) this.#sender = { middle, atMs: nowMs };
  }

  /** What to tell the sender now; undefined while nothing came of it. The share of loss is that since the call before. */
  report(nowMs: number): ReceptionReport | undefined {
    if (this.#ssrc === undefined) return undefined;
    const expected = this.#highest - this.#firstNumber + 1;
    const now = { expected, came: this.#came };
    const expectedSince = expected - this.#before.expected;
    const lostSince = expectedSince - (now.came - this.#before.came);
    this.#before = now;
    return {
      ssrc: this.#ssrc,
      lostShare: expectedSince > 0 && lostSince > 0 ? lostSince / expectedSince : 0,
      lostPackets: expected - this.#came,
      highestNumber: this.#highest,
      jitterTicks: Math.floor(this.#jitterTicks),
      lastReport: this.#sender.middle,
      sinceLastReport:
        this.#sender.middle === 0 ? 0 : Math.round(((nowMs - this.#sender.atMs) * 65_536) / 1000),
    };
  }

  #begin(ssrc: number, number: number): void {
    this.#ssrc = ssrc;
    this.#firstNumber = number;
    this.#highest = number;
    this.#came = 0;
    this.#before = { expected: 0, came: 0 };
    this.#jitterTicks = 0;
    this.#transitTicks = undefined;
    this.#sender = { middle: 0, atMs: 0 };
  }
}

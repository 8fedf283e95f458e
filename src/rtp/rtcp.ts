/** What the other side tells, of what it received and of what it sends: RTCP compound packets (RFC 3550 section 6, RFC 4585, RFC 5104). */

export interface ReceptionReport {
  readonly ssrc: number;
  /** Since the report before, 0..1. */
  readonly lostShare: number;
  /** Since the beginning; negative when copies came. */
  readonly lostPackets: number;
  /** Highest sequence number received, with the count of its wraps above 16 bits. */
  readonly highestNumber: number;
  /** In ticks of the stream's clock. */
  readonly jitterTicks: number;
  /** Middle of the NTP time of the last sender report, 0 if none came. */
  readonly lastReport: number;
  /** From then to this report, in 1/65536 s. */
  readonly sinceLastReport: number;
}

export interface ReceivedRtcp {
  readonly reports: readonly ReceptionReport[];
  /** Sequence numbers that are missing, by SSRC of the stream. */
  readonly nacks: readonly { readonly ssrc: number; readonly sequenceNumbers: readonly number[] }[];
  readonly wantsKey: 'pli' | 'fir' | undefined;
  /** Receiver estimated maximum bit rate over all streams (draft-alvestrand-rmcat-remb). */
  readonly rembBps: number | undefined;
  readonly bye: boolean;
  /** Of a sender report: whose, and the middle 32 bits of its NTP time, by which receivers refer to it. */
  readonly sender: { readonly ssrc: number; readonly ntpMiddle: number } | undefined;
}

const TYPE = { sr: 200, rr: 201, bye: 203, transportFeedback: 205, payloadFeedback: 206 } as const;
const REPORT_BYTES = 24;
/** A NACK packet names at most so many; more is a flood. */
const MAX_NACKS = 512;

/** Reads as far as it makes sense; the rest of a broken compound is ignored. */
export function readRtcp(compound: Buffer): ReceivedRtcp {
  const reports: ReceptionReport[] = [];
  const nacks: { ssrc: number; sequenceNumbers: number[] }[] = [];
  let wantsKey: 'pli' | 'fir' | undefined;
  let rembBps: number | undefined;
  let bye = false;
  let sender: ReceivedRtcp['sender'];
  for (let at = 0; at + 4 <= compound.length;) {
    const first = compound.readUInt8(at);
    const type = compound.readUInt8(at + 1);
    const end = at + 4 * (compound.readUInt16BE(at + 2) + 1);
    if (first >> 6 !== 2 || end > compound.length) break;
    const packet = compound.subarray(at, end);
    const count = first & 0x1f;
    if (type === TYPE.sr || type === TYPE.rr) {
      if (type === TYPE.sr && packet.length >= 28)
        sender = { ssrc: packet.readUInt32BE(4), ntpMiddle: packet.readUInt32BE(10) };
      const from = type === TYPE.sr ? 28 : 8;
      for (let n = 0; n < count && from + REPORT_BYTES * (n + 1) <= packet.length; n++)
        reports.push(readReport(packet, from + REPORT_BYTES * n));
    } else if (type === TYPE.bye) bye = true;
    else if (type === TYPE.transportFeedback && count === 1 && packet.length >= 12)
      nacks.push({ ssrc: packet.readUInt32BE(8), sequenceNumbers: readNack(packet) });
    else if (type === TYPE.payloadFeedback && count === 1) wantsKey = 'pli';
    else if (type === TYPE.payloadFeedback && count === 4) wantsKey = 'fir';
    else if (type === TYPE.payloadFeedback && count === 15) rembBps = readRemb(packet) ?? rembBps;
    at = end;
  }
  return { reports, nacks, wantsKey, rembBps, bye, sender };
}

function readReport(packet: Buffer, at: number): ReceptionReport {
  return {
    ssrc: packet.readUInt32BE(at),
    lostShare: packet.readUInt8(at + 4) / 256,
    lostPackets: packet.readIntBE(at + 5, 3),
    highestNumber: packet.readUInt32BE(at + 8),
    jitterTicks: packet.readUInt32BE(at + 12),
    lastReport: packet.readUInt32BE(at + 16),
    sinceLastReport: packet.readUInt32BE(at + 20),
  };
}

/** RFC 4585 section 6.2.1: a number and a bit mask of the sixteen that follow it. */
function readNack(packet: Buffer): number[] {
  const missing: number[] = [];
  for (let at = 12; at + 4 <= packet.length && missing.length < MAX_NACKS; at += 4) {
    const first = packet.readUInt16BE(at);
    const mask = packet.readUInt16BE(at + 2);
    missing.push(first);
    for (let bit = 0; bit < 16; bit++) if ((mask >> bit) & 1) missing.push((first + bit + 1) & 0xffff);
  }
  return missing;
}

function readRemb(packet: Buffer): number | undefined {
  if (packet.length < 20 || packet.toString('latin1', 12, 16) !== 'REMB') return undefined;
  const bits = packet.readUIntBE(17, 3);
  return (bits & 0x3ffff) * 2 ** (bits >> 18);
}

import { sourceDescription } from './source-description.js';

/**
 * RTCP sender reports (RFC 3550 sections 6.4.1 and 6.5) as compound packets: a report without reception blocks,
 * then the source description with the canonical name that ties sound and picture together.
 */

export interface SenderReport {
  readonly ssrc: number;
  /** 64-bit NTP time of the moment that `rtpTimestamp` names. */
  readonly ntp: bigint;
  readonly rtpTimestamp: number;
  readonly packetCount: number;
  /** Payload bytes sent, without headers. */
  readonly octetCount: number;
  readonly cname: string;
}

const VERSION = 0x80;
const SR = 200;

export function buildSenderReport(report: SenderReport): Buffer {
  const packet = Buffer.alloc(28);
  packet.writeUInt8(VERSION, 0);
  packet.writeUInt8(SR, 1);
  packet.writeUInt16BE(6, 2);
  packet.writeUInt32BE(report.ssrc >>> 0, 4);
  packet.writeBigUInt64BE(BigInt.asUintN(64, report.ntp), 8);
  packet.writeUInt32BE(report.rtpTimestamp >>> 0, 16);
  packet.writeUInt32BE(report.packetCount >>> 0, 20);
  packet.writeUInt32BE(report.octetCount % 2 ** 32, 24);
  return Buffer.concat([packet, sourceDescription(report.ssrc, report.cname)]);
}

/** The middle 32 bits of an NTP time, by which receivers refer to a report (`LSR`). */
export function ntpMiddle(ntp: bigint): number {
  return Number((ntp >> 16n) & 0xffff_ffffn);
}

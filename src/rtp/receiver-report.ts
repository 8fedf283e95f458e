import type { ReceptionReport } from './rtcp.js';
import { sourceDescription } from './source-description.js';

const VERSION = 0x80;
const RR = 201;

/** An RTCP receiver report with one block (RFC 3550 section 6.4.2) and a source description, as one compound packet. */
export function buildReceiverReport(ssrc: number, report: ReceptionReport, cname: string): Buffer {
  const packet = Buffer.alloc(32);
  packet.writeUInt8(VERSION | 1, 0);
  packet.writeUInt8(RR, 1);
  packet.writeUInt16BE(7, 2);
  packet.writeUInt32BE(ssrc >>> 0, 4);
  packet.writeUInt32BE(report.ssrc, 8);
  packet.writeUInt8(Math.min(255, Math.floor(report.lostShare * 256)), 12);
  packet.writeIntBE(Math.max(-0x80_0000, Math.min(0x7f_ffff, report.lostPackets)), 13, 3);
  packet.writeUInt32BE(report.highestNumber >>> 0, 16);
  packet.writeUInt32BE(report.jitterTicks >>> 0, 20);
  packet.writeUInt32BE(report.lastReport, 24);
  packet.writeUInt32BE(report.sinceLastReport >>> 0, 28);
  return Buffer.concat([packet, sourceDescription(ssrc, cname)]);
}

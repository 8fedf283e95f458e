/** Counts what arrives of one RTP stream: packets, gaps in the numbering, pictures by the marker bit. */

const MIN_HEADER_BYTES = 12;
const MARKER = 0x80;

export interface RtpTotals {
  packets: number;
  bytes: number;
  /** Packets with the marker bit: of a picture stream, whole pictures. */
  markers: number;
  /** Sequence numbers passed since the first packet, the missing ones included; it can fall behind `packets` by doubles. */
  expected: number;
}

export class RtpCount {
  readonly totals: RtpTotals = { packets: 0, bytes: 0, markers: 0, expected: 0 };
  /** Payload of the very first packet; a copy. */
  firstPayload: Uint8Array | undefined;
  /** Monotonic ms of the last arrival, and the longest wait between two since it was last set to 0. */
  lastAtMs: number | undefined;
  longestGapMs = 0;
  #highest: number | undefined;

  /** True if it was RTP; RTCP (RFC 5761 section 4: types 192..223) and fragments are left alone. */
  take(packet: Uint8Array, nowMs: number): boolean {
    const second = packet[1] ?? 0;
    if (packet.length < MIN_HEADER_BYTES || (second >= 192 && second <= 223)) return false;
    const { totals } = this;
    totals.packets += 1;
    totals.bytes += packet.length;
    if ((second & MARKER) !== 0) totals.markers += 1;
    const sequenceNumber = ((packet[2] ?? 0) << 8) | (packet[3] ?? 0);
    const step = this.#highest === undefined ? 1 : ((sequenceNumber - this.#highest) << 16) >> 16;
    if (step > 0) {
      totals.expected += step;
      this.#highest = sequenceNumber;
    }
    if (this.lastAtMs !== undefined) this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.lastAtMs);
    this.lastAtMs = nowMs;
    this.firstPayload ??= rtpPayload(packet).slice();
    return true;
  }
}

/** RFC 3550 section 5.1: 12 bytes, four a contributing source, and an extension if bit 4 says so. */
export function rtpPayload(packet: Uint8Array): Uint8Array {
  const first = packet[0] ?? 0;
  let at = MIN_HEADER_BYTES + 4 * (first & 0x0f);
  if ((first & 0x10) !== 0) at += 4 + 4 * (((packet[at + 2] ?? 0) << 8) | (packet[at + 3] ?? 0));
  return packet.subarray(at);
}

/** True if a VP8 payload begins a key picture: RFC 7741 section 4.2 for the descriptor, RFC 6386 section 9.1 for the bit. */
export function beginsKeyPicture(payload: Uint8Array): boolean {
  const first = payload[0] ?? 0;
  const beginsPicture = (first & 0x10) !== 0 && (first & 0x0f) === 0;
  let at = 1;
  if ((first & 0x80) !== 0) {
    const fields = payload[at++] ?? 0;
    if ((fields & 0x80) !== 0) at += ((payload[at] ?? 0) & 0x80) === 0 ? 1 : 2; // PictureID
    if ((fields & 0x40) !== 0) at += 1; // TL0PICIDX
    if ((fields & 0x30) !== 0) at += 1; // TID and KEYIDX share a byte
  }
  return beginsPicture && ((payload[at] ?? 1) & 1) === 0;
}

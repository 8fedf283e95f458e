import { randomBytes, randomInt } from 'node:crypto';
import { takePacket } from './packet-arena.js';
import { SRTP_OVERHEAD_BYTES, type SrtpProtector } from './srtp.js';
import { VP8_DESCRIPTOR_BYTES, writeVp8Descriptor } from './vp8-packetizer.js';

/**
 * One RTP stream to one viewer (RFC 3550 section 5.1): numbering, header extensions (RFC 8285), what was sent lately,
 * and repeats on a stream of their own (RTX, RFC 4588). Payloads are shared by all viewers; only headers, a VP8
 * descriptor and the encryption are the viewer's own.
 */

/** Packets that can be repeated: some four seconds of a picture stream. A power of two. */
const HISTORY = 512;
const HEADER_BYTES = 12;
const MAX_EXTENSION_BYTES = 12;
const OSN_BYTES = 2;
/** A packet is repeated at most this often, and not again before a repeat can have arrived. */
const MAX_REPEATS = 8;
const MIN_REPEAT_GAP_MS = 15;

export interface StreamExtensions {
  /** Ids as the offer names them, 1 to 14 (RFC 8285 section 4.2). */
  readonly absSendTime?: number;
  readonly playoutDelay?: number;
}

export interface OutgoingStreamOptions {
  readonly payloadType: number;
  readonly clockRate: number;
  /** Present if the viewer takes repeats. */
  readonly rtxPayloadType?: number | undefined;
  readonly extensions: StreamExtensions;
  /** RTP time stamp of media time 0; random if absent. */
  readonly timestampBase?: number | undefined;
}

export interface OutgoingPayload {
  /** Shared; not changed. */
  readonly data: Uint8Array;
  readonly timestamp: number;
  readonly marker: boolean;
  /** First packet of its picture. */
  readonly first: boolean;
  /** 15 bits; absent for payloads without a VP8 descriptor. */
  readonly pictureId?: number | undefined;
}

export class OutgoingStream {
  readonly ssrc = randomBytes(4).readUInt32BE(0);
  readonly rtxSsrc = randomBytes(4).readUInt32BE(0);
  readonly timestampBase: number;
  readonly payloadType: number;
  readonly rtxPayloadType: number | undefined;
  readonly clockRate: number;
  packets = 0;
  /** Payload bytes, as sender reports count them. */
  octets = 0;
  repeated = 0;
  /** Asked for, but too old or asked for too often. */
  notRepeated = 0;
  /** 12-bit lower and upper limit in units of 10 ms; both 0 asks for the shortest delay. */
  playoutDelay: readonly [number, number] = [0, 0];
  readonly #extensions: StreamExtensions;
  /** 48-bit packet indices of SRTP. Below half, so that no receiver sees a wrap at once. */
  #index = randomInt(0x8000);
  #rtxIndex = randomInt(0x8000);
  #firstKept = 0;
  #protector: SrtpProtector | undefined;
  #write: (packet: Buffer) => void = () => {};
  readonly #history: (
    { payload: OutgoingPayload; index: number; repeats: number; repeatedAtMs: number } | undefined
  )[];

  constructor(options: OutgoingStreamOptions) {
    this.payloadType = options.payloadType;
    this.rtxPayloadType = options.rtxPayloadType;
    this.clockRate = options.clockRate;
    this.timestampBase = options.timestampBase ?? randomBytes(4).readUInt32BE(0);
    this.#extensions = options.extensions;
    this.#history = options.rtxPayloadType === undefined ? [] : new Array<undefined>(HISTORY).fill(undefined);
  }

  /** From now on packets go out. */
  open(protector: SrtpProtector, write: (packet: Buffer) => void): void {
    this.#protector = protector;
    this.#write = write;
  }

  /** `nowMs`: any steady clock, for the send time extension. */
  send(payload: OutgoingPayload, nowMs: number): void {
    const index = this.#index;
    this.#index += 1;
    this.packets += 1;
    this.octets += payload.data.length + (payload.pictureId === undefined ? 0 : VP8_DESCRIPTOR_BYTES);
    if (this.#history.length > 0)
      this.#history[index & (HISTORY - 1)] = { payload, index, repeats: 0, repeatedAtMs: -Infinity };
    this.#put(payload, this.payloadType, this.ssrc, index, nowMs);
  }

  /** What was sent so far is not repeated any more: a key picture follows that makes it worthless. */
  forget(): void {
    this.#firstKept = this.#index;
  }

  /** Answers a NACK. `roundTripMs` spaces repeats of one packet. Returns the payload bytes sent, 0 if it was not. */
  repeat(sequenceNumber: number, nowMs: number, roundTripMs: number): number {
    const index = this.#index - 1 - ((this.#index - 1 - sequenceNumber) & 0xffff);
    const entry = this.#history[index & (HISTORY - 1)];
    const gapMs = Math.max(MIN_REPEAT_GAP_MS, roundTripMs);
    if (
      entry?.index !== index ||
      index < this.#firstKept ||
      entry.repeats >= MAX_REPEATS ||
      nowMs - entry.repeatedAtMs < gapMs
    ) {
      this.notRepeated += 1;
      return 0;
    }
    entry.repeats += 1;
    entry.repeatedAtMs = nowMs;
    this.#repeat(entry.payload, index, nowMs);
    this.repeated += 1;
    return entry.payload.data.length;
  }

  /** Sends a copy of the `back`th newest packet, which the viewer only counts: a probe for more room. Returns bytes. */
  probe(back: number, nowMs: number): number {
    const index = this.#index - 1 - back;
    const entry = this.#history[index & (HISTORY - 1)];
    if (entry?.index !== index) return 0;
    this.#repeat(entry.payload, index, nowMs);
    return entry.payload.data.length;
  }

  #repeat(payload: OutgoingPayload, index: number, nowMs: number): void {
    const rtxIndex = this.#rtxIndex;
    this.#rtxIndex += 1;
    this.#put(payload, this.rtxPayloadType ?? 0, this.rtxSsrc, rtxIndex, nowMs, index & 0xffff);
  }

  #put(
    payload: OutgoingPayload,
    payloadType: number,
    ssrc: number,
    index: number,
    nowMs: number,
    originalNumber?: number,
  ): void {
    if (this.#protector === undefined) return;
    const { data, pictureId } = payload;
    const packet = takePacket(
      HEADER_BYTES +
        MAX_EXTENSION_BYTES +
        OSN_BYTES +
        VP8_DESCRIPTOR_BYTES +
        data.length +
        SRTP_OVERHEAD_BYTES,
    );
    packet[1] = payloadType | (payload.marker ? 0x80 : 0);
    packet.writeUInt16BE(index & 0xffff, 2);
    packet.writeUInt32BE(payload.timestamp, 4);
    packet.writeUInt32BE(ssrc, 8);
    let at = this.#putExtensions(packet, payload.first, nowMs);
    packet[0] = at > HEADER_BYTES ? 0x90 : 0x80;
    const headerBytes = at;
    if (originalNumber !== undefined) at = packet.writeUInt16BE(originalNumber, at);
    if (pictureId !== undefined) at = writeVp8Descriptor(packet, at, payload.first, pictureId);
    packet.set(data, at);
    const length = this.#protector.protect(packet, headerBytes, at + data.length, ssrc, index);
    this.#write(packet.subarray(0, length));
  }

  /** One-byte headers. Returns where the payload begins. */
  #putExtensions(packet: Buffer, first: boolean, nowMs: number): number {
    const { absSendTime, playoutDelay } = this.#extensions;
    const withDelay = playoutDelay !== undefined && first;
    if (absSendTime === undefined && !withDelay) return HEADER_BYTES;
    let at = HEADER_BYTES + 4;
    if (absSendTime !== undefined) {
      // Seconds in 6.18 fixed point.
      packet[at] = (absSendTime << 4) | 2;
      packet.writeUIntBE(Math.floor((nowMs % 64_000) * 262.144) & 0xff_ffff, at + 1, 3);
      at += 4;
    }
    if (withDelay) {
      const [lower, upper] = this.playoutDelay;
      packet[at] = (playoutDelay << 4) | 2;
      packet.writeUIntBE((lower << 12) | upper, at + 1, 3);
      at += 4;
    }
    packet.writeUInt16BE(0xbede, HEADER_BYTES);
    packet.writeUInt16BE((at - HEADER_BYTES - 4) / 4, HEADER_BYTES + 2);
    return at;
  }
}

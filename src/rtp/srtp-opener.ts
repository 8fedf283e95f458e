import { createDecipheriv, createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import { deriveSessionKey, SRTP_LABEL, type SrtpMaster } from './srtp.js';

/** Senders whose numbers are followed; more are none of ours. */
const MAX_SENDERS = 4;
/** Packets that may come out of order (RFC 3711 section 3.3.2). */
const WINDOW = 64;
const GCM_TAG_BYTES = 16;
const CM_TAG_BYTES = 10;
const FIRST_BYTES = 12;

interface Sender {
  /** 48-bit index of the newest packet. */
  highest: number;
  /** A bit for each of the 64 up to it, the lowest being the newest. */
  came: bigint;
}

/** SRTP for what we receive; see srtp.ts for the profiles. */
export class SrtpOpener {
  readonly #gcm: boolean;
  readonly #key: KeyObject;
  readonly #authKey: KeyObject;
  readonly #salt: Buffer;
  readonly #senders = new Map<number, Sender>();

  constructor(master: SrtpMaster) {
    this.#gcm = master.profile === 'AEAD_AES_128_GCM';
    this.#key = createSecretKey(deriveSessionKey(master, SRTP_LABEL.encryption, 16));
    this.#authKey = createSecretKey(deriveSessionKey(master, SRTP_LABEL.authentication, 20));
    this.#salt = deriveSessionKey(master, SRTP_LABEL.salt, this.#gcm ? 12 : 14);
  }

  /** The RTP packet in a buffer of its own; undefined if it is not authentic, or came before. */
  open(packet: Buffer): Buffer | undefined {
    const headerBytes = rtpHeaderBytes(packet);
    const tagBytes = this.#gcm ? GCM_TAG_BYTES : CM_TAG_BYTES;
    if (headerBytes === undefined || packet.length < headerBytes + tagBytes) return undefined;
    const ssrc = packet.readUInt32BE(8);
    const sender = this.#senders.get(ssrc);
    if (sender === undefined && this.#senders.size >= MAX_SENDERS) return undefined;
    const index = indexOf(packet.readUInt16BE(2), sender?.highest);
    if (index < 0 || (sender !== undefined && cameBefore(sender, index))) return undefined;
    const plain = this.#gcm
      ? this.#openGcm(packet, headerBytes, ssrc, index)
      : this.#openCm(packet, headerBytes, ssrc, index);
    if (plain !== undefined) this.#note(ssrc, sender, index);
    return plain;
  }

  /** RFC 7714 section 8.2. */
  #openGcm(packet: Buffer, headerBytes: number, ssrc: number, index: number): Buffer | undefined {
    const iv = Buffer.alloc(12);
    iv.writeUInt32BE(ssrc, 2);
    iv.writeUIntBE(index, 6, 6);
    for (let at = 0; at < 12; at++) iv[at] = (iv[at] ?? 0) ^ (this.#salt[at] ?? 0);
    const header = packet.subarray(0, headerBytes);
    const end = packet.length - GCM_TAG_BYTES;
    try {
      const decipher = createDecipheriv('aes-128-gcm', this.#key, iv);
      decipher.setAAD(header);
      decipher.setAuthTag(packet.subarray(end));
      const payload = decipher.update(packet.subarray(headerBytes, end));
      decipher.final();
      return Buffer.concat([header, payload]);
    } catch {
      return undefined;
    }
  }

  /** RFC 3711 sections 4.1.1 and 4.2.1. */
  #openCm(packet: Buffer, headerBytes: number, ssrc: number, index: number): Buffer | undefined {
    const end = packet.length - CM_TAG_BYTES;
    const rollover = Buffer.alloc(4);
    rollover.writeUInt32BE(Math.floor(index / 0x10000) >>> 0, 0);
    const tag = createHmac('sha1', this.#authKey).update(packet.subarray(0, end)).update(rollover).digest();
    if (!timingSafeEqual(tag.subarray(0, CM_TAG_BYTES), packet.subarray(end))) return undefined;
    const iv = Buffer.alloc(16);
    iv.writeUInt32BE(ssrc, 4);
    iv.writeUIntBE(index, 8, 6);
    for (let at = 0; at < 14; at++) iv[at] = (iv[at] ?? 0) ^ (this.#salt[at] ?? 0);
    const decipher = createDecipheriv('aes-128-ctr', this.#key, iv);
    return Buffer.concat([
      packet.subarray(0, headerBytes),
      decipher.update(packet.subarray(headerBytes, end)),
    ]);
  }

  #note(ssrc: number, sender: Sender | undefined, index: number): void {
    if (sender === undefined) {
      this.#senders.set(ssrc, { highest: index, came: 1n });
      return;
    }
    const ahead = index - sender.highest;
    if (ahead > 0) {
      sender.came = ahead >= WINDOW ? 1n : BigInt.asUintN(WINDOW, (sender.came << BigInt(ahead)) | 1n);
      sender.highest = index;
    } else sender.came |= 1n << BigInt(-ahead);
  }
}

function cameBefore({ highest, came }: Sender, index: number): boolean {
  const behind = highest - index;
  if (behind < 0) return false;
  return behind >= WINDOW || (came & (1n << BigInt(behind))) !== 0n;
}

/** RFC 3711 section 3.3.1: the index nearest to the newest one with this sequence number. */
function indexOf(sequenceNumber: number, highest: number | undefined): number {
  if (highest === undefined) return sequenceNumber;
  const rollover = Math.floor(highest / 0x10000);
  const distance = sequenceNumber - (highest % 0x10000);
  const turn = distance > 0x8000 ? -1 : distance < -0x8000 ? 1 : 0;
  return (rollover + turn) * 0x10000 + sequenceNumber;
}

/** RFC 3550 section 5.1; undefined for what is no RTP. */
export function rtpHeaderBytes(packet: Buffer): number | undefined {
  const first = packet[0] ?? 0;
  if (packet.length < FIRST_BYTES || first >> 6 !== 2) return undefined;
  const at = FIRST_BYTES + 4 * (first & 0x0f);
  if ((first & 0x10) === 0) return at;
  return at + 4 <= packet.length ? at + 4 + 4 * packet.readUInt16BE(at + 2) : undefined;
}

import { createCipheriv, createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/**
 * SRTP for what we send: RFC 3711 with AES_CM_128_HMAC_SHA1_80 and RFC 7714 with AEAD_AES_128_GCM, without MKI and with
 * a key derivation rate of 0.
 */

export interface SrtpMaster {
  readonly profile: 'AEAD_AES_128_GCM' | 'AES_CM_128_HMAC_SHA1_80';
  readonly masterKey: Buffer;
  readonly masterSalt: Buffer;
}

/** Bytes that protection adds at most. */
export const SRTP_OVERHEAD_BYTES = 16;
/** RFC 3711 section 4.3.1. */
export const SRTP_LABEL = { encryption: 0, authentication: 1, salt: 2 } as const;
const CM_TAG_BYTES = 10;

export class SrtpProtector {
  readonly #gcm: boolean;
  readonly #key: KeyObject;
  readonly #authKey: KeyObject;
  readonly #salt: Buffer;
  readonly #iv: Buffer;
  readonly #rollover = Buffer.alloc(4);

  constructor(master: SrtpMaster) {
    this.#gcm = master.profile === 'AEAD_AES_128_GCM';
    this.#key = createSecretKey(deriveSessionKey(master, SRTP_LABEL.encryption, 16));
    this.#authKey = createSecretKey(deriveSessionKey(master, SRTP_LABEL.authentication, 20));
    this.#salt = deriveSessionKey(master, SRTP_LABEL.salt, this.#gcm ? 12 : 14);
    this.#iv = Buffer.alloc(this.#gcm ? 12 : 16);
  }

  /**
   * Encrypts and signs in place: `packet` holds the RTP header (`headerBytes` long) and the payload up to
   * `packetBytes`, and has room for the tag behind it. `index` is the 48-bit packet index (rollover counter, sequence
   * number). Returns the length of the whole.
   */
  protect(packet: Buffer, headerBytes: number, packetBytes: number, ssrc: number, index: number): number {
    return this.#gcm
      ? this.#protectGcm(packet, headerBytes, packetBytes, ssrc, index)
      : this.#protectCm(packet, headerBytes, packetBytes, ssrc, index);
  }

  /** RFC 7714 section 8.1. */
  #protectGcm(packet: Buffer, headerBytes: number, packetBytes: number, ssrc: number, index: number): number {
    const iv = this.#iv;
    iv.writeUInt16BE(0, 0);
    iv.writeUInt32BE(ssrc, 2);
    iv.writeUIntBE(index, 6, 6);
    for (let at = 0; at < 12; at++) iv[at] = (iv[at] ?? 0) ^ (this.#salt[at] ?? 0);
    const cipher = createCipheriv('aes-128-gcm', this.#key, iv);
    cipher.setAAD(packet.subarray(0, headerBytes));
    packet.set(cipher.update(packet.subarray(headerBytes, packetBytes)), headerBytes);
    cipher.final();
    packet.set(cipher.getAuthTag(), packetBytes);
    return packetBytes + 16;
  }

  /** RFC 3711 sections 4.1.1 and 4.2.1. */
  #protectCm(packet: Buffer, headerBytes: number, packetBytes: number, ssrc: number, index: number): number {
    const iv = this.#iv;
    iv.fill(0);
    iv.writeUInt32BE(ssrc, 4);
    iv.writeUIntBE(index, 8, 6);
    for (let at = 0; at < 14; at++) iv[at] = (iv[at] ?? 0) ^ (this.#salt[at] ?? 0);
    const cipher = createCipheriv('aes-128-ctr', this.#key, iv);
    packet.set(cipher.update(packet.subarray(headerBytes, packetBytes)), headerBytes);
    this.#rollover.writeUInt32BE(Math.floor(index / 0x10000) >>> 0, 0);
    const tag = createHmac('sha1', this.#authKey)
      .update(packet.subarray(0, packetBytes))
      .update(this.#rollover)
      .digest();
    packet.set(tag.subarray(0, CM_TAG_BYTES), packetBytes);
    return packetBytes + CM_TAG_BYTES;
  }
}

/** RFC 3711 section 4.3.3; a 96-bit salt is filled up with zeros at its end (RFC 7714 section 11). */
export function deriveSessionKey(master: SrtpMaster, label: number, sizeBytes: number): Buffer {
  const iv = Buffer.alloc(16);
  master.masterSalt.copy(iv);
  iv[7] = (iv[7] ?? 0) ^ label;
  return createCipheriv('aes-128-ctr', master.masterKey, iv).update(Buffer.alloc(sizeBytes));
}

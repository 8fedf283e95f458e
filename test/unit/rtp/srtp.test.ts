import assert from 'node:assert/strict';
import { createCipheriv, createHmac, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { SrtpSession } from 'werift';
import { SRTP_OVERHEAD_BYTES, SrtpProtector, type SrtpMaster } from '../../../src/rtp/srtp.js';

const PROFILES = [
  { profile: 'AEAD_AES_128_GCM', number: 7, saltBytes: 12 },
  { profile: 'AES_CM_128_HMAC_SHA1_80', number: 1, saltBytes: 14 },
] as const;
const SSRC = 0xcafebabe;

function packetOf(
  index: number,
  payload: Buffer,
  extension: Buffer = Buffer.alloc(0),
): { packet: Buffer; header: number } {
  const head = Buffer.alloc(12);
  head[0] = extension.length > 0 ? 0x90 : 0x80;
  head[1] = 96;
  head.writeUInt16BE(index & 0xffff, 2);
  head.writeUInt32BE(1234, 4);
  head.writeUInt32BE(SSRC, 8);
  const packet = Buffer.concat([head, extension, payload, Buffer.alloc(SRTP_OVERHEAD_BYTES)]);
  return { packet, header: 12 + extension.length };
}

/** Protects a payload and returns the whole, and what it was before. */
function protect(master: SrtpMaster, index: number, payload: Buffer, extension?: Buffer): [Buffer, Buffer] {
  const { packet, header } = packetOf(index, payload, extension);
  const plainBytes = packet.length - SRTP_OVERHEAD_BYTES;
  const plain = Buffer.from(packet.subarray(0, plainBytes));
  const size = new SrtpProtector(master).protect(packet, header, plainBytes, SSRC, index);
  return [packet.subarray(0, size), plain];
}

for (const { profile, number, saltBytes } of PROFILES) {
  describe(`SRTP with ${profile}, opened by another implementation`, () => {
    const master = { profile, masterKey: randomBytes(16), masterSalt: randomBytes(saltBytes) };
    const receiver = (): SrtpSession =>
      new SrtpSession({
        keys: {
          ...{ localMasterKey: randomBytes(16), localMasterSalt: randomBytes(saltBytes) },
          ...{ remoteMasterKey: master.masterKey, remoteMasterSalt: master.masterSalt },
        },
        profile: number,
      });

    it('opens payloads of all sizes', () => {
      const session = receiver();
      for (const [at, size] of [1, 2, 15, 16, 17, 160, 1150].entries()) {
        const [whole, plain] = protect(master, 1000 + at, randomBytes(size));
        assert.deepEqual(Buffer.from(session.decrypt(whole)), plain);
      }
    });

    it('goes on after the sequence number began again, twice', () => {
      const session = receiver();
      for (let index = 0x7ff0; index < 0x20010; index += 97) {
        const [whole, plain] = protect(master, index, Buffer.from(`packet ${index}`));
        assert.deepEqual(Buffer.from(session.decrypt(whole)), plain, `index ${index}`);
      }
      // The counter of rollovers is part of the protection: the same number of another round does not open.
      const [stale] = protect(master, 0x20010 - 0x10000, Buffer.from('old'));
      assert.throws(() => session.decrypt(stale));
    });

    it('signs header extensions without hiding them', () => {
      const extension = Buffer.from('bede0001 32123456'.replace(' ', ''), 'hex');
      const [whole, plain] = protect(master, 5000, Buffer.from('payload'), extension);
      assert.deepEqual(whole.subarray(0, 20), plain.subarray(0, 20));
      assert.deepEqual(Buffer.from(receiver().decrypt(Buffer.from(whole))), plain);
      const forged = Buffer.from(whole);
      forged[17] = (forged[17] ?? 0) ^ 1;
      assert.throws(() => receiver().decrypt(forged));
    });
  });
}

describe('SRTP key derivation', () => {
  it('gives the keys of RFC 3711 appendix B.3', () => {
    const master = {
      profile: 'AES_CM_128_HMAC_SHA1_80',
      masterKey: Buffer.from('E1F97A0D3E018BE0D64FA32C06DE4139', 'hex'),
      masterSalt: Buffer.from('0EC675AD498AFEEBB6960B3AABE6', 'hex'),
    } as const;
    const cipherKey = Buffer.from('C61E7A93744F39EE10734AFE3FF7A087', 'hex');
    const salt = BigInt('0x30CBBC08863D8C85D49DB34A9AE1');
    const authKey = Buffer.from('CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4', 'hex');
    const index = 0x1_2345;
    const payload = Buffer.from('a payload of more than sixteen bytes');
    const [whole, plain] = protect(master, index, payload);
    // Section 4.1.1: IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16).
    const iv = (salt << 16n) ^ (BigInt(SSRC) << 64n) ^ (BigInt(index) << 16n);
    const cipher = createCipheriv(
      'aes-128-ctr',
      cipherKey,
      Buffer.from(iv.toString(16).padStart(32, '0'), 'hex'),
    );
    const expected = Buffer.concat([plain.subarray(0, 12), cipher.update(payload)]);
    assert.deepEqual(whole.subarray(0, -10), expected);
    // Section 4.2: the packet and the 32 bits of its rollover counter.
    const tag = createHmac('sha1', authKey)
      .update(expected)
      .update(Buffer.from([0, 0, 0, 1]))
      .digest();
    assert.deepEqual(whole.subarray(-10), tag.subarray(0, 10));
  });
});

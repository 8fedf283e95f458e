import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { RtpHeader, SrtpSession } from 'werift';
import { SRTP_OVERHEAD_BYTES, SrtpProtector, type SrtpMaster } from '../../../src/rtp/srtp.js';
import { SrtpOpener } from '../../../src/rtp/srtp-opener.js';

const SSRC = 0x1234_5678;

function plainPacket(index: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head[0] = 0x80;
  head[1] = 111;
  head.writeUInt16BE(index & 0xffff, 2);
  head.writeUInt32BE(SSRC, 8);
  return Buffer.concat([head, payload]);
}

for (const [profile, number, saltBytes] of [
  ['AEAD_AES_128_GCM', 7, 12],
  ['AES_CM_128_HMAC_SHA1_80', 1, 14],
] as const) {
  describe(`SRTP with ${profile}, received`, () => {
    const master: SrtpMaster = { profile, masterKey: randomBytes(16), masterSalt: randomBytes(saltBytes) };
    const protectedPacket = (index: number, payload: Buffer): Buffer => {
      const plain = plainPacket(index, payload);
      const packet = Buffer.concat([plain, Buffer.alloc(SRTP_OVERHEAD_BYTES)]);
      const size = new SrtpProtector(master).protect(packet, 12, plain.length, SSRC, index);
      return packet.subarray(0, size);
    };

    it('opens what another implementation protected', () => {
      const sender = new SrtpSession({
        keys: {
          ...{ localMasterKey: master.masterKey, localMasterSalt: master.masterSalt },
          ...{ remoteMasterKey: randomBytes(16), remoteMasterSalt: randomBytes(saltBytes) },
        },
        profile: number,
      });
      const opener = new SrtpOpener(master);
      for (const [at, size] of [1, 15, 16, 17, 300].entries()) {
        const payload = randomBytes(size);
        const plain = plainPacket(1000 + at, payload);
        const whole = sender.encrypt(payload, RtpHeader.deSerialize(plain));
        assert.deepEqual(opener.open(Buffer.from(whole)), plain);
      }
    });

    it('follows the numbers over their turns, forwards and for those that come late', () => {
      const opener = new SrtpOpener(master);
      for (let index = 0xfff0; index < 0x2_0010; index += 50)
        assert.ok(opener.open(protectedPacket(index, Buffer.from(`${index}`))), `${index}`);
      const late = new SrtpOpener(master);
      for (const index of [0xfffe, 0x1_0001, 0xffff, 0x1_0000])
        assert.ok(late.open(protectedPacket(index, Buffer.of(1))), `${index}`);
    });

    it('refuses what was changed, came before, is too old, or is no RTP', () => {
      const opener = new SrtpOpener(master);
      const packet = protectedPacket(500, Buffer.from('hello'));
      for (const at of [1, 5, 13, packet.length - 1]) {
        const changed = Buffer.from(packet);
        changed[at]! ^= 1;
        assert.equal(opener.open(changed), undefined, `byte ${at}`);
      }
      assert.ok(opener.open(packet));
      assert.equal(opener.open(packet), undefined, 'a repeat');
      opener.open(protectedPacket(600, Buffer.of(1)));
      assert.equal(opener.open(protectedPacket(520, Buffer.of(1))), undefined, 'too old');
      for (const bytes of [0, 1, 11, 12, 20])
        assert.equal(opener.open(Buffer.alloc(bytes, 0x9f)), undefined, `${bytes} bytes`);
      assert.equal(new SrtpOpener({ ...master, masterKey: randomBytes(16) }).open(packet), undefined);
    });
  });
}

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { readStun, writeStun, type StunMessage } from '../../../src/transport/stun.js';
import { lcgBytes } from '../../helpers/lcg.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** RFC 5769: messages of an implementation that pads with spaces. */
const PASSWORD = 'VOkJxbRl1RmTxUk/WvJxBt';
const REQUEST = hex(`
  00010058 2112a442 b7e7a701bc34d686fa87dfae
  80220010 5354554e207465737420636c69656e74
  00240004 6e0001ff
  80290008 932ff9b151263b36
  00060009 6576746a3a68367659202020
  00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
  80280004 e57a3bcf`);
const RESPONSE_V4 = hex(`
  0101003c 2112a442 b7e7a701bc34d686fa87dfae
  8022000b 7465737420766563746f7220
  00200008 0001a147e112a643
  00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
  80280004 c07d4c96`);
const RESPONSE_V6 = hex(`
  01010048 2112a442 b7e7a701bc34d686fa87dfae
  8022000b 7465737420766563746f7220
  00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
  00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
  80280004 c8fb0b4c`);
const VECTORS = [REQUEST, RESPONSE_V4, RESPONSE_V6];

function read(datagram: Buffer): StunMessage {
  const message = readStun(datagram);
  assert.ok(message !== undefined, datagram.toString('hex'));
  return message;
}

describe('STUN of RFC 5769', () => {
  it('reads the request', () => {
    const message = read(REQUEST);
    assert.equal(message.type, 'request');
    assert.equal(message.transactionId.toString('hex'), 'b7e7a701bc34d686fa87dfae');
    assert.equal(message.username, 'evtj:h6vY');
    assert.equal(message.priority, 0x6e0001ff);
    assert.equal(message.controlling, false);
    assert.equal(message.useCandidate, false);
    assert.ok(message.hasIntegrity(PASSWORD));
    assert.ok(!message.hasIntegrity(`${PASSWORD}x`));
  });

  it('reads the answers with an IPv4 and an IPv6 address', () => {
    const v4 = read(RESPONSE_V4);
    assert.equal(v4.type, 'success');
    assert.deepEqual(v4.mappedAddress, { address: '192.0.2.1', port: 32_853 });
    assert.ok(v4.hasIntegrity(PASSWORD));
    const v6 = read(RESPONSE_V6);
    assert.deepEqual(v6.mappedAddress, { address: '2001:db8:1234:5678:11:2233:4455:6677', port: 32_853 });
    assert.ok(v6.hasIntegrity(PASSWORD));
  });

  it('trusts no message with a flipped bit', () => {
    for (const vector of VECTORS) {
      for (let bit = 0; bit < vector.length * 8; bit++) {
        const broken = Buffer.from(vector);
        broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const message = readStun(broken);
        // A flip in the name of the fingerprint makes an unknown attribute behind the integrity, which does not count.
        const inFingerprintName = bit >> 3 >= vector.length - 8 && bit >> 3 < vector.length - 6;
        const trusted = message?.hasIntegrity(PASSWORD) === true;
        assert.ok(!trusted || inFingerprintName, `bit ${bit} went unnoticed`);
      }
    }
  });

  it('refuses every truncation, also with a length field that fits', () => {
    for (const vector of VECTORS) {
      for (let size = 0; size < vector.length; size++) {
        assert.equal(readStun(vector.subarray(0, size)), undefined, `${size} bytes`);
        if (size < 20) continue;
        const cut = Buffer.from(vector.subarray(0, size));
        cut.writeUInt16BE(size - 20, 2);
        // Only the fingerprint may be missing.
        if (size < vector.length - 8) assert.notEqual(readStun(cut)?.hasIntegrity(PASSWORD), true);
      }
    }
  });
});

describe('STUN of our own', () => {
  const transactionId = randomBytes(12);

  it('comes back as it was written', () => {
    const tieBreaker = randomBytes(8);
    const request = read(
      writeStun({
        ...{ type: 'request', transactionId, username: 'ab:cde', priority: 0xfffffffe, useCandidate: true },
        ...{ controlling: { value: true, tieBreaker }, password: 'secret' },
      }),
    );
    assert.deepEqual(request.transactionId, transactionId);
    assert.deepEqual(
      [request.username, request.priority, request.useCandidate, request.controlling],
      ['ab:cde', 0xfffffffe, true, true],
    );
    assert.ok(request.hasIntegrity('secret'));
    assert.ok(!request.hasIntegrity('Secret'));
    const error = read(
      writeStun({ type: 'error', transactionId, error: { code: 487, reason: 'Role Conflict' } }),
    );
    assert.deepEqual([error.type, error.errorCode], ['error', 487]);
    assert.ok(!error.hasIntegrity(''), 'it carries no integrity at all');
  });

  const addresses: [string, string][] = [
    ['203.0.113.255', '203.0.113.255'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['::', '0:0:0:0:0:0:0:0'],
    ['2001:db8::', '2001:db8:0:0:0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0:0:0:0:1'],
    ['::ffff:192.0.2.9', '0:0:0:0:0:ffff:c000:209'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ];
  for (const [address, expected] of addresses) {
    it(`carries the address ${address}`, () => {
      const mappedAddress = { address, port: 65_535 };
      const message = read(writeStun({ type: 'success', transactionId, mappedAddress, password: 'p' }));
      assert.deepEqual(message.mappedAddress, { address: expected, port: 65_535 });
    });
  }

  it('writes what the vectors hold, apart from SOFTWARE and the padding', () => {
    const written = writeStun({
      ...{ type: 'success', transactionId: read(RESPONSE_V4).transactionId, password: PASSWORD },
      mappedAddress: { address: '192.0.2.1', port: 32_853 },
    });
    assert.equal(written.toString('hex', 20, 32), RESPONSE_V4.toString('hex', 36, 48));
  });
});

describe('STUN from anybody', () => {
  it('never throws on noise, with or without a right head', () => {
    const noise = Buffer.from(lcgBytes(5, 400_000));
    let at = 0;
    for (let round = 0; round < 5000; round++) {
      const size = (noise[at] ?? 0) % 120;
      const datagram = Buffer.from(noise.subarray(at + 1, at + 1 + size));
      at = (at + size + 1) % 390_000;
      readStun(datagram)?.hasIntegrity('x');
      if (size < 24) continue;
      datagram.writeUInt16BE(round % 2 === 0 ? 0x0001 : 0x0101, 0);
      datagram.writeUInt16BE(size - 20, 2);
      datagram.writeUInt32BE(0x2112a442, 4);
      if (round % 3 === 0) datagram.writeUInt16BE([0x20, 0x08, 0x09, 0x06, 0x24][round % 5] ?? 0, 20);
      if (round % 3 === 0) datagram.writeUInt16BE(Math.min(round % 30, size - 24), 22);
      readStun(datagram)?.hasIntegrity('x');
    }
  });
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once, EventEmitter } from 'node:events';
import { before, describe, it } from 'node:test';
import { DtlsClient, HashAlgorithm, SignatureAlgorithm, SrtcpSession, SrtpSession } from 'werift';
import { SRTP_OVERHEAD_BYTES, SrtpProtector } from '../../../src/rtp/srtp.js';
import {
  createIdentity,
  DtlsEndpoint,
  type DtlsIdentity,
  type Fingerprint,
  type SrtpKeys,
} from '../../../src/transport/dtls-endpoint.js';
import { readRecords, writeRecord, type DtlsRecord } from '../../../src/transport/dtls-record.js';

type Profile = 1 | 7;

/** A server and another implementation as its viewer, with hands on every datagram between them. */
class Pair {
  readonly endpoint: DtlsEndpoint;
  readonly client: DtlsClient;
  readonly events = new EventEmitter();
  readonly closed: string[] = [];
  readonly fromServer: Buffer[] = [];
  keys: SrtpKeys | undefined;
  /** What to do with a datagram of the viewer; default: deliver. */
  toServer: (datagram: Buffer) => void = (datagram) => this.endpoint.receive(datagram);
  #toClient: (datagram: Buffer) => void = () => {};

  constructor(
    identity: DtlsIdentity,
    viewer: { cert: string; key: string },
    fingerprints: Fingerprint[],
    profiles: Profile[],
  ) {
    this.endpoint = new DtlsEndpoint({
      identity,
      fingerprints,
      send: (record) => {
        this.fromServer.push(Buffer.from(record));
        setImmediate(() => this.#toClient(Buffer.from(record)));
      },
      onConnected: (keys) => {
        this.keys = keys;
        this.events.emit('end');
      },
      onClosed: (reason) => {
        this.closed.push(reason);
        this.events.emit('end');
      },
    });
    const transport = {
      ...{ type: 'udp', closed: false, address: { address: '127.0.0.1', port: 0, family: 'IPv4' } },
      onData: (_: Buffer): void => {},
      send: (datagram: Buffer) => {
        const copy = Buffer.from(datagram);
        setImmediate(() => this.toServer(copy));
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    this.client = new DtlsClient({
      ...{
        transport,
        ...viewer,
        srtpProfiles: profiles,
        extendedMasterSecret: true,
        certificateRequest: true,
      },
      signatureHash: { signature: SignatureAlgorithm.ecdsa_3, hash: HashAlgorithm.sha256_4 },
    });
    this.#toClient = (datagram) => transport.onData(datagram);
    this.client.onError.subscribe(() => {});
  }

  /** Until keys are agreed on or the server gave up. */
  async shakeHands(): Promise<this> {
    const ended = once(this.events, 'end', { signal: AbortSignal.timeout(8000) });
    this.client.connect().catch(() => {});
    await ended;
    return this;
  }

  /** The viewer's view of the keys. */
  config(profile: Profile): ConstructorParameters<typeof SrtpSession>[0] {
    const { localKey, localSalt, remoteKey, remoteSalt } = this.client.extractSessionKeys(
      16,
      profile === 7 ? 12 : 14,
    );
    const local = { localMasterKey: localKey, localMasterSalt: localSalt };
    return { keys: { ...local, remoteMasterKey: remoteKey, remoteMasterSalt: remoteSalt }, profile };
  }
}

const rtcp = Buffer.from('80c9000111223344', 'hex');
const record = (type: number, epoch: number, body: Buffer): Buffer =>
  writeRecord({ type, version: 0xfefd, epoch, sequenceNumber: 900, body });
/** A plain handshake record with one whole message. */
function handshake(type: number, number: number, content: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head[0] = type;
  head.writeUIntBE(content.length, 1, 3);
  head.writeUInt16BE(number, 4);
  head.writeUIntBE(content.length, 9, 3);
  return record(22, 0, Buffer.concat([head, content]));
}
const nextTurns = async (): Promise<void> => {
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
};

describe('DTLS endpoint', () => {
  let identity: DtlsIdentity;
  let viewer: DtlsIdentity;
  before(async () => {
    [identity, viewer] = await Promise.all([createIdentity(), createIdentity()]);
  });
  const print = (of: DtlsIdentity): Fingerprint => ({ algorithm: 'sha-256', value: of.fingerprint });
  const files = (cert: DtlsIdentity, key = cert): { cert: string; key: string } => ({
    cert: cert.certPem,
    key: key.keyPem,
  });
  const pair = (profiles: Profile[] = [7, 1]): Pair =>
    new Pair(identity, files(viewer), [print(viewer)], profiles);

  for (const [profile, name, saltBytes] of [
    [7, 'AEAD_AES_128_GCM', 12],
    [1, 'AES_CM_128_HMAC_SHA1_80', 14],
  ] as const) {
    it(`agrees on keys for ${name}, and both sides have the same`, async () => {
      const one = await pair([profile]).shakeHands();
      const { endpoint, keys } = one;
      assert.equal(endpoint.state, 'connected');
      assert.equal(keys?.profile, name);
      assert.equal(keys.masterSalt.length, saltBytes);
      const config = one.config(profile);
      const packet = Buffer.alloc(12 + 20 + SRTP_OVERHEAD_BYTES, 5);
      packet[0] = 0x80;
      packet.writeUInt32BE(77, 8);
      packet.writeUInt16BE(400, 2);
      const plain = Buffer.from(packet.subarray(0, 32));
      const size = new SrtpProtector(keys).protect(packet, 12, 32, 77, 400);
      assert.deepEqual(Buffer.from(new SrtpSession(config).decrypt(packet.subarray(0, size))), plain);
      const srtcp = new SrtcpSession(config);
      const report = Buffer.from(srtcp.encrypt(rtcp));
      assert.deepEqual(Buffer.from(endpoint.unprotectRtcp(report)), rtcp);
      assert.throws(() => endpoint.unprotectRtcp(report), 'a recorded packet works once');
      assert.deepEqual(Buffer.from(endpoint.unprotectRtcp(srtcp.encrypt(rtcp))), rtcp);
      assert.deepEqual(Buffer.from(srtcp.decrypt(endpoint.protectRtcp(rtcp))), rtcp);
      assert.throws(() => endpoint.unprotectRtcp(Buffer.concat([rtcp, randomBytes(30)])));
    });
  }

  it('refuses a certificate that the offer does not name', async () => {
    const { closed, endpoint } = await new Pair(identity, files(viewer), [print(identity)], [7]).shakeHands();
    assert.deepEqual(closed, ["the viewer's certificate is not the one of its offer"]);
    assert.equal(endpoint.state, 'closed');
  });

  it('refuses who shows a certificate without having its key', async () => {
    const thief = files(viewer, await createIdentity());
    const { closed, keys } = await new Pair(identity, thief, [print(viewer)], [7]).shakeHands();
    assert.deepEqual(closed, ['the viewer does not hold the key of its certificate']);
    assert.equal(keys, undefined);
  });

  it('keeps the key exchange that the viewer signed, whatever is slipped in behind it', async () => {
    const one = pair();
    let slipped = 0;
    one.toServer = (datagram) => {
      const plain = readRecords(datagram).filter(({ type, epoch }) => type === 22 && epoch === 0);
      const exchange = plain.find(({ body }) => body[0] === 16);
      one.endpoint.receive(datagram);
      if (exchange === undefined && plain.every(({ body }) => body[0] !== 15)) return;
      // Somebody on the way puts a key of his own in its place, and ends the handshake without the viewer.
      for (const number of [3, 5])
        one.endpoint.receive(handshake(16, number, Buffer.concat([Buffer.from([32]), randomBytes(32)])));
      one.endpoint.receive(handshake(11, 2, Buffer.from([0, 0, 0])));
      one.endpoint.receive(handshake(20, 5, randomBytes(12)));
      slipped += 1;
    };
    await one.shakeHands();
    assert.ok(slipped > 0);
    assert.deepEqual(one.closed, []);
    const srtcp = new SrtcpSession(one.config(7));
    assert.deepEqual(Buffer.from(srtcp.decrypt(one.endpoint.protectRtcp(rtcp))), rtcp);
  });

  it('comes to an end with messages out of order, doubled, and cut into small pieces', async () => {
    const one = pair();
    let held: DtlsRecord[] = [];
    const pieces = ({ type, version, epoch, sequenceNumber, body }: DtlsRecord): Buffer[] => {
      if (type !== 22 || epoch !== 0) return [writeRecord({ type, version, epoch, sequenceNumber, body })];
      return Array.from({ length: Math.ceil((body.length - 12) / 40) }, (_, n) => {
        const part = body.subarray(12 + 40 * n, 52 + 40 * n);
        const head = Buffer.from(body.subarray(0, 12));
        head.writeUIntBE(40 * n, 6, 3);
        head.writeUIntBE(part.length, 9, 3);
        return writeRecord({ type, version, epoch, sequenceNumber, body: Buffer.concat([head, part]) });
      });
    };
    one.toServer = (datagram) => {
      held.push(...readRecords(datagram));
      const { type, epoch, body } = held.at(-1) as DtlsRecord;
      // Hellos travel alone; the flight with the certificate is complete with the encrypted record.
      if (epoch === 0 && !(type === 22 && body[0] === 1)) return;
      const all = held.flatMap(pieces).reverse();
      held = [];
      for (const piece of [...all, ...all]) one.endpoint.receive(piece);
    };
    await one.shakeHands();
    assert.equal(one.endpoint.state, 'connected');
    assert.deepEqual(one.closed, []);
  });

  it('survives noise during the handshake', async () => {
    const one = pair();
    one.toServer = (datagram) => {
      one.endpoint.receive(record(21, 0, Buffer.from([2, 40])));
      one.endpoint.receive(record(24, 0, randomBytes(20)));
      one.endpoint.receive(record(22, 1, randomBytes(60)));
      for (let n = 0; n < 200; n++)
        one.endpoint.receive(Buffer.concat([Buffer.from([20 + (n % 44)]), randomBytes(n)]));
      one.endpoint.receive(datagram);
    };
    await one.shakeHands();
    assert.equal(one.endpoint.state, 'connected');
  });

  it('stays connected whatever unencrypted records come', async () => {
    const one = await pair().shakeHands();
    const before = one.fromServer.length;
    const alert = Buffer.from([1, 0]);
    const forged = [
      record(21, 0, alert),
      record(21, 0, Buffer.from([2, 40])),
      record(21, 1, alert), // says that it is encrypted
      record(21, 1, Buffer.concat([alert, randomBytes(30)])),
      record(24, 0, randomBytes(16)),
      record(63, 1, randomBytes(40)),
      handshake(1, 0, Buffer.concat([Buffer.from([0xfe, 0xfd]), randomBytes(60)])),
      handshake(20, 5, randomBytes(12)),
      record(22, 1, randomBytes(48)),
      record(23, 1, randomBytes(48)),
      Buffer.alloc(13),
      Buffer.from([22]),
    ];
    for (const wrong of forged) {
      one.endpoint.receive(wrong);
      one.endpoint.receive(Buffer.concat([record(23, 1, randomBytes(40)), wrong])); // behind another record
    }
    await nextTurns();
    assert.deepEqual(one.closed, []);
    assert.equal(one.endpoint.state, 'connected');
    assert.equal(one.fromServer.length, before, 'nothing is answered');
    const srtcp = new SrtcpSession(one.config(7));
    assert.deepEqual(
      Buffer.from(one.endpoint.unprotectRtcp(srtcp.encrypt(rtcp))),
      rtcp,
      'the keys are the same',
    );
  });

  it('says its last words again when the viewer did not hear them', async () => {
    const one = pair();
    let finished: Buffer | undefined;
    one.toServer = (datagram) => {
      const found = readRecords(datagram).find(({ type, epoch }) => type === 22 && epoch === 1);
      if (found !== undefined) finished ??= writeRecord(found);
      one.endpoint.receive(datagram);
    };
    await one.shakeHands();
    await nextTurns();
    const before = one.fromServer.length;
    one.endpoint.receive(finished ?? Buffer.alloc(0));
    await nextTurns();
    assert.ok(one.fromServer.length > before);
    assert.equal(one.endpoint.state, 'connected');
  });

  it('tells the viewer when it closes, and hears the viewer close', async () => {
    const one = await pair().shakeHands();
    await nextTurns();
    let heard = 0;
    one.client.onClose.subscribe(() => (heard += 1));
    one.endpoint.close();
    await nextTurns();
    assert.equal(heard, 2, 'twice, as a datagram may get lost');
    assert.deepEqual(one.closed, [], 'its owner knows');

    const other = await pair().shakeHands();
    await nextTurns();
    other.client.dtls.recordSequenceNumber += 1;
    const header = {
      type: 21,
      version: 0xfefd,
      epoch: 1,
      sequenceNumber: other.client.dtls.recordSequenceNumber,
    };
    const body = other.client.cipher.cipher.encrypt(other.client.sessionType, Buffer.from([1, 0]), header);
    other.endpoint.receive(writeRecord({ ...header, body }));
    assert.deepEqual(other.closed, ["the viewer's encryption was closed"]);
  });
});

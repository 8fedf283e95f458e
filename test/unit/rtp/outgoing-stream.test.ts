import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { SrtpSession } from 'werift';
import {
  OutgoingStream,
  type OutgoingPayload,
  type StreamExtensions,
} from '../../../src/rtp/outgoing-stream.js';
import { SrtpProtector } from '../../../src/rtp/srtp.js';

interface Received {
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly ssrc: number;
  /** Id -> value of one-byte header extensions. */
  readonly extensions: ReadonlyMap<number, string>;
  readonly payload: Buffer;
}

/** RFC 3550 section 5.1 and RFC 8285 section 4.2, read anew. */
function parse(packet: Buffer): Received {
  const extensions = new Map<number, string>();
  let at = 12;
  assert.equal((packet[0] ?? 0) & 0xef, 0x80, 'version 2, no padding, no contributors');
  if (((packet[0] ?? 0) & 0x10) !== 0) {
    assert.equal(packet.readUInt16BE(at), 0xbede);
    const end = at + 4 + 4 * packet.readUInt16BE(at + 2);
    at += 4;
    while (at < end) {
      const head = packet.readUInt8(at);
      if (head === 0) at += 1;
      else {
        const size = (head & 0xf) + 1;
        extensions.set(head >> 4, packet.toString('hex', at + 1, at + 1 + size));
        at += 1 + size;
      }
    }
    assert.equal(at, end, 'extensions fill their space');
  }
  return {
    payloadType: packet.readUInt8(1) & 0x7f,
    marker: packet.readUInt8(1) > 0x7f,
    sequenceNumber: packet.readUInt16BE(2),
    timestamp: packet.readUInt32BE(4),
    ssrc: packet.readUInt32BE(8),
    extensions,
    payload: packet.subarray(at),
  };
}

function open(more: { extensions?: StreamExtensions; rtx?: boolean } = {}): {
  stream: OutgoingStream;
  received: Received[];
} {
  const { extensions = {}, rtx = true } = more;
  const stream = new OutgoingStream({
    ...{ payloadType: 96, clockRate: 90_000, extensions },
    rtxPayloadType: rtx ? 97 : undefined,
  });
  const master = {
    profile: 'AEAD_AES_128_GCM',
    masterKey: randomBytes(16),
    masterSalt: randomBytes(12),
  } as const;
  const keys = { remoteMasterKey: master.masterKey, remoteMasterSalt: master.masterSalt };
  const viewer = new SrtpSession({
    keys: { ...keys, localMasterKey: master.masterKey, localMasterSalt: master.masterSalt },
    profile: 7,
  });
  const received: Received[] = [];
  stream.open(new SrtpProtector(master), (packet) =>
    received.push(parse(Buffer.from(viewer.decrypt(packet)))),
  );
  return { stream, received };
}

const payload = (text: string, more: Partial<OutgoingPayload> = {}): OutgoingPayload => ({
  ...{ data: Buffer.from(text), timestamp: 7, marker: false, first: true },
  ...more,
});

describe('outgoing stream', () => {
  it('numbers packets one by one and counts payload bytes', () => {
    const { stream, received } = open();
    for (let n = 0; n < 5; n++) stream.send(payload(`part ${n}`, { timestamp: 100 * n, marker: n === 4 }), n);
    const first = received[0]?.sequenceNumber ?? 0;
    assert.ok(first < 0x8000);
    for (const [n, one] of received.entries()) {
      assert.deepEqual([one.payloadType, one.ssrc, one.timestamp], [96, stream.ssrc, 100 * n]);
      assert.deepEqual([one.sequenceNumber, one.marker], [first + n, n === 4]);
      assert.equal(one.payload.toString(), `part ${n}`);
    }
    assert.deepEqual([stream.packets, stream.octets], [5, 30]);
  });

  it('sends nothing before it is open', () => {
    const stream = new OutgoingStream({ payloadType: 96, clockRate: 90_000, extensions: {} });
    stream.send(payload('too early'), 0);
    assert.equal(stream.repeat(0, 0, 0), 0);
  });

  it('carries the send time in 6.18 fixed point and the playout delay with the first part of a picture', () => {
    const { stream, received } = open({ extensions: { absSendTime: 3, playoutDelay: 14 } });
    stream.playoutDelay = [0x123, 0x456];
    stream.send(payload('a'), 1500); // 1.5 s = 0x06_0000 / 2^18
    stream.send(payload('b', { first: false }), 64_000 + 250);
    assert.deepEqual(
      [...(received[0]?.extensions ?? [])],
      [
        [3, '060000'],
        [14, '123456'],
      ],
    );
    assert.deepEqual([...(received[1]?.extensions ?? [])], [[3, '010000']]);
    const bare = open();
    bare.stream.send(payload('c'), 5);
    assert.equal(bare.received[0]?.extensions.size, 0);
    const delayOnly = open({ extensions: { playoutDelay: 2 } });
    delayOnly.stream.send(payload('d', { first: false }), 5);
    delayOnly.stream.send(payload('e'), 5);
    assert.deepEqual(
      delayOnly.received.map(({ extensions }) => extensions.size),
      [0, 1],
    );
  });

  it('repeats on its own stream, with the original number before the payload (RFC 4588 section 4)', () => {
    const { stream, received } = open();
    const picture = { pictureId: 0x1234, first: true, marker: true, timestamp: 900 };
    stream.send(payload('picture', picture), 0);
    assert.ok(stream.repeat(received[0]?.sequenceNumber ?? 0, 20, 0) > 0);
    const [original, repeat] = received as [Received, Received];
    assert.deepEqual([repeat.payloadType, repeat.ssrc], [97, stream.rtxSsrc]);
    assert.deepEqual([repeat.timestamp, repeat.marker], [900, true]);
    assert.equal(repeat.payload.readUInt16BE(0), original.sequenceNumber);
    assert.deepEqual(repeat.payload.subarray(2), original.payload, 'the VP8 descriptor is repeated, too');
    assert.equal(original.payload.toString('hex', 0, 4), '90809234');
    assert.deepEqual([stream.packets, stream.repeated, stream.octets], [1, 1, 11]);
    stream.send(payload('next'), 40);
    stream.repeat((original.sequenceNumber + 1) & 0xffff, 60, 0);
    assert.equal(received[3]?.sequenceNumber, repeat.sequenceNumber + 1);
  });

  it('repeats one packet eight times at most, and not before a repeat can have arrived', () => {
    const { stream, received } = open();
    stream.send(payload('x'), 0);
    const number = received[0]?.sequenceNumber ?? 0;
    assert.ok(stream.repeat(number, 1000, 80) > 0);
    for (const atMs of [1000, 1014, 1079]) assert.equal(stream.repeat(number, atMs, 80), 0);
    assert.ok(stream.repeat(number, 1080, 80) > 0);
    assert.equal(stream.repeat(number, 1090, 0), 0, 'at least 15 ms');
    let sent = 2;
    for (let atMs = 2000; atMs < 60_000; atMs += 100) if (stream.repeat(number, atMs, 0)) sent += 1;
    assert.equal(sent, 8);
    assert.equal(received.length, 9);
    assert.ok(stream.notRepeated > 100);
  });

  it('knows nothing of numbers that are too old, yet to come, or never were', () => {
    const { stream, received } = open();
    for (let n = 0; n < 600; n++) stream.send(payload(`${n}`), n);
    const first = received[0]?.sequenceNumber ?? 0;
    assert.equal(stream.repeat(first + 87, 1000, 0), 0, 'the 513th newest');
    assert.ok(stream.repeat(first + 88, 1000, 0) > 0, 'the 512th newest');
    assert.ok(stream.repeat(first + 599, 1000, 0) > 0);
    assert.equal(stream.repeat((first + 600) & 0xffff, 1000, 0), 0);
    assert.equal(stream.repeat((first - 1) & 0xffff, 1000, 0), 0);
    const without = open({ rtx: false });
    without.stream.send(payload('x'), 0);
    assert.equal(without.stream.repeat(without.received[0]?.sequenceNumber ?? 0, 100, 0), 0);
  });

  it('goes on over 65536, and repeats what was before it', () => {
    const { stream, received } = open();
    const send = (n: number): void => stream.send(payload(`${n}`), n);
    let n = 0;
    do send(n++);
    while (received.at(-1)?.sequenceNumber !== 3 || n < 100);
    const before = received.at(-7);
    assert.equal(before?.sequenceNumber, 0xfffd);
    assert.ok(stream.repeat(0xfffd, n, 0) > 0);
    const repeat = received.at(-1);
    assert.equal(repeat?.payload.readUInt16BE(0), 0xfffd);
    assert.deepEqual(repeat.payload.subarray(2), before.payload);
  });

  it('probes with copies that count as no repeat', () => {
    const { stream, received } = open();
    assert.equal(stream.probe(0, 0), 0);
    stream.send(payload('one'), 0);
    stream.send(payload('three'), 0);
    assert.equal(stream.probe(1, 10), 3);
    assert.equal(received.at(-1)?.payload.subarray(2).toString(), 'one');
    assert.equal(stream.probe(0, 10), 5);
    assert.equal(stream.probe(2, 10), 0);
    assert.equal(stream.repeated, 0);
    assert.ok(stream.repeat(received[0]?.sequenceNumber ?? 0, 10, 0) > 0);
  });
});

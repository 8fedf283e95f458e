import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IncomingOrder } from '../../../src/rtp/incoming-order.js';

/** A packet of 960 ticks, whose payload says its number. */
function packet(number: number, options: { type?: number; padding?: number } = {}): Buffer {
  const { type = 111, padding = 0 } = options;
  const head = Buffer.alloc(12);
  head[0] = padding > 0 ? 0xa0 : 0x80;
  head[1] = type;
  head.writeUInt16BE(number & 0xffff, 2);
  head.writeUInt32BE((number * 960) >>> 0, 4);
  const body = Buffer.from(String(number & 0xffff));
  return Buffer.concat([head, body, ...(padding > 0 ? [Buffer.alloc(padding, padding)] : [])]);
}

function arrange() {
  const order = new IncomingOrder(111);
  return (one: Buffer): string[] =>
    order
      .take(one, () => 960)
      .map(({ data, lostTicks }) => `${data.toString()}${lostTicks ? `+${lostTicks}` : ''}`);
}

test('packets come out in order, over the turn of their numbers, each once', () => {
  const take = arrange();
  assert.deepEqual(
    [65_534, 65_536, 65_535, 65_535, 65_537].map((n) => take(packet(n))),
    [['65534'], [], ['65535', '0'], [], ['1']],
  );
});

test('one that is lost is waited for, not for ever, and its time is told', () => {
  const take = arrange();
  const out = [10, 12, 13, 14, 15, 16].map((n) => take(packet(n)));
  assert.deepEqual(out, [['10'], [], [], [], ['12+960', '13', '14', '15'], ['16']]);
  assert.deepEqual(take(packet(11)), [], 'too late');
});

test('a sender that begins anew is followed, and no hole is told', () => {
  const take = arrange();
  take(packet(10));
  assert.deepEqual(take(packet(5000)), ['5000']);
  assert.deepEqual(take(packet(5001)), ['5001']);
});

test('padding is taken off; other payload types, rests and empty packets are passed over', () => {
  const take = arrange();
  assert.deepEqual(take(packet(1, { padding: 4 })), ['1']);
  assert.deepEqual(take(packet(2, { type: 112 })), []);
  assert.deepEqual(take(packet(2).subarray(0, 12)), []);
  assert.deepEqual(take(Buffer.alloc(5)), []);
  assert.deepEqual(take(packet(2)), ['2']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpusDecoder, opusPacketSamples } from '../../../src/encoder/opus-decoder.js';
import { OpusEncoder } from '../../../src/encoder/opus-encoder.js';

test('what was coded comes back as mono of the same length and level', () => {
  const encoder = new OpusEncoder();
  const decoder = new OpusDecoder();
  let loudest = 0;
  for (let k = 0; k < 20; k += 1) {
    const pcm = Int16Array.from(
      { length: 1920 },
      (_, i) => 8000 * Math.sin(((k * 960 + (i >> 1)) * 2 * Math.PI) / 109),
    );
    const packet = Buffer.from(encoder.encode(pcm));
    assert.equal(opusPacketSamples(packet), 960);
    const bytes = decoder.decode(packet);
    assert.equal(bytes?.length, 1920);
    const heard = new Int16Array(bytes!.buffer, bytes!.byteOffset, 960);
    loudest = Math.max(loudest, ...heard);
  }
  assert.ok(loudest > 7000 && loudest < 9000, `${loudest}`);
  encoder.close();
});

test('the length of a packet stands in its first bytes (RFC 6716 section 3.1)', () => {
  const samples = (...bytes: number[]) => opusPacketSamples(Buffer.from(bytes));
  assert.equal(samples(0b00000_000), 480, 'SILK, 10 ms');
  assert.equal(samples(0b00011_000), 2880, 'SILK, 60 ms');
  assert.equal(samples(0b01101_000), 960, 'hybrid, 20 ms');
  assert.equal(samples(0b10000_000), 120, 'CELT, 2.5 ms');
  assert.equal(samples(0b11111_001), 1920, 'two frames of 20 ms');
  assert.equal(samples(0b11111_011, 3), 2880, 'three of them');
  assert.equal(samples(0b11111_011, 63), 0, 'longer than a packet may be');
  assert.equal(samples(), 0);
});

test('noise is no Opus and breaks nothing', () => {
  const decoder = new OpusDecoder();
  assert.equal(decoder.decode(Buffer.from([0b11111_011, 0])), undefined);
  assert.equal(decoder.decode(Buffer.alloc(0)), undefined);
});

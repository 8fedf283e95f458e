import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decoder } from '@evan/opus';
import { OpusEncoder, type OpusEncoderOptions } from '../../../src/encoder/opus-encoder.js';
import { OPUS_LOOKAHEAD_SAMPLES } from '../../../src/rtp/opus.js';

const PACKETS = 100;

/** 20 ms of something like speech: a buzz through two formants and some breath, in three syllables a second. */
function syllables(firstSample: number): Int16Array {
  const pcm = new Int16Array(1920);
  for (let at = 0; at < 960; at += 1) {
    const timeS = (firstSample + at) / 48_000;
    let voice = 0;
    for (let harmonic = 1; harmonic < 30; harmonic += 1) {
      const hz = harmonic * 130;
      const level = Math.exp(-(((hz - 600) / 500) ** 2)) + 0.3 * Math.exp(-(((hz - 1800) / 600) ** 2));
      voice += level * Math.sin(2 * Math.PI * hz * timeS + harmonic);
    }
    const breath = (((Math.imul(firstSample + at, 1_103_515_245) + 12_345) >>> 8) & 0xffff) / 65_536 - 0.5;
    const loudness = Math.max(0, Math.sin(2 * Math.PI * 3 * timeS));
    pcm[2 * at] = Math.round(loudness * (2500 * voice + 1500 * breath));
    pcm[2 * at + 1] = pcm[2 * at] ?? 0;
  }
  return pcm;
}

function encode(options: OpusEncoderOptions, lossShare: number): Uint8Array[] {
  const encoder = new OpusEncoder(options);
  encoder.setExpectedLossShare(lossShare);
  assert.equal(encoder.lookaheadSamples, OPUS_LOOKAHEAD_SAMPLES);
  const packets = Array.from({ length: PACKETS }, (_, k) => encoder.encode(syllables(k * 960)));
  encoder.close();
  return packets;
}

/** What a packet's first bytes say (RFC 6716 sections 3.1 and 4.2.4), of packets with one frame of 20 ms. */
function headOf(packet: Uint8Array) {
  const toc = packet[0] ?? 0;
  const config = toc >> 3;
  const stereo = (toc & 4) !== 0;
  const mode = config < 12 ? 'silk' : config < 16 ? 'hybrid' : 'celt';
  // A SILK frame begins with a bit "voice" and a bit "LBRR" for the middle channel, then for the side channel.
  const flags = packet[1] ?? 0;
  const copy = mode !== 'celt' && ((flags & 0x40) !== 0 || (stereo && (flags & 0x10) !== 0));
  const fullBand = mode === 'hybrid' ? config >= 14 : mode === 'celt' && config >= 28;
  return { mode, stereo, copy, fullBand };
}

const bytesOf = (packets: readonly Uint8Array[]) => packets.reduce((sum, { length }) => sum + length, 0);

test('where packets get lost, those with voice carry a copy of the one before, in full band, for the same bits', () => {
  const plain = encode({}, 0);
  const guarded = encode({}, 0.05);
  assert.equal(plain.filter((packet) => headOf(packet).copy).length, 0);
  assert.ok(plain.every((packet) => headOf(packet).mode === 'celt'));
  const copies = guarded.filter((packet) => headOf(packet).copy).length;
  assert.ok(copies > PACKETS / 3, `${copies} of ${PACKETS} packets carry a copy; half of the sound is voice`);
  const full = guarded.filter((packet) => headOf(packet).fullBand).length;
  assert.ok(full > PACKETS * 0.8, `${full} packets are full band`);
  assert.ok(guarded.every((packet) => headOf(packet).stereo));
  assert.ok(bytesOf(guarded) < 1.15 * bytesOf(plain), `${bytesOf(guarded)} and ${bytesOf(plain)} bytes`);
});

test('without loss nothing is spent: the packets are the same as of an encoder that was told nothing', () => {
  const untold = new OpusEncoder();
  const packets = Array.from({ length: PACKETS }, (_, k) => untold.encode(syllables(k * 960)));
  assert.deepEqual(encode({}, 0), packets);
});

test('copies begin and end without a click', () => {
  const encoder = new OpusEncoder();
  const decoder = new Decoder({ channels: 2, sample_rate: 48_000 });
  const sharpest: number[] = [];
  const copies: boolean[] = [];
  for (let k = 0; k < 60; k += 1) {
    if (k === 20) encoder.setExpectedLossShare(0.1);
    if (k === 40) encoder.setExpectedLossShare(0);
    // A steady buzz: every packet sounds like the last.
    const pcm = Int16Array.from({ length: 1920 }, (_, i) => {
      const timeS = (k * 960 + (i >> 1)) / 48_000;
      return 5000 * Math.sin(2 * Math.PI * 200 * timeS) + 2000 * Math.sin(2 * Math.PI * 600 * timeS);
    });
    const packet = encoder.encode(pcm);
    copies.push(headOf(packet).copy);
    const bytes = decoder.decode(packet);
    const back = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
    let worst = 0;
    for (let i = 4; i < back.length; i += 2)
      worst = Math.max(worst, Math.abs((back[i] ?? 0) - 2 * (back[i - 2] ?? 0) + (back[i - 4] ?? 0)));
    sharpest.push(worst);
  }
  assert.ok(copies.slice(25, 40).some(Boolean) && !copies.slice(0, 20).some(Boolean), 'the copies begin');
  assert.ok(!copies.slice(42).some(Boolean), 'and end');
  const steady = Math.max(...sharpest.slice(5, 20));
  const later = Math.max(...sharpest.slice(20));
  assert.ok(later < 3 * steady, `a bend of ${later} where the tone has ${steady}`);
});

test('a mono encoder of 24 kbit/s keeps to it in full band; at 32 kbit/s it carries copies, too', () => {
  const slim = encode({ bitrateBps: 24_000, mono: true }, 0);
  assert.ok(slim.every((packet) => !headOf(packet).stereo));
  const bitrateBps = (bytesOf(slim) * 8) / (PACKETS * 0.02);
  assert.ok(bitrateBps < 26_000, `${bitrateBps} bit/s`);
  assert.ok(slim.filter((packet) => headOf(packet).fullBand).length > PACKETS * 0.8);
  const guarded = encode({ bitrateBps: 32_000, mono: true }, 0.05);
  assert.ok(guarded.filter((packet) => headOf(packet).copy).length > PACKETS / 3);
  assert.ok(guarded.filter((packet) => headOf(packet).fullBand).length > PACKETS * 0.8);
  const decoder = new Decoder({ channels: 2, sample_rate: 48_000 });
  assert.equal(decoder.decode(slim[0]!).byteLength, 1920 * 2, 'a decoder of two channels plays it on both');
});

test('a bit rate or a share of loss out of range is refused', () => {
  assert.throws(() => new OpusEncoder({ bitrateBps: 5000 }), { code: 'invalid-argument' });
  const encoder = new OpusEncoder();
  for (const share of [-0.1, 1.5, Number.NaN])
    assert.throws(() => encoder.setExpectedLossShare(share), { code: 'invalid-argument' });
});

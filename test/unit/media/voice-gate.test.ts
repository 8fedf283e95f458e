import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VoiceGate } from '../../../src/media/voice-gate.js';

const RATE = 16_000;
let state = 1;
const random = () => (state = (Math.imul(1664525, state) + 1013904223) >>> 0) / 2 ** 32 - 0.5;
/** Noise at a level (dB below full scale). */
function noise(ms: number, dbfs: number): Int16Array {
  const peak = 32_768 * 10 ** (dbfs / 20) * Math.sqrt(12);
  return Int16Array.from({ length: (ms * RATE) / 1000 }, () => peak * random());
}

test('voice opens the gate after its attack and closes it after its release, not in between', () => {
  const gate = new VoiceGate({ rate: RATE, attackMs: 60, releaseMs: 300 });
  assert.ok(!gate.push(noise(500, -65)));
  assert.ok(!gate.push(noise(50, -20)), 'a click is no voice');
  gate.push(noise(100, -65));
  assert.ok(gate.push(noise(70, -20)));
  assert.ok(gate.push(noise(250, -65)), 'nor is a pause between words the end');
  gate.push(noise(20, -20));
  assert.ok(gate.push(noise(290, -65)));
  assert.ok(!gate.push(noise(30, -65)));
});

test('a level between both keeps the gate as it is', () => {
  const gate = new VoiceGate({ rate: RATE, thresholdDbfs: -40, attackMs: 60, releaseMs: 300 });
  gate.push(noise(200, -43));
  assert.ok(!gate.isOpen, 'not loud enough to open it');
  gate.push(noise(100, -25));
  assert.ok(gate.push(noise(1000, -43)), 'loud enough to keep it open');
});

test('steady noise becomes background: it does not open the gate, voice above it does', () => {
  const gate = new VoiceGate({ rate: RATE });
  let level = -65;
  for (; level < -32; level += 0.02) gate.push(noise(10, level));
  assert.ok(!gate.isOpen, 'a fan that comes closer');
  assert.ok(gate.push(noise(200, -15)));
});

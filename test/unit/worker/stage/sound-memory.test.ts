import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SoundMemory } from '../../../../src/worker/stage/sound-memory.js';

const values = (pieces: readonly Float32Array[]): number[] => pieces.flatMap((piece) => [...piece]);
const ramp = (from: number, count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => from + i);

test('gives the latest sound from any sample on, and silence for what it has forgotten', () => {
  const memory = new SoundMemory();
  for (let at = 0; at < 100_000; at += 1000) memory.push(ramp(at, 1000));
  assert.equal(memory.end, 100_000);
  assert.deepEqual(values(memory.since(99_998)), [99_998, 99_999]);
  const early = values(memory.since(10_000));
  assert.equal(early.length, 90_000);
  assert.deepEqual([early[0], early[89_999], early[89_999 - 63_999]], [0, 99_999, 36_000]);
  assert.deepEqual(memory.since(100_000), []);
});

test('what was cut off is silent, also what of it is still to come', () => {
  const memory = new SoundMemory();
  memory.push(ramp(1, 10));
  memory.hush(6, 14);
  memory.push(ramp(11, 10));
  assert.deepEqual(values(memory.since(4)), [5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 15, 16, 17, 18, 19, 20]);
});

test('keeps a copy: whoever pushed may use the array again', () => {
  const memory = new SoundMemory();
  const piece = ramp(1, 3);
  memory.push(piece);
  piece.fill(0);
  assert.deepEqual(values(memory.since(0)), [1, 2, 3]);
});

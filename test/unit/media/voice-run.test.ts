import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VoiceRun } from '../../../src/media/voice-run.js';

const frames = (count: number, value: number): Float32Array => new Float32Array(count).fill(value);

test('a voice counts once it lasted, and is over once it was away for long', () => {
  const run = new VoiceRun({ attackMs: 120, releaseMs: 500 });
  run.push(frames(11, 0.9));
  run.push(frames(1, 0.1));
  run.push(frames(11, 0.9));
  assert.equal(run.isOpen, false, 'a cough does not');
  run.push(frames(1, 0.9));
  assert.equal(run.isOpen, true);
  run.push(frames(49, 0));
  run.push(frames(1, 1));
  run.push(frames(49, 0));
  assert.equal(run.isOpen, true, 'a pause between words is not the end');
  run.push(frames(1, 0));
  assert.equal(run.isOpen, false);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpusEncoder } from '../../../../src/encoder/opus-encoder.js';
import { SessionSound } from '../../../../src/session/playout/session-sound.js';

test('the slim packet is there only while somebody needs it', () => {
  const sound = new SessionSound(new OpusEncoder());
  const pcm = Int16Array.from({ length: 1920 }, (_, at) => 9000 * Math.sin(at / 9));
  assert.equal(sound.encode(pcm).slim, undefined);
  sound.serve({ slimSound: true });
  for (let i = 0; i < 10; i += 1) sound.encode(pcm);
  const { full, slim } = sound.encode(pcm);
  assert.ok(slim !== undefined && slim.length < full.length, `${slim?.length} of ${full.length} bytes`);
  sound.serve({ slimSound: false });
  assert.equal(sound.encode(pcm).slim, undefined);
  sound.close();
});

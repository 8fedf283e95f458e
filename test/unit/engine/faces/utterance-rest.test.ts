import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SpeechGate } from '../../../../src/engine/faces/speech-gate.js';
import { utteranceWithRest } from '../../../../src/engine/faces/utterance-rest.js';

/** A buzz; the gate takes it for speech from its first frame to its last. */
function voice(ms: number): Float32Array {
  return Float32Array.from({ length: ms * 16 }, (_, i) => {
    let buzz = 0;
    for (let k = 1; k <= 12; k++) buzz += Math.sin((2 * Math.PI * 140 * k * i) / 16_000) / k;
    return 0.08 * buzz;
  });
}

for (const fps of [10, 15, 25, 29.97, 30, 50, 60])
  test(`sound that ends in speech is followed by what lets the mouth come to rest, at ${fps} pictures a second`, async () => {
    const pcm = voice(1010);
    const { sound, strengths } = await utteranceWithRest(pcm, fps);
    assert.deepEqual(strengths.slice(-5), [1, 0.75, 0.5, 0.25, 0]);
    // The hang-over is 250 ms, and every picture of the sound is there, also a part of one.
    const lastWholeMs = ((strengths.length - 5) * 1000) / fps;
    assert.ok(Math.abs(lastWholeMs - (1010 + 250)) < 1000 / fps + 30, `whole until ${lastWholeMs} ms`);
    assert.ok(strengths.slice(3, -4).every((strength) => strength === 1));
    assert.equal(Math.floor((sound.length / 16_000) * fps), strengths.length, 'ears count as many pictures');
    assert.deepEqual(sound.subarray(0, pcm.length), pcm);
    assert.ok(sound.subarray(pcm.length).every((sample) => sample === 0));
  });

test('the strengths are those of a gate that hears the same live', async () => {
  const pcm = new Float32Array(4 * 16_000);
  pcm.set(voice(700), 8000);
  pcm.set(voice(900), 37_000);
  const gate = new SpeechGate();
  gate.push(pcm);
  gate.push(new Float32Array(16_000));
  const { strengths } = await utteranceWithRest(pcm, 25);
  assert.equal(strengths.length, 100, 'a sound that ends in silence needs no more');
  assert.deepEqual(
    strengths,
    strengths.map((_, index) => gate.strength(index * 40)),
  );
});

test('the last part of a picture counts as one', async () => {
  assert.equal((await utteranceWithRest(new Float32Array(16_001), 25)).strengths.length, 26);
  assert.equal((await utteranceWithRest(new Float32Array(16_000), 25)).strengths.length, 25);
  assert.deepEqual(await utteranceWithRest(new Float32Array(0), 25), {
    sound: new Float32Array(0),
    strengths: [],
  });
});

test('others have their turn at least once a second of sound, and it can be given up', async () => {
  let turns = 0;
  const abort = new AbortController();
  const count = () => {
    turns += 1;
    if (turns === 30) abort.abort(new Error('enough'));
    else if (turns < 100) setImmediate(count);
  };
  setImmediate(count);
  await utteranceWithRest(new Float32Array(20 * 16_000), 25);
  assert.ok(turns >= 19, `${turns} turns`);
  await assert.rejects(utteranceWithRest(new Float32Array(60 * 16_000), 25, abort.signal), /enough/);
});

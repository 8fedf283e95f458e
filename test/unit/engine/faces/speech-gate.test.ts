import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeAudio } from '../../../../src/audio/decode.js';
import { SpeechGate } from '../../../../src/engine/faces/speech-gate.js';
import { Downsampler48To16 } from '../../../../src/media/resample.js';
import { sharedFile, testFfmpeg } from '../../../helpers/media.js';

const RATE_HZ = 16_000;
const FPS = 25;
const FADE = 4;

function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Gaussian noise of the given level in dB of full scale (its RMS). */
function noise(durationMs: number, levelDb: number, seed = 1): Float32Array {
  const next = random(seed);
  const gain = 10 ** (levelDb / 20);
  return Float32Array.from({ length: (durationMs * RATE_HZ) / 1000 }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    return gain * radius * Math.cos(2 * Math.PI * next());
  });
}

/** A vowel-like buzz: harmonics of 140 Hz under a syllable's envelope of about 200 ms. */
function syllables(durationMs: number, levelDb: number): Float32Array {
  const gain = 10 ** (levelDb / 20);
  return Float32Array.from({ length: (durationMs * RATE_HZ) / 1000 }, (_, i) => {
    const s = i / RATE_HZ;
    let buzz = 0;
    for (let harmonic = 1; harmonic <= 12; harmonic++)
      buzz += Math.sin(2 * Math.PI * 140 * harmonic * s) / harmonic;
    return gain * buzz * Math.max(0.1, Math.sin(Math.PI * s * 5) ** 2);
  });
}

const silence = (durationMs: number): Float32Array => new Float32Array((durationMs * RATE_HZ) / 1000);

function joined(...parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function mixed(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value + (b[i] ?? 0));
}

/** Strength of every picture, asked as soon as the gate may be asked. Holds the steps to their size on the way. */
function run(pcm: Float32Array, options: { pieceSamples?: number; fps?: number } = {}): number[] {
  const { pieceSamples = 640, fps = FPS } = options;
  const gate = new SpeechGate();
  const strengths: number[] = [];
  for (let at = 0; at < pcm.length; at += pieceSamples) {
    gate.push(pcm.subarray(at, at + pieceSamples));
    const pushedMs = (Math.min(at + pieceSamples, pcm.length) * 1000) / RATE_HZ;
    for (;;) {
      const timeMs = (strengths.length * 1000) / fps;
      if (timeMs + gate.lookaheadMs > pushedMs) break;
      strengths.push(gate.strength(timeMs));
    }
  }
  let before = 0;
  for (const [k, strength] of strengths.entries()) {
    assert.ok(strength >= 0 && strength <= 1);
    assert.ok(Math.abs(strength - before) <= 1 / FADE + 1e-9, `a jump at picture ${k}`);
    before = strength;
  }
  return strengths;
}

const between = (strengths: readonly number[], fromMs: number, toMs: number): number[] =>
  strengths.slice(Math.ceil((fromMs * FPS) / 1000), Math.floor((toMs * FPS) / 1000) + 1);

const allAre = (values: readonly number[], wanted: number, what: string): void => {
  assert.ok(values.length > 0, `${what}: nothing to look at`);
  assert.ok(
    values.every((value) => value === wanted),
    `${what}: ${values.join(' ')}`,
  );
};

test('digital silence never opens the mouth', () => {
  allAre(run(silence(5000)), 0, 'silence');
});

test('a word in digital silence: whole from its onset to its end, nothing before the lead, nothing after the fade', () => {
  const strengths = run(joined(silence(1000), syllables(1000, -20), silence(2000)));
  allAre(between(strengths, 0, 1000 - 160), 0, 'before');
  allAre(between(strengths, 1000 + 20, 2000 + 200), 1, 'word and hang-over');
  allAre(between(strengths, 2000 + 250 + 160 + 40, 3800), 0, 'after');
  const rising = between(strengths, 840, 1040);
  const falling = between(strengths, 2200, 2460);
  assert.deepEqual(
    rising,
    rising.toSorted((a, b) => a - b),
  );
  assert.deepEqual(
    falling,
    falling.toSorted((a, b) => b - a),
  );
  for (const ramp of [rising, falling]) for (const step of [0.25, 0.5, 0.75]) assert.ok(ramp.includes(step));
});

test('a short pause keeps the mouth, one of more than 600 ms lets it go', () => {
  const word = syllables(800, -20);
  const short = run(joined(silence(500), word, silence(350), word, silence(1000)));
  allAre(between(short, 540, 2400), 1, 'short pause');
  const long = run(joined(silence(500), word, silence(640), word, silence(1000)));
  assert.ok(between(long, 1300, 1940).includes(0), 'the mouth rests in the pause');
});

for (const levelDb of [-60, -55, -50]) {
  test(`steady room noise of ${levelDb} dB comes to rest and stays there`, () => {
    for (const seed of [1, 2, 3]) {
      const strengths = run(noise(20_000, levelDb, seed));
      allAre(between(strengths, 2000, 19_800), 0, `seed ${seed}`);
    }
  });

  test(`speech stands out of room noise of ${levelDb} dB, and the pauses too`, () => {
    const word = syllables(1500, -22);
    const speech = joined(silence(3000), word, silence(1500), word, silence(3000));
    const strengths = run(mixed(speech, noise(10_500, levelDb, 5)));
    allAre(between(strengths, 2000, 2800), 0, 'before');
    allAre(between(strengths, 3040, 4500), 1, 'first word');
    assert.ok(between(strengths, 4500, 6000).includes(0), 'pause');
    allAre(between(strengths, 6040, 7500), 1, 'second word');
    allAre(between(strengths, 8000, 10_200), 0, 'after');
  });
}

test('noise that begins after digital silence comes to rest, too', () => {
  const strengths = run(joined(silence(2000), noise(8000, -50), silence(1000), noise(4000, -55)));
  allAre(between(strengths, 4000, 9900), 0, 'first');
  allAre(between(strengths, 13_000, 14_700), 0, 'second');
});

test('clicks and a constant offset open nothing', () => {
  const clicks = silence(12_000);
  // Wherever they fall between two frames.
  for (let k = 0; k < 20; k++) clicks[(1 + k / 2) * RATE_HZ + 8 * k] = 0.2;
  allAre(run(clicks), 0, 'clicks');
  allAre(run(new Float32Array(3 * RATE_HZ).fill(0.05)).slice(20), 0, 'offset');
});

test('the answer does not depend on how the sound is cut or how the pictures lie', () => {
  const pcm = mixed(joined(silence(1000), syllables(900, -25), silence(1500)), noise(3400, -60, 9));
  const whole = run(pcm);
  for (const pieceSamples of [1, 160, 997, pcm.length]) assert.deepEqual(run(pcm, { pieceSamples }), whole);
  for (const fps of [12, 30, 50]) {
    const strengths = run(pcm, { fps });
    assert.ok(strengths.includes(0) && strengths.includes(1), `${fps}`);
    assert.equal(strengths.at(-1), 0);
  }
});

test('hours of talk leave nothing behind', () => {
  const gate = new SpeechGate();
  const word = joined(syllables(400, -20), silence(600));
  let most = 0;
  let picture = 0;
  // What is remembered does not grow after the first.
  for (let second = 0; second < 300; second++) {
    gate.push(word);
    for (; picture * 40 + gate.lookaheadMs <= (second + 1) * 1000; picture++) gate.strength(picture * 40);
    most = Math.max(most, gate.remembered);
  }
  assert.ok(most <= 2, `${most} runs remembered`);
});

test(
  'a real talker: on in every loud stretch, at rest in the long pauses',
  { skip: sharedFile('audio/eng.wav') === undefined ? 'shared/data is absent' : false },
  async () => {
    const down = new Downsampler48To16();
    const pieces: Float32Array[] = [];
    for await (const piece of decodeAudio(await testFfmpeg(), sharedFile('audio/eng.wav')!))
      pieces.push(down.push(piece).slice());
    const pcm = joined(silence(1000), ...pieces, silence(1500));
    const strengths = run(pcm);
    // Judged by plain RMS of 20 ms: louder than -32 dB is speech for certain, more than 600 ms below -55 dB is none.
    const levels = Array.from({ length: Math.floor(pcm.length / 320) }, (_, k) => {
      const frame = pcm.subarray(k * 320, (k + 1) * 320);
      return 10 * Math.log10(frame.reduce((sum, value) => sum + value * value, 1e-12) / 320);
    });
    let loud = 0;
    let pauses = 0;
    let quiet = 0;
    for (const [k, level] of levels.entries()) {
      const strength = strengths[Math.floor(k / 2)];
      if (level > -32) {
        loud += 1;
        if (strength !== undefined) assert.ok(strength >= 0.75, `${k * 20} ms: ${strength}`);
      }
      quiet = level < -55 ? quiet + 1 : 0;
      // 410 ms after the end of speech and with 160 ms of lead to come.
      const next = levels.slice(k, k + 9);
      if (quiet > 23 && next.length === 9 && next.every((later) => later < -55)) {
        pauses += 1;
        if (strength !== undefined) assert.equal(strength, 0, `${k * 20} ms`);
      }
    }
    assert.ok(loud > 50 && pauses > 20, `${loud} loud frames, ${pauses} in pauses`);
  },
);

test('an interrupt makes the pushed speech count no more; speech pushed later does', () => {
  const gate = new SpeechGate();
  gate.push(syllables(2000, -20));
  for (let k = 0; k < 20; k += 1) gate.strength(k * 40);
  assert.equal(gate.strength(20 * 40), 1);
  gate.forget();
  gate.push(new Float32Array(RATE_HZ));
  for (let k = 21; k < 70; k += 1) assert.equal(gate.strength(k * 40), 0, `picture ${k}`);
  gate.push(syllables(1000, -20));
  let strength = 0;
  for (let k = 70; k < 85; k += 1) strength = gate.strength(k * 40);
  assert.equal(strength, 1);
});

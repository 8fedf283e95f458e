import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { FEATURE_VALUES, hearWhole, Wav2LipEar } from '../../../../src/engine/wav2lip/wav2lip-hearing.js';
import { framesOf, MEL_FILTERS, Wav2LipMel } from '../../../../src/engine/wav2lip/wav2lip-mel.js';

interface Case {
  seconds: number;
  samples: number;
  frames: number;
  points: [band: number, frame: number, value: number][];
  sum: number;
  min: number;
  max: number;
  starts: Record<string, number[]>;
}

const goldens = JSON.parse(
  readFileSync(path.resolve(process.cwd(), 'test/fixtures/wav2lip/mel-goldens.json'), 'utf8'),
) as { cases: Case[]; filters: [band: number, bin: number, weight: number][] };

/** The sound of the goldens (see their script). */
function sound(samples: number): Float32Array {
  let state = 5;
  return Float32Array.from({ length: samples }, (_, i) => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    const t = i / 16_000;
    if (t < 0.8) return 0.4 * Math.sin(2 * Math.PI * 220 * t) + 0.2 * Math.sin(2 * Math.PI * 1330 * t);
    return t < 1.4 ? 0.3 * (state / 2 ** 32 - 0.5) : 0;
  });
}

/** The whole spectrogram, frame by frame. */
function spectrogram(pcm: Float32Array): Float32Array {
  const mel = new Wav2LipMel();
  const values = new Float32Array(framesOf(pcm.length) * 80);
  for (let k = 0; k < framesOf(pcm.length); k++) mel.compute((i) => pcm[i]!, pcm.length, k, values, k * 80);
  return values;
}

function windowAt(values: Float32Array, start: number): Float32Array {
  return Float32Array.from(
    { length: FEATURE_VALUES },
    (_, i) => values[(start + (i % 16)) * 80 + Math.floor(i / 16)]!,
  );
}

describe('the mel spectrogram of Wav2Lip', () => {
  it('has librosa’s filters', () => {
    const filters = MEL_FILTERS;
    for (const [band, bin, weight] of goldens.filters) {
      const { firstBin, weights } = filters[band]!;
      assert.ok(Math.abs((weights[bin - firstBin] ?? 0) - weight) < 1e-8, `band ${band} bin ${bin}`);
    }
    const total = [0, 1, 30, 79].reduce((sum, band) => sum + filters[band]!.weights.length, 0);
    assert.equal(total, goldens.filters.length);
  });

  for (const golden of goldens.cases) {
    it(`has librosa’s numbers for ${golden.seconds} s`, () => {
      const values = spectrogram(sound(golden.samples));
      assert.equal(values.length, golden.frames * 80);
      let worst = 0;
      for (const [band, frame, value] of golden.points)
        worst = Math.max(worst, Math.abs(values[frame * 80 + band]! - value));
      assert.ok(worst < 1e-5, `off by ${worst}`);
      assert.ok(Math.abs(values.reduce((sum, value) => sum + value, 0) - golden.sum) / values.length < 1e-6);
      assert.ok(Math.abs(Math.min(...values) - golden.min) < 1e-5);
      assert.ok(Math.abs(Math.max(...values) - golden.max) < 1e-5);
    });
  }
});

/** All pictures of a sound. */
async function heard(pcm: Float32Array, fps: number): Promise<Float32Array[]> {
  const { pictureCount, pictures } = hearWhole(pcm, fps);
  const all: Float32Array[] = [];
  for await (const features of pictures) all.push(features);
  assert.equal(all.length, pictureCount);
  return all;
}

describe('hearWhole', () => {
  for (const golden of goldens.cases) {
    it(`cuts Wav2Lip’s windows from ${golden.seconds} s`, async () => {
      const pcm = sound(golden.samples);
      const values = spectrogram(pcm);
      for (const [fps, starts] of Object.entries(golden.starts)) {
        const pictures = await heard(pcm, Number(fps));
        assert.equal(pictures.length, starts.length, `${fps} fps`);
        pictures.forEach((features, i) =>
          assert.deepEqual(features, windowAt(values, starts[i]!), `${fps} fps ${i}`),
        );
      }
    });
  }

  it('hears sound shorter than a window, or than half a frame, and none at all', async () => {
    const short = await heard(sound(1000), 25);
    assert.equal(short.length, 1);
    assert.ok(short[0]![0]! > -3); // the tone
    assert.equal(short[0]![15], -4); // the silence that follows
    assert.equal((await heard(new Float32Array(100), 200)).length, 1);
    assert.deepEqual(await heard(new Float32Array(0), 25), []);
    assert.ok(
      (await heard(new Float32Array(16_000), 25)).every((features) =>
        features.every((value) => value === -4),
      ),
    );
    assert.throws(() => hearWhole(new Float32Array(10), 0), { code: 'invalid-argument' });
  });
});

describe('Wav2LipEar', () => {
  it('hears what the whole utterance gives, however the sound is cut', async () => {
    const pcm = sound(24_000);
    const whole = await heard(pcm, 25);
    for (const pieces of [160, 333, 24_000]) {
      const ear = new Wav2LipEar();
      const asked = whole.map((_, i) => ear.features((i * 1000) / 25));
      for (let at = 0; at < pcm.length; at += pieces) ear.push(pcm.subarray(at, at + pieces));
      // Windows that end before the sound does, by the reach of the last frame.
      const complete = whole.filter((_, i) => i * 640 + 3400 <= pcm.length).length;
      assert.ok(complete > 25);
      for (let i = 0; i < complete; i++) assert.deepEqual(await asked[i], whole[i], `picture ${i}`);
      const rest = Promise.allSettled(asked.slice(complete));
      ear.close();
      assert.ok((await rest).every(({ status }) => status === 'rejected'));
    }
  });

  it('answers as soon as its lookahead is there and not before', async () => {
    const ear = new Wav2LipEar();
    assert.equal(ear.lookaheadMs, 212.5);
    let answered = false;
    const asked = ear.features(400).then((features) => {
      answered = true;
      return features;
    });
    const needed = ((400 + ear.lookaheadMs) * 16_000) / 1000;
    ear.push(new Float32Array(needed - 1));
    await new Promise(setImmediate);
    assert.equal(answered, false);
    ear.push(new Float32Array(1));
    assert.equal((await asked).length, FEATURE_VALUES);
  });

  it('copies what it is given', async () => {
    const ear = new Wav2LipEar();
    const pcm = sound(8000);
    const expected = (await heard(pcm, 25))[2]!;
    const buffer = pcm.slice();
    ear.push(buffer);
    buffer.fill(1);
    assert.deepEqual(await ear.features(80), expected);
  });

  it('tells what it has forgotten, what is no time, and that it is closed', async () => {
    const ear = new Wav2LipEar();
    ear.push(new Float32Array(32 * 16_000));
    await assert.rejects(ear.features(1000), {
      code: 'invalid-argument',
      message: /the sound at 1000 ms is forgotten/,
    });
    assert.equal((await ear.features(3000)).length, FEATURE_VALUES);
    await assert.rejects(ear.features(NaN), { code: 'invalid-argument' });
    const waiting = ear.features(40_000);
    ear.close();
    await assert.rejects(waiting, /an ear that is closed/);
    await assert.rejects(ear.features(0), /an ear that is closed/);
    ear.push(new Float32Array(10));
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MelRing } from '../../../../../src/engine/musetalk/hearing/mel-ring.js';
import {
  SEGMENT_SAMPLES,
  logMel,
  MEL_FILTERS,
} from '../../../../../src/engine/musetalk/hearing/whisper-mel.js';
import { babble, readGoldens } from '../../../../helpers/hearing.js';

interface Goldens {
  mel: {
    points: Record<string, number>;
    mean: number;
    max: number;
    min: number;
    sum_first250: number;
    silence_value: number;
  };
  mel_filter: {
    nonzero_per_row: number[];
    row0: number[];
    row40: number[];
    row40_argmax: number;
    row79: number[];
  };
}

const goldens = readGoldens('goldens.json') as Goldens;

/** The sound of the goldens: 2.5 s of 220 Hz, with 1234.5 Hz in every other quarter. */
function twoTones(): Float32Array {
  return Float32Array.from({ length: 40_000 }, (_, n) => {
    const low = 0.3 * Math.sin((2 * Math.PI * 220 * n) / 16_000);
    return low + (n % 8000 < 4000 ? 0.2 * Math.sin((2 * Math.PI * 1234.5 * n) / 16_000) : 0);
  });
}

function near(actual: number | undefined, expected: number, tolerance: number, what: string): void {
  assert.ok(Math.abs((actual ?? NaN) - expected) <= tolerance, `${what}: ${actual} is not ${expected}`);
}

test("the picture is that of Hugging Face's feature extractor", () => {
  const mel = logMel(twoTones());
  assert.equal(mel.length, 80 * 3000);
  for (const [place, expected] of Object.entries(goldens.mel.points)) {
    const [band, frame] = place.split(',').map(Number) as [number, number];
    near(mel[band * 3000 + frame], expected, 1e-4, `band ${band} frame ${frame}`);
  }
  const sum = mel.reduce((total, value) => total + value, 0);
  near(sum / mel.length, goldens.mel.mean, 1e-6, 'mean');
  near(
    mel.reduce((most, value) => Math.max(most, value), -9),
    goldens.mel.max,
    1e-4,
    'maximum',
  );
  near(
    mel.reduce((least, value) => Math.min(least, value), 9),
    goldens.mel.min,
    1e-4,
    'minimum',
  );
  let first = 0;
  for (let band = 0; band < 80; band++)
    for (let frame = 0; frame < 250; frame++) first += mel[band * 3000 + frame]!;
  near(first, goldens.mel.sum_first250, 0.05, 'sum of the first 250 frames');
});

test('the filters are those of librosa and the feature extractor', () => {
  const filters = MEL_FILTERS;
  assert.deepEqual(
    filters.map(({ weights }) => weights.length),
    goldens.mel_filter.nonzero_per_row,
  );
  const weightsOf = (row: number): Float64Array => filters[row]!.weights;
  const { row0, row40, row40_argmax: peak, row79 } = goldens.mel_filter;
  // Each golden row begins with a zero beside its first weight.
  weightsOf(0).forEach((weight, i) => near(weight, row0[i + 1]!, 1e-8, `row 0, ${i}`));
  weightsOf(40).forEach((weight, i) => near(weight, row40[i + 1]!, 1e-8, `row 40, ${i}`));
  weightsOf(79).forEach((weight, i) => near(weight, row79[i + 1]!, 1e-8, `row 79, ${i}`));
  assert.equal(filters[40]!.firstBin + weightsOf(40).indexOf(Math.max(...weightsOf(40))), peak);
  assert.equal(filters[0]!.firstBin, 1);
});

test('silence is -1.5 everywhere, and so is no sound at all', () => {
  const { silence_value: silence } = goldens.mel;
  for (const samples of [0, 1, 160, 480_000]) {
    const mel = logMel(new Float32Array(samples));
    assert.ok(
      mel.every((value) => value === silence),
      `${samples} samples`,
    );
  }
});

test('the sound is mirrored at both ends of the 30 s, the end sample not repeated', () => {
  const ends = new Float32Array(SEGMENT_SAMPLES);
  // Impulses beside the ends: mirrored they add to their frame a second time, as far from the end on the other side.
  ends[1] = 1;
  ends[SEGMENT_SAMPLES - 21] = 1;
  const mel = logMel(ends);
  const inMiddle = (gap: number, gain: number, place: number): Float32Array => {
    const plain = new Float32Array(16_000);
    plain[8000 + place - gap] = gain;
    plain[8000 + place + gap] = gain;
    // Something as loud as in the first picture, so that both have the same floor.
    plain[1] = 1;
    return logMel(plain);
  };
  // Frame 0 has its middle on sample 0: impulses at -1 and 1.
  const first = inMiddle(1, 1, 0);
  // Frame 2999 has its middle on 479 840, the end (479 999) lies 159 behind it: impulses at 139 and 179.
  const last = inMiddle(20, 1, 159);
  for (let band = 0; band < 80; band++) {
    near(mel[band * 3000], first[band * 3000 + 50]!, 1e-5, `first frame, band ${band}`);
    near(mel[band * 3000 + 2999], last[band * 3000 + 50]!, 1e-5, `last frame, band ${band}`);
  }
});

test('a segment of more than 30 s is refused', () => {
  assert.throws(() => logMel(new Float32Array(SEGMENT_SAMPLES + 1)), RangeError);
});

test('a part of a live stream is the very picture of its samples alone', () => {
  const sound = babble(8);
  const ring = new MelRing(3);
  const target = new Float32Array(80 * 3000);
  const sizes = [1, 159, 160, 161, 320, 7, 4000, 1234];
  let pushed = 0;
  let compared = 0;
  for (let turn = 0; pushed < sound.length; turn++) {
    const piece = sound.subarray(pushed, pushed + sizes[turn % sizes.length]!);
    ring.push(piece);
    pushed += piece.length;
    assert.equal(ring.pushed, pushed);
    if (turn % 5 !== 0) continue;
    for (const origin of [Math.ceil(ring.oldest / 160) * 160, Math.floor((pushed * 0.9) / 160) * 160]) {
      if (origin < ring.oldest) continue;
      ring.read(origin, target);
      assert.deepEqual(target, logMel(sound.subarray(origin, pushed)), `from ${origin} to ${pushed}`);
      compared += 1;
    }
  }
  assert.ok(compared > 40, `${compared} parts`);
});

test('a push of more than the ring holds keeps its end', () => {
  const sound = babble(5);
  const ring = new MelRing(2);
  ring.push(sound.subarray(0, 1000));
  ring.push(sound.subarray(1000));
  assert.deepEqual([ring.oldest, ring.pushed], [48_000, 80_000]);
  const target = new Float32Array(80 * 3000);
  ring.read(48_000, target);
  assert.deepEqual(target, logMel(sound.subarray(48_000)));
});

test('sound that is gone, or a place between two frames, is refused', () => {
  const ring = new MelRing(1);
  ring.push(new Float32Array(32_000));
  const target = new Float32Array(80 * 3000);
  assert.throws(() => ring.read(0, target), RangeError);
  assert.throws(() => ring.read(20_001, target), RangeError);
  assert.throws(() => ring.read(32_160, target), RangeError);
});

import assert from 'node:assert/strict';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Wav2LipFamily, type Wav2LipOptions } from '../../../../src/engine/wav2lip/wav2lip-family.js';
import { silentLog } from '../../../../src/lib/log.js';
import type { RgbImage } from '../../../../src/media/frame.js';
import { temporaryFolder } from '../../../helpers/media.js';
import { wav2LipGraph, type Wav2LipGraphOptions } from '../../../helpers/wav2lip-graph.js';

async function open(
  t: TestContext,
  graph: Wav2LipGraphOptions | Uint8Array,
  options: Partial<Wav2LipOptions> = {},
): Promise<Wav2LipFamily> {
  const modelPath = path.join(await temporaryFolder(t), 'wav2lip.onnx');
  await writeFile(modelPath, graph instanceof Uint8Array ? graph : wav2LipGraph(graph));
  const family = await Wav2LipFamily.load({ modelPath, log: silentLog, ...options });
  t.after(() => family.close());
  return family;
}

/** A picture in which every pixel and channel differs from its neighbours. */
function picture(sidePx: number, seed: number): RgbImage {
  const data = Uint8Array.from(
    { length: 3 * sidePx ** 2 },
    (_, i) => (i * 37 + (i % 3) * 80 + seed * 19) % 256,
  );
  return { widthPx: sidePx, heightPx: sidePx, data };
}

function join(arrays: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    whole.set(array, at);
    at += array.length;
  }
  return whole;
}

/** What the stand-in makes of a picture and a sound of `mel` throughout. */
function expectedFace({ widthPx, data }: RgbImage, mel: number): number[] {
  return [...data].map((byte, i) => {
    const upper = Math.floor(i / (3 * widthPx)) < widthPx / 2;
    const value = 0.5 * (byte / 255) + (upper ? 0.25 * (byte / 255) : 0) + 0.05 * mel + 0.2;
    return Math.min(1, Math.max(0, value)) * 255;
  });
}

/** The reference cuts to whole numbers, so a value just below one may go either way. */
function assertFaces(actual: Uint8Array, expected: readonly number[], tolerance = 0.01): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of expected.entries())
    assert.ok(
      actual[i]! <= value + tolerance && actual[i]! > value - 1 - tolerance,
      `byte ${i}: ${actual[i]}, not ${value}`,
    );
}

const mels = [-3, 0.5, 2];
const heard = join(mels.map((mel) => new Float32Array(1280).fill(mel)));

describe('Wav2LipFamily', () => {
  const shapes: Record<string, Wav2LipGraphOptions> = {
    'of 96 pixels': {},
    'of 256 pixels': { sidePx: 256 },
    'with other names, the faces first': {
      melName: 'audio_sequences',
      faceName: 'face_sequences',
      faceFirst: true,
    },
    'with names that say nothing': { melName: 'input.1', faceName: 'input.2' },
    'with a fixed batch of one': {
      melDims: [1, 1, 80, 16],
      faceDims: [1, 6, 96, 96],
      outputDims: [1, 3, 96, 96],
    },
    'with a fixed batch of two': {
      melDims: [2, 1, 80, 16],
      faceDims: [2, 6, 96, 96],
      outputDims: [2, 3, 96, 96],
    },
    'with open sides': {
      sidePx: 256,
      faceDims: ['batch', 6, 'height', 'width'],
      outputDims: ['batch', 3, 'height', 'width'],
      zerosDims: [1, 3, 256, 256],
    },
    'with everything open': {
      melDims: ['a', 'b', 'c', 'd'],
      faceDims: ['a', 'e', 'f', 'g'],
      outputDims: ['a', 'h', 'f', 'g'],
      melName: 'audio',
      faceName: 'img',
      faceFirst: true,
    },
  };
  for (const [what, shape] of Object.entries(shapes)) {
    it(`draws with a file ${what}`, async (t) => {
      const sidePx = shape.sidePx ?? 96;
      const family = await open(t, shape);
      assert.deepEqual(
        [family.name, family.faceSidePx, family.inputValues, family.featureValues],
        ['wav2lip', sidePx, 3 * sidePx ** 2, 1280],
      );
      const crops = mels.map((_, k) => picture(sidePx, k));
      const inputs = await family.prepare(crops);
      const faces = await family.generate(join(inputs), heard, 3);
      assertFaces(
        faces,
        crops.flatMap((crop, k) => expectedFace(crop, mels[k]!)),
      );
    });
  }

  it('gives the network BGR, or RGB where it is told so', async (t) => {
    const crop: RgbImage = { widthPx: 96, heightPx: 96, data: new Uint8Array(3 * 96 * 96) };
    for (let i = 0; i < crop.data.length; i += 3) crop.data.set([255, 51, 0], i);
    const planes = async (options: Partial<Wav2LipOptions>): Promise<number[]> => {
      const family = await open(t, {}, options);
      const [input] = await family.prepare([crop]);
      const face = await family.generate(input!, new Float32Array(1280).fill(-4), 1);
      // Colours come back where they were, whatever the network's order is.
      assertFaces(face, expectedFace(crop, -4));
      return [0, 1, 2].map((plane) => input![plane * 96 * 96]!);
    };
    assert.deepEqual(await planes({}), [0, Math.fround(0.2), 1]);
    assert.deepEqual(await planes({ channelOrder: 'rgb' }), [1, Math.fround(0.2), 0]);
  });

  it('draws with half floats', async (t) => {
    const family = await open(t, { type: 'float16' });
    const crops = mels.map((_, k) => picture(96, k));
    const faces = await family.generate(join(await family.prepare(crops)), heard, 3);
    assertFaces(
      faces,
      crops.flatMap((crop, k) => expectedFace(crop, mels[k]!)),
      0.3,
    );
  });

  it('cuts what is more than a batch, and takes calls that overlap', async (t) => {
    const family = await open(t, {}, { maxBatch: 2 });
    const crops = Array.from({ length: 5 }, (_, k) => picture(96, k));
    const inputs = await family.prepare(crops);
    const features = join(crops.map((_, k) => new Float32Array(1280).fill(k - 2)));
    const both = await Promise.all([
      family.generate(join(inputs), features, 5),
      family.generate(inputs[3]!, features.subarray(3 * 1280, 4 * 1280), 1),
    ]);
    assertFaces(
      both[0],
      crops.flatMap((crop, k) => expectedFace(crop, k - 2)),
    );
    assertFaces(both[1], expectedFace(crops[3]!, 1));
  });

  it('hears, and refuses crops of another size', async (t) => {
    const bytes = wav2LipGraph({});
    const family = await open(t, bytes);
    const heard = family.hearWhole(new Float32Array(16_000), 25);
    assert.equal(heard.pictureCount, 25);
    let pictures = 0;
    for await (const features of heard.pictures) {
      assert.equal(features.length, family.featureValues);
      pictures += 1;
    }
    assert.equal(pictures, 25);
    const ear = family.openEar();
    ear.push(new Float32Array(8000));
    assert.equal((await ear.features(40)).length, family.featureValues);
    ear.close();
    await assert.rejects(family.prepare([picture(64, 0)]), { message: /has 64x64 pixels, not 96x96/ });
  });

  it('says when the network answers with NaN', async (t) => {
    const family = await open(t, {});
    const [input] = await family.prepare([picture(96, 0)]);
    await assert.rejects(family.generate(input!, new Float32Array(1280).fill(NaN), 1), {
      code: 'model-invalid',
      message: /not finite/,
    });
  });
});

describe('a file that is no Wav2Lip network', () => {
  const cases: Record<string, [Wav2LipGraphOptions, RegExp]> = {
    'with mels of another length': [
      { melDims: ['batch', 1, 80, 20] },
      /no input for the sound \[batch,1,80,16\]; it declares mel float32 \[batch,1,80,20\]/,
    ],
    'with faces of twelve channels': [
      { faceDims: ['batch', 12, 96, 96] },
      /no input for the faces \[batch,6,side,side\]/,
    ],
    'with five pictures at once': [{ faceDims: ['batch', 6, 5, 96, 96] }, /no input for the faces/],
    'with an input more': [
      { extraInputs: [{ name: 'speed', dims: [1] }] },
      /the input speed float32 \[1\] is unknown/,
    ],
    'with two sides': [
      { faceDims: ['batch', 6, 96, 128], outputDims: ['batch', 3, 96, 96] },
      /the sides 96 and 128/,
    ],
    'with two batches': [
      { melDims: [1, 1, 80, 16], faceDims: [2, 6, 96, 96], outputDims: [2, 3, 96, 96] },
      /different fixed batches \(1 and 2\)/,
    ],
    'of a strange side': [{ sidePx: 2048 }, /2048 pixels a side, which no Wav2Lip network has/],
    'of whole numbers': [{ type: 'uint8' }, /is uint8, neither float32 nor float16/],
    'that gives 0 to 255': [
      { scale: 255 },
      /gives faces from [\d.]+ to [\d.]+, not from 0 to 1 .*without a scale/,
    ],
    'that gives -1 to 1': [{ scale: 2, offset: -1.5 }, /gives faces from -/],
    'that gives NaN': [{ offset: NaN }, /numbers that are not finite: its half floats overflow/],
  };
  for (const [what, [shape, message]] of Object.entries(cases)) {
    it(what, async (t) => {
      await assert.rejects(open(t, shape), { code: 'model-invalid', message });
    });
  }

  it('with open sides of which none works', async (t) => {
    const shape: Wav2LipGraphOptions = {
      faceDims: ['b', 6, 'h', 'w'],
      outputDims: ['c', 3, 'h', 'w'],
      zerosDims: [5, 1, 1, 1],
    };
    await assert.rejects(open(t, shape), {
      code: 'model-invalid',
      message:
        /cannot be run as a Wav2Lip network of 96, 192, 256, 288, 384 pixels: it answered 384 pixels with the shape \[5,3,384,384\]/,
    });
  });

  it('that is cut off, absent, or a checkpoint', async (t) => {
    const folder = await temporaryFolder(t);
    const modelPath = path.join(folder, 'wav2lip.onnx');
    const load = (): Promise<Wav2LipFamily> => Wav2LipFamily.load({ modelPath, log: silentLog });
    await assert.rejects(load(), { code: 'file-not-found' });
    await writeFile(modelPath, wav2LipGraph({}));
    await truncate(modelPath, Math.floor((await readFile(modelPath)).length / 2));
    await assert.rejects(load(), { code: 'model-invalid', message: /damaged or breaks off/ });
    await writeFile(modelPath, Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex'));
    await assert.rejects(load(), { code: 'model-invalid', message: /PyTorch checkpoint/ });
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FloatTensor } from '../../../src/adapters/onnx.js';
import { isAppError } from '../../../src/errors.js';
import type { Network } from '../../../src/face/network.js';
import { decodeS3fd, S3FD, s3fdInput } from '../../../src/face/s3fd.js';

const PX = 128;

interface Planted {
  level: number;
  row: number;
  column: number;
  logit: number;
  offsets?: readonly [number, number, number, number];
}

/** Twelve outputs for a picture of 128 x 128 pixels with no face but the planted ones. */
function outputsWith(planted: readonly Planted[], firstChannels = 4): FloatTensor[] {
  const outputs = [4, 8, 16, 32, 64, 128].flatMap((stride, level) => {
    const side = PX / stride;
    const channels = level === 0 ? firstChannels : 2;
    const scores = new Float32Array(channels * side * side);
    scores.fill(-8, (channels - 1) * side * side);
    return [
      { data: scores, dims: [1, channels, side, side] },
      { data: new Float32Array(4 * side * side), dims: [1, 4, side, side] },
    ];
  });
  for (const { level, row, column, logit, offsets = [0, 0, 0, 0] } of planted) {
    const scores = outputs[2 * level]!;
    const side = scores.dims[2]!;
    const cell = row * side + column;
    scores.data[(scores.dims[1]! - 1) * side * side + cell] = logit;
    offsets.forEach((value, channel) => (outputs[2 * level + 1]!.data[channel * side * side + cell] = value));
  }
  return outputs;
}

function networkOf(outputs: readonly FloatTensor[]): Network & { inputs: FloatTensor[] } {
  const outputNames = outputs.map((_, k) => `out${k}`);
  const inputs: FloatTensor[] = [];
  return {
    inputNames: ['in'],
    outputNames,
    inputs,
    run: (feeds) => {
      inputs.push(feeds['in']!);
      // in no order of their own: the file's list gives it
      return Promise.resolve(Object.fromEntries(outputs.map((tensor, k) => [`out${k}`, tensor]).reverse()));
    },
    close: () => Promise.resolve(),
  };
}

const picture = { widthPx: PX, heightPx: PX, data: new Uint8Array(PX * PX * 3) };

describe('S3FD', () => {
  it('subtracts 104 from red, 117 from green and 123 from blue', () => {
    const input = s3fdInput({ widthPx: 2, heightPx: 1, data: Uint8Array.of(104, 117, 123, 255, 0, 10) });
    assert.deepEqual([...input], [0, 151, 0, -117, 0, -113]);
  });

  it('finds a planted face where its prior and offsets put it', () => {
    const [face, ...others] = decodeS3fd(
      outputsWith([{ level: 2, row: 3, column: 4, logit: 3, offsets: [0.5, -0.25, 1, -1] }]),
    );
    assert.deepEqual(others, []);
    const near = (actual: number | undefined, expected: number): void =>
      assert.ok(Math.abs(actual! - expected) < 1e-4, `${actual} is not ${expected}`);
    // stride 16: prior of 64 pixels around (8 + 4 * 16, 8 + 3 * 16)
    const [centreX, centreY] = [72 + 0.5 * 0.1 * 64, 56 - 0.25 * 0.1 * 64];
    near(face?.x1, centreX - (64 * Math.exp(0.2)) / 2);
    near(face?.x2, centreX + (64 * Math.exp(0.2)) / 2);
    near(face?.y1, centreY - (64 * Math.exp(-0.2)) / 2);
    near(face?.y2, centreY + (64 * Math.exp(-0.2)) / 2);
    near(face?.score, 1 / (1 + Math.exp(-3)));
  });

  it('holds level 0 against the greatest of its three backgrounds', () => {
    const outputs = outputsWith([{ level: 0, row: 5, column: 6, logit: 2 }]);
    assert.equal(decodeS3fd(outputs).length, 1);
    const side = PX / 4;
    outputs[0]!.data[1 * side * side + 5 * side + 6] = 2.5; // the second background wins
    assert.equal(decodeS3fd(outputs).length, 0);
  });

  it('takes a first level whose backgrounds were joined in the file', () => {
    assert.equal(decodeS3fd(outputsWith([{ level: 0, row: 5, column: 6, logit: 2 }], 2)).length, 1);
  });

  it('keeps the surest of overlapping boxes and both of apart ones, surest first', () => {
    const faces = decodeS3fd(
      outputsWith([
        { level: 1, row: 3, column: 3, logit: 1 },
        { level: 1, row: 3, column: 4, logit: 2 },
        { level: 1, row: 13, column: 13, logit: 4 },
        { level: 1, row: 10, column: 2, logit: -0.1 },
      ]),
    );
    assert.deepEqual(
      faces.map(({ x1, y1 }) => [Math.round(x1), Math.round(y1)]),
      [
        [13 * 8 + 4 - 16, 13 * 8 + 4 - 16],
        [4 * 8 + 4 - 16, 3 * 8 + 4 - 16],
      ],
    );
  });

  it('gives the surest face, not the largest, cut off at 0 and to whole pixels', async () => {
    const network = networkOf(
      outputsWith([
        { level: 4, row: 1, column: 1, logit: 2 },
        { level: 1, row: 0, column: 0, logit: 3, offsets: [0.1, 0.1, 0, 0] },
      ]),
    );
    const finder = await S3FD.create(network);
    assert.deepEqual(await finder.bestFace(picture), { x1: 0, y1: 0, x2: 20, y2: 20 });
    assert.deepEqual(network.inputs.at(-1)?.dims, [1, 3, PX, PX]);
  });

  it('gives undefined where no face is', async () => {
    const finder = await S3FD.create(networkOf(outputsWith([])));
    assert.equal(await finder.bestFace(picture), undefined);
  });

  it('refuses outputs that are not six pairs', async () => {
    for (const outputs of [outputsWith([]).slice(0, 6), outputsWith([]).reverse()]) {
      await assert.rejects(S3FD.create(networkOf(outputs)), (error) => isAppError(error, 'model-invalid'));
    }
  });
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { OnnxModel } from '../../../src/adapters/onnx.js';
import type { FloatTensor } from '../../../src/adapters/onnx.js';
import { isAppError } from '../../../src/errors.js';
import { boxFromExtents, extentsOfPoints68 } from '../../../src/engine/faces/crop-box.js';
import { DEFAULT_FACE_PARAMETERS } from '../../../src/engine/faces/face-material.js';
import { DWPose } from '../../../src/face/dwpose.js';
import type { Network } from '../../../src/face/network.js';
import { lcgImage } from '../../helpers/lcg.js';

const STUBS = 'test/fixtures/musetalk/stubs';

/** Answers with one peak a point: bins in the order of the input's columns of brightness. */
function network(
  height: number,
  width: number,
  answer: (input: Float32Array) => Record<string, FloatTensor>,
): Network & { runs: Float32Array[]; closed: boolean } {
  const made = {
    inputNames: ['any'],
    outputNames: ['sx', 'sy'],
    runs: [] as Float32Array[],
    closed: false,
    run(feeds: Record<string, FloatTensor>): Promise<Record<string, FloatTensor>> {
      const tensor = feeds['any'];
      if (tensor?.dims[2] !== height || tensor.dims[3] !== width) {
        return Promise.reject(new Error(`Got invalid dimensions for input: any`));
      }
      made.runs.push(tensor.data);
      return Promise.resolve(answer(tensor.data));
    },
    close(): Promise<void> {
      made.closed = true;
      return Promise.resolve();
    },
  };
  return made;
}

function peaksAt(xBins: number, yBins: number, x: number, y: number): Record<string, FloatTensor> {
  const sx = new Float32Array(133 * xBins);
  const sy = new Float32Array(133 * yBins);
  for (let point = 0; point < 133; point++) {
    sx[point * xBins + x] = 1;
    sy[point * yBins + y] = 1;
  }
  return { sx: { data: sx, dims: [1, 133, xBins] }, sy: { data: sy, dims: [1, 133, yBins] } };
}

describe('DWPose', async () => {
  const goldens = JSON.parse(readFileSync(`${STUBS}/stub-goldens.json`, 'utf8')) as {
    landmarks_1280x720: { x: number[]; y: number[]; box_v15_margin10: number[]; box_raw: number[] };
  };
  const golden = goldens.landmarks_1280x720;
  const dwpose = await DWPose.create(await OnnxModel.load(`${STUBS}/dw-ll_ucoco_384.onnx`), {
    flipTest: false,
  });
  after(() => dwpose.close());

  it('gives the 68 points and boxes of the stand-in graph on a 1280x720 picture', async () => {
    const image = lcgImage(1, 1280, 720);
    const points = await dwpose.face68(image);
    assert.deepEqual(
      [...points],
      golden.x.flatMap((x, k) => [x, golden.y[k]]),
    );
    const extents = extentsOfPoints68(points);
    const v15 = boxFromExtents(extents, DEFAULT_FACE_PARAMETERS, image);
    assert.deepEqual(v15 && [v15.x1, v15.y1, v15.x2, v15.y2], golden.box_v15_margin10);
    const v1 = boxFromExtents(extents, { ...DEFAULT_FACE_PARAMETERS, version: 'v1' }, image);
    assert.deepEqual(v1 && [v1.x1, v1.y1, v1.x2, v1.y2], golden.box_raw);
  });

  it('takes the size of a smaller model from its shapes', async () => {
    const small = await DWPose.create(
      network(256, 192, () => peaksAt(384, 512, 192, 256)),
      { flipTest: false },
    );
    assert.deepEqual([small.inputWidthPx, small.inputHeightPx], [192, 256]);
    const points = await small.face68({ widthPx: 300, heightPx: 200, data: new Uint8Array(180_000) });
    assert.deepEqual([...points.subarray(0, 2)], [150, 100]);
  });

  it('asks twice unless told not to, the second time about the mirrored picture', async () => {
    const runner = network(384, 288, () => peaksAt(576, 768, 288, 384));
    const flipping = await DWPose.create(runner);
    runner.runs.length = 0;
    await flipping.face68(lcgImage(2, 288, 384));
    assert.equal(runner.runs.length, 2);
    const [straight, mirrored] = runner.runs as [Float32Array, Float32Array];
    assert.notDeepEqual(straight, mirrored);
    for (const x of [30, 100, 200]) assert.equal(straight[288 * 200 + x], mirrored[288 * 200 + 287 - x]);
  });

  it('refuses a model of other shapes in one sentence', async () => {
    const other = network(384, 288, () => ({
      sx: { data: new Float32Array(17 * 576), dims: [1, 17, 576] },
      sy: { data: new Float32Array(17 * 768), dims: [1, 17, 768] },
    }));
    await assert.rejects(DWPose.create(other), (error) => {
      assert.ok(isAppError(error, 'model-invalid'));
      assert.match(error.message, /133/);
      return true;
    });
  });
});

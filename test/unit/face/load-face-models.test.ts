import assert from 'node:assert/strict';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { OnnxGraphBuilder } from '../../../src/face/convert/onnx-writer.js';
import { isAppError } from '../../../src/errors.js';
import { findFaceModels, loadFaceModels } from '../../../src/face/load-face-models.js';
import { temporaryFolder } from '../../helpers/media.js';

const STUBS = 'test/fixtures/musetalk/stubs';

/** A graph with the outputs of S3FD for pictures of 128 x 128 that takes a red block of 64 x 64 for a face. */
function redBlockS3fd(): Uint8Array {
  const graph = new OnnxGraphBuilder();
  const outputs = [4, 8, 16, 32, 64, 128].flatMap((stride, level) => {
    const means = graph.node('AveragePool', ['image'], {
      kernel_shape: [stride, stride],
      strides: [stride, stride],
    });
    const channels = level === 0 ? 4 : 2;
    const weights = new Float32Array(channels * 3);
    const bias = new Float32Array(channels);
    weights[(channels - 1) * 3] = stride === 64 ? 0.1 : 0;
    bias[channels - 1] = -5;
    const side = 128 / stride;
    const scores = graph.node(
      'Conv',
      [means, graph.floats(weights, [channels, 3, 1, 1]), graph.floats(bias, [channels])],
      {},
      `scores${level}`,
    );
    const offsets = graph.node(
      'Conv',
      [means, graph.floats(new Float32Array(12), [4, 3, 1, 1])],
      {},
      `offsets${level}`,
    );
    return [
      { name: scores, dims: [1, channels, side, side] },
      { name: offsets, dims: [1, 4, side, side] },
    ];
  });
  return graph.build('s3fd', [{ name: 'image', dims: [1, 3, 128, 128] }], outputs);
}

describe('loadFaceModels', () => {
  it('opens an S3FD and finds a face with it', async (t) => {
    const folder = await temporaryFolder(t);
    await writeFile(join(folder, 's3fd-619a316812-ece4f2c1.onnx'), redBlockS3fd());
    const models = await loadFaceModels(folder);
    const picture = { widthPx: 128, heightPx: 128, data: new Uint8Array(128 * 128 * 3) };
    assert.equal(await models.faceFinder?.bestFace(picture), undefined);
    for (let y = 64; y < 128; y++) for (let x = 0; x < 64; x++) picture.data[(y * 128 + x) * 3] = 255;
    assert.deepEqual(await models.faceFinder?.bestFace(picture), { x1: 0, y1: 0, x2: 160, y2: 224 });
    await models.close();
  });

  it('opens what the folder holds, and nothing else', async (t) => {
    const folder = await temporaryFolder(t);
    await copyFile(join(STUBS, 'dw-ll_ucoco_384.onnx'), join(folder, 'rtmpose-l_ucoco.onnx'));
    await copyFile(join(STUBS, 'face_parsing.onnx'), join(folder, 'faceparser.onnx'));
    await copyFile(join(STUBS, 'vae_encoder.onnx'), join(folder, 'vae_encoder.onnx'));
    const models = await loadFaceModels(folder);
    assert.equal(models.landmarker?.inputWidthPx, 288);
    assert.equal(models.faceFinder, undefined);
    const logits = await models.parser?.(new Float32Array(3 * 512 * 512));
    assert.equal(logits?.length, 19 * 512 * 512);
    assert.deepEqual(await findFaceModels(folder), {
      landmarker: join(folder, 'rtmpose-l_ucoco.onnx'),
      parser: join(folder, 'faceparser.onnx'),
    });
    await models.close();
    await assert.rejects(models.parser!(new Float32Array(3 * 512 * 512)));
  });

  it('prefers DWPose to an RTMPose beside it', async (t) => {
    const folder = await temporaryFolder(t);
    await copyFile(join(STUBS, 'dw-ll_ucoco_384.onnx'), join(folder, 'dw-ll_ucoco_384.onnx'));
    await writeFile(join(folder, 'rtmpose-m.onnx'), 'not looked at');
    const models = await loadFaceModels(folder);
    assert.ok(models.landmarker);
    await models.close();
  });

  it('gives none for an empty folder or none at all', async (t) => {
    for (const folder of [await temporaryFolder(t), 'no-such-folder']) {
      const models = await loadFaceModels(folder);
      assert.deepEqual({ ...models, close: undefined }, { close: undefined });
      await models.close();
    }
  });

  for (const [name, source] of [
    ['dw-ll_ucoco_384.onnx', 'face_parsing.onnx'],
    ['s3fd-619a316812.onnx', 'vae_encoder.onnx'],
    ['s3fd.onnx', 'face_parsing.onnx'],
    ['face_parsing.onnx', 'dw-ll_ucoco_384.onnx'],
    ['faceparser.onnx', 'positional_encoding.onnx'],
  ] as const) {
    it(`refuses ${source} under the name ${name} in one sentence with the file's name`, async (t) => {
      const folder = await temporaryFolder(t);
      await copyFile(join(STUBS, source), join(folder, name));
      await assert.rejects(loadFaceModels(folder), (error) => {
        assert.ok(isAppError(error, 'model-invalid'));
        assert.ok(error.message.includes(join(folder, name)), error.message);
        assert.ok(!error.message.includes('\n') && error.message.length < 900, error.message);
        return true;
      });
    });
  }

  it('refuses a torn file', async (t) => {
    const folder = await temporaryFolder(t);
    const whole = await readFile(join(STUBS, 'face_parsing.onnx'));
    await writeFile(join(folder, 'face_parsing.onnx'), whole.subarray(0, whole.length / 2));
    await assert.rejects(loadFaceModels(folder), (error) => isAppError(error, 'model-invalid'));
  });
});

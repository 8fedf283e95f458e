import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { OnnxModel } from '../../../../src/adapters/onnx.js';
import { isAppError } from '../../../../src/errors.js';
import { OnnxGraphBuilder } from '../../../../src/face/convert/onnx-writer.js';

test('the runtime runs a written graph: constants, int, ints, float and text attributes', async (context) => {
  const dir = await mkdtemp(join(tmpdir(), 'onnx-writer-'));
  context.after(() => rm(dir, { recursive: true }));
  const graph = new OnnxGraphBuilder();
  const leaky = graph.node('LeakyRelu', ['x'], { alpha: { float: 0.25 } });
  const scaled = graph.node('Mul', [leaky, graph.floats([1, 10, 100], [3])]);
  const turned = graph.node('Transpose', [scaled], { perm: [1, 0] });
  const padded = graph.node('Pad', [turned, graph.int64s([0, 1, 0, 0])], { mode: 'constant' });
  graph.node('Softmax', [padded], { axis: -1 }, 'soft');
  graph.node('Identity', [padded], {}, 'y');
  const dims = [3, 3];
  const bytes = graph.build(
    'test',
    [{ name: 'x', dims: [2, 3] }],
    [
      { name: 'y', dims },
      { name: 'soft', dims },
    ],
  );
  const path = join(dir, 'test.onnx');
  await writeFile(path, bytes);

  const model = await OnnxModel.load(path);
  assert.deepEqual(model.inputNames, ['x']);
  assert.deepEqual(model.outputNames, ['y', 'soft']);
  const { y, soft } = await model.run({ x: { data: Float32Array.of(1, 2, 3, -4, -5, -6), dims: [2, 3] } });
  assert.deepEqual(y!.dims, dims);
  assert.deepEqual([...y!.data], [0, 1, -1, 0, 20, -12.5, 0, 300, -150]);
  assert.ok(Math.abs(soft!.data[0]! + soft!.data[1]! + soft!.data[2]! - 1) < 1e-6);

  await Promise.all([model.close(), model.close()]);
  await assert.rejects(model.run({}), (error) => isAppError(error, 'internal'));
});

test('a file that is no graph is refused as model-invalid', async (context) => {
  const dir = await mkdtemp(join(tmpdir(), 'onnx-writer-'));
  context.after(() => rm(dir, { recursive: true }));
  const path = join(dir, 'bad.onnx');
  await writeFile(path, 'not a model');
  await assert.rejects(OnnxModel.load(path), (error) => isAppError(error, 'model-invalid'));
  await assert.rejects(OnnxModel.load(join(dir, 'absent.onnx')), (error) =>
    isAppError(error, 'model-invalid'),
  );
});

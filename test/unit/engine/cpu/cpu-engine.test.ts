import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { CpuEngine } from '../../../../src/engine/cpu/cpu-engine.js';
import { isAppError } from '../../../../src/errors.js';
import { silentLog } from '../../../../src/lib/log.js';
import { patternedPicture, syntheticLandmarks } from '../../../helpers/synthetic-face.js';

test('a models folder without a usable basis is model-invalid', async () => {
  const modelsDir = await mkdtemp(join(tmpdir(), 'musecast-models-'));
  try {
    await assert.rejects(CpuEngine.create({ modelsDir, log: silentLog }), (error) =>
      isAppError(error, 'model-invalid'),
    );
    await mkdir(join(modelsDir, 'cpu'));
    await writeFile(join(modelsDir, 'cpu', 'basis.json'), '{"version":1,');
    await assert.rejects(CpuEngine.create({ modelsDir, log: silentLog }), (error) =>
      isAppError(error, 'model-invalid'),
    );
  } finally {
    await rm(modelsDir, { recursive: true });
  }
});

test('the shipped models draw a second of silence as the footage itself', async () => {
  const engine = await CpuEngine.create({ modelsDir: resolve('models'), log: silentLog });
  try {
    const base = patternedPicture(160, 200);
    const landmarks = syntheticLandmarks(80, 90, 50);
    const stream = await engine.open(
      {
        id: 'flat',
        widthPx: 160,
        heightPx: 200,
        frameCount: 1,
        fps: 25,
        still: false,
        readFrame: (_index, target) => target.set(base),
        landmarks: () => landmarks,
        close() {},
      },
      { fps: 25 },
    );
    let count = 0;
    for await (const frame of stream.push(new Float32Array(16_000))) {
      count += 1;
      assert.deepEqual(frame.data, base, `picture ${count}`);
    }
    assert.ok(count >= Math.floor((1000 - stream.lookaheadMs) / 40) && count <= 25, `${count} pictures`);
    await stream.close();
  } finally {
    await engine.close();
    await engine.close();
  }
});

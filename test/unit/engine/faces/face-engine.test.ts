import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { decideCost } from '../../../../src/engine/faces/cost-model.js';
import { FaceEngine } from '../../../../src/engine/faces/face-engine.js';
import type { FaceFamily } from '../../../../src/engine/faces/face-family.js';
import { silentLog } from '../../../../src/lib/log.js';
import { temporaryFolder } from '../../../helpers/media.js';
import { noLandmarks, syntheticAvatar } from '../../../helpers/synthetic-avatar.js';

const SIDE = 2;

/** An engine whose face for picture k is filled with k, made from inputs that hold the footage's index. */
async function arrange(mode: 'live' | 'prerendered' = 'prerendered') {
  const heard: { samples: number; fps: number }[] = [];
  const inputs: number[] = [];
  const calls = { materials: 0, materialsClosed: 0, earsClosed: 0 };
  const family: FaceFamily = {
    name: 'wav2lip',
    faceSidePx: SIDE,
    inputValues: 1,
    featureValues: 1,
    prepare: () => Promise.reject(new Error('not here')),
    openEar: () => ({
      lookaheadMs: 0,
      push: () => {},
      features: (timeMs) => Promise.resolve(Float32Array.of(timeMs)),
      close: () => (calls.earsClosed += 1),
    }),
    hearWhole(pcm, fps) {
      heard.push({ samples: pcm.length, fps });
      const pictureCount = Math.floor((pcm.length / 16_000) * fps);
      return {
        pictureCount,
        pictures: (async function* () {
          for (let k = 0; k < pictureCount; k++) yield Promise.resolve(Float32Array.of(k));
        })(),
      };
    },
    generate: () => Promise.reject(new Error('by submit')),
  };
  const engine = new FaceEngine({
    family,
    submit(input, features) {
      inputs.push(input[0]!);
      const data = new Uint8Array(3 * SIDE * SIDE).fill(features[0]!);
      return Promise.resolve({ widthPx: SIDE, heightPx: SIDE, data });
    },
    plan: decideCost({ singleMs: 5, batch: 4, batchMs: 12, hearMs: 5 }, { fps: 25, mode }),
    openMaterial(avatar) {
      calls.materials += 1;
      const area = { x1: 0, y1: 0, x2: 8, y2: 8 };
      return Promise.resolve({
        frameCount: avatar.frameCount,
        box: () => area,
        mask: () => ({ area, alpha: new Uint8Array(64).fill(255) }),
        inputs: (index) => Float32Array.of(index),
        close: () => (calls.materialsClosed += 1),
      });
    },
    close: () => Promise.resolve(),
    log: silentLog,
  });
  return { engine, heard, inputs, calls };
}

const avatar = syntheticAvatar({
  widthPx: 16,
  heightPx: 16,
  landmarks: Array.from({ length: 3 }, noLandmarks),
});

function voice(ms: number): Float32Array {
  return Float32Array.from({ length: ms * 16 }, (_, i) => {
    let buzz = 0;
    for (let k = 1; k <= 12; k++) buzz += Math.sin((2 * Math.PI * 140 * k * i) / 16_000) / k;
    return 0.08 * buzz;
  });
}

test('a take ends softly within itself, with faces made for the silence behind its sound', async (t) => {
  const { engine, heard } = await arrange();
  const folder = await temporaryFolder(t);
  const pcm = voice(1010);
  const take = await engine.rehearse(avatar, pcm, { fps: 25, folder });
  t.after(() => take.close());
  assert.deepEqual(await readdir(folder), []);
  const strengths = Array.from({ length: take.pictureCount }, (_, index) => take.strength(index));
  assert.deepEqual(strengths.slice(-5), [1, 0.75, 0.5, 0.25, 0]);
  // 1010 ms of sound are 25.25 pictures; 250 ms of hang-over and the fade follow.
  assert.ok(take.pictureCount >= 26 + 6 + 3, `${take.pictureCount} pictures`);
  assert.ok(heard[0]!.samples >= pcm.length + 0.4 * 16_000, `${heard[0]!.samples} samples heard`);
  for (const [index, strength] of strengths.entries())
    assert.equal(take.face(index)?.data[0], strength > 0 ? index : undefined, `face ${index}`);
});

test('a take is made for the footage as it runs from its first picture on, at its own speed', async (t) => {
  const { engine, inputs, calls } = await arrange();
  const before = avatar.reads.length;
  const take = await engine.rehearse(avatar, voice(400), { fps: 50, folder: await temporaryFolder(t) });
  take.close();
  assert.deepEqual(inputs.slice(0, 10), [0, 0, 1, 1, 2, 2, 1, 1, 0, 0]);
  assert.equal(avatar.reads.length, before, 'no picture of the footage is read for it');
  assert.deepEqual([calls.materials, calls.materialsClosed], [1, 1]);
});

test('a long sound lets others have their turn', async (t) => {
  const { engine } = await arrange();
  const folder = await temporaryFolder(t);
  let turns = 0;
  let over = false;
  const count = () => {
    turns += 1;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  const take = await engine.rehearse(avatar, new Float32Array(60 * 16_000), { fps: 25, folder });
  over = true;
  take.close();
  assert.ok(turns >= 59, `${turns} turns`);
});

for (const mode of ['live', 'prerendered'] as const)
  test(`a stream that is closed gives its material back, once (${mode})`, async () => {
    const { engine, calls } = await arrange(mode);
    const stream = await engine.open(avatar, { fps: 25 });
    await Promise.all([stream.close(), stream.close()]);
    await stream.close();
    assert.deepEqual(calls, { materials: 1, materialsClosed: 1, earsClosed: mode === 'live' ? 1 : 0 });
    await assert.rejects(engine.open(avatar, { fps: 0 }), { code: 'invalid-argument' });
    assert.deepEqual(calls, { materials: 2, materialsClosed: 2, earsClosed: mode === 'live' ? 2 : 0 });
  });

test('a live stream looks ahead as far as what tells speech from silence does', async () => {
  const { engine } = await arrange('live');
  const stream = await engine.open(avatar, { fps: 25 });
  const { pipelineMs } = decideCost(
    { singleMs: 5, batch: 4, batchMs: 12, hearMs: 5 },
    { fps: 25, mode: 'live' },
  );
  assert.equal(stream.lookaheadMs, 153 + pipelineMs);
  await stream.close();
});

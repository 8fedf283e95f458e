import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FaceBatcher } from '../../../../src/engine/faces/face-batcher.js';
import type { FaceGenerator } from '../../../../src/engine/faces/face-family.js';
import { AppError, isAppError } from '../../../../src/errors.js';
import { deferred, type Deferred } from '../../../helpers/deferred.js';
import { ManualClock } from '../../../helpers/manual-clock.js';

const SIDE = 2;
const FACE_BYTES = SIDE * SIDE * 3;

/** Draws a face whose bytes are its input's first number plus its feature's, when the test says so. */
class SlowGenerator implements FaceGenerator {
  readonly faceSidePx = SIDE;
  readonly inputValues = 3;
  readonly featureValues = 2;
  readonly runs: { count: number; first: number[]; end: Deferred<void> }[] = [];
  atOnce = 0;
  mostAtOnce = 0;

  async generate(inputs: Float32Array, features: Float32Array, count: number): Promise<Uint8Array> {
    assert.equal(inputs.length, count * this.inputValues);
    assert.equal(features.length, count * this.featureValues);
    const faces = new Uint8Array(count * FACE_BYTES);
    const first: number[] = [];
    for (let i = 0; i < count; i++) {
      first.push(inputs[i * 3]!);
      faces.fill(inputs[i * 3]! + features[i * 2]!, i * FACE_BYTES, (i + 1) * FACE_BYTES);
    }
    const end = deferred<void>();
    this.runs.push({ count, first, end });
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
    await end.promise.finally(() => (this.atOnce -= 1));
    return faces;
  }
}

function setUp(batch = 4) {
  const generator = new SlowGenerator();
  const clock = new ManualClock();
  const batcher = new FaceBatcher({ generator, batch, clock });
  const ask = (id: number, signal?: AbortSignal) =>
    batcher.submit(new Float32Array([id, 0, 0]), new Float32Array([100, 0]), signal);
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { generator, clock, batcher, ask, settle };
}

test('a full batch starts at once and everyone gets the own face', async () => {
  const { generator, batcher, ask } = setUp();
  const faces = [1, 2, 3, 4].map((id) => ask(id));
  assert.deepEqual(generator.runs[0]?.first, [1, 2, 3, 4]);
  generator.runs[0]!.end.resolve();
  for (const [i, face] of (await Promise.all(faces)).entries()) {
    assert.equal(face.widthPx, SIDE);
    assert.equal(face.heightPx, SIDE);
    assert.deepEqual(
      [...face.data],
      Array.from({ length: FACE_BYTES }, () => 101 + i),
    );
  }
  assert.equal(batcher.stats().meanBatch, 4);
});

test('a lone request waits one picture and no longer', async () => {
  const { generator, clock, batcher, ask } = setUp();
  const face = ask(7);
  clock.advance(39);
  assert.equal(generator.runs.length, 0);
  clock.advance(1);
  assert.deepEqual(generator.runs[0]?.first, [7]);
  generator.runs[0]!.end.resolve();
  assert.equal((await face).data[0], 107);
  assert.deepEqual(batcher.stats().waitMs, { median: 40, p95: 40 });
});

test('the oldest decides: later company does not prolong its wait', () => {
  const { generator, clock, ask } = setUp();
  void ask(1);
  clock.advance(30);
  void ask(2);
  clock.advance(10);
  assert.deepEqual(generator.runs[0]?.first, [1, 2]);
});

test('one batch at a time; what gathers meanwhile goes oldest first in full batches, the rest when it is due', async () => {
  const { generator, clock, ask, settle } = setUp();
  const faces = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((id) => ask(id));
  assert.equal(generator.runs.length, 1);
  clock.advance(20);
  generator.runs[0]!.end.resolve();
  await settle();
  assert.deepEqual(generator.runs[1]?.first, [5, 6, 7, 8]);
  clock.advance(10);
  generator.runs[1]!.end.resolve();
  await settle();
  assert.equal(generator.runs.length, 2, 'two of four wait, and not yet long enough');
  clock.advance(10);
  assert.deepEqual(generator.runs[2]?.first, [9, 10]);
  generator.runs[2]!.end.resolve();
  await Promise.all(faces);
  assert.equal(generator.mostAtOnce, 1);
});

test('who waited too long while another batch ran goes at once', async () => {
  const { generator, clock, ask, settle } = setUp(2);
  void ask(1);
  void ask(2);
  void ask(3);
  clock.advance(90);
  assert.equal(generator.runs.length, 1);
  generator.runs[0]!.end.resolve();
  await settle();
  assert.deepEqual(generator.runs[1]?.first, [3]);
});

test('an aborted request costs nothing and leaves its place to others', async () => {
  const { generator, clock, batcher, ask } = setUp(2);
  const controller = new AbortController();
  const reason = new Error('the viewer spoke');
  const dropped = ask(1, controller.signal);
  clock.advance(30);
  controller.abort(reason);
  await assert.rejects(dropped, reason);
  assert.equal(batcher.waiting, 0);
  void ask(2);
  clock.advance(39);
  assert.equal(generator.runs.length, 0, 'the wait counts from the oldest that is left');
  clock.advance(1);
  assert.deepEqual(generator.runs[0]?.first, [2]);
  await assert.rejects(ask(3, controller.signal), reason);
  assert.equal(batcher.stats().faces, 1);
});

test('aborted in the middle of its batch: rejected now, the others are drawn', async () => {
  const { generator, ask } = setUp(2);
  const controller = new AbortController();
  const dropped = ask(1, controller.signal);
  const other = ask(2);
  controller.abort(new Error('enough'));
  await assert.rejects(dropped, /enough/);
  generator.runs[0]!.end.resolve();
  assert.equal((await other).data[0], 102);
});

test('a batch that fails rejects its own requests and no others', async () => {
  const { generator, ask, settle } = setUp(2);
  const failing = [ask(1), ask(2)];
  const next = [ask(3), ask(4)];
  generator.runs[0]!.end.reject(new AppError('model-invalid', 'NaN'));
  for (const result of await Promise.allSettled(failing))
    assert.ok(result.status === 'rejected' && isAppError(result.reason, 'model-invalid'));
  await settle();
  generator.runs[1]!.end.resolve();
  assert.deepEqual(
    (await Promise.all(next)).map((face) => face.data[0]),
    [103, 104],
  );
});

test('a generator that throws at once or answers short is an error, not a hang', async () => {
  const batcherOf = (generate: FaceGenerator['generate']) =>
    new FaceBatcher({ generator: { faceSidePx: 2, inputValues: 1, featureValues: 1, generate }, batch: 1 });
  const one = new Float32Array(1);
  const throwing = batcherOf(() => {
    throw new Error('bad');
  });
  await assert.rejects(throwing.submit(one, one), (error) => isAppError(error, 'internal'));
  const short = batcherOf(() => Promise.resolve(new Uint8Array(5)));
  await assert.rejects(short.submit(one, one), /5 bytes, not 12/);
});

test('close rejects what waits and answers what runs', async () => {
  const { generator, batcher, ask } = setUp(2);
  const running = [ask(1), ask(2)];
  const waiting = ask(3);
  let closed = false;
  const closing = batcher.close().then(() => (closed = true));
  await assert.rejects(waiting, (error) => isAppError(error, 'internal'));
  assert.equal(closed, false);
  generator.runs[0]!.end.resolve();
  await Promise.all(running);
  await closing;
  assert.equal(generator.runs.length, 1);
  await assert.rejects(ask(4), (error) => isAppError(error, 'internal'));
});

test('wrong lengths and an impossible batch are refused', async () => {
  const { generator, batcher } = setUp();
  await assert.rejects(batcher.submit(new Float32Array(4), new Float32Array(2)), (error) =>
    isAppError(error, 'invalid-argument'),
  );
  assert.throws(() => new FaceBatcher({ generator, batch: 0 }), /at least one/);
});

test('the figures: batches, faces, busy time, waits of the latest faces', async () => {
  const { generator, clock, batcher, ask, settle } = setUp(2);
  for (let round = 0; round < 200; round++) {
    const both = [ask(1)];
    clock.advance(10);
    both.push(ask(2));
    clock.advance(5);
    generator.runs[round]!.end.resolve();
    await Promise.all(both);
    await settle();
  }
  assert.deepEqual(batcher.stats(), {
    batches: 200,
    faces: 400,
    meanBatch: 2,
    busyMs: 1000,
    waitMs: { median: 0, p95: 10 },
  });
});

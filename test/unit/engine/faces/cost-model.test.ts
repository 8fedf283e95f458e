import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideCost, measureFaceCost, type FaceCost } from '../../../../src/engine/faces/cost-model.js';
import { isAppError } from '../../../../src/errors.js';
import { ManualClock } from '../../../helpers/manual-clock.js';

const MACHINES: Record<string, FaceCost> = {
  // UNet 8 ms and decoder 14 ms a face.
  'RTX 4090': { singleMs: 26, batch: 8, batchMs: 8 * 22, hearMs: 4 },
  // The same card with the compiled UNet and the tiny decoder.
  'RTX 4090 tiny': { singleMs: 8, batch: 8, batchMs: 8 * 5, hearMs: 4 },
  'RTX 3090': { singleMs: 27, batch: 4, batchMs: 4 * 21.5, hearMs: 5 },
  '2-core CPU': { singleMs: 8000, batch: 1, batchMs: 8000, hearMs: 900 },
  'TAESD on 16 cores': { singleMs: 200, batch: 4, batchMs: 800, hearMs: 60 },
  stub: { singleMs: 1, batch: 8, batchMs: 8, hearMs: 0.5 },
};

const TABLE: [machine: string, mode: string, capacity: number, batch: number, pipelineMs: number][] = [
  ['RTX 4090', 'live', 1, 1, 26 + 26 + 4 + 20],
  ['RTX 4090 tiny', 'live', 5, 5, 186],
  ['RTX 3090', 'live', 1, 1, 27 + 27 + 5 + 20],
  ['2-core CPU', 'unfit', 0, 1, 8000 + 8000 + 900 + 20],
  ['TAESD on 16 cores', 'prerendered', 0, 1, 200 + 200 + 60 + 20],
  // Each of 26 hears every 100 ms: the last waits for three pictures of 25 others.
  ['stub', 'live', 26, 1, 1 + 76 + 13 + 20],
];

for (const [machine, mode, capacity, batch, pipelineMs] of TABLE) {
  test(`${machine}: ${mode}, ${capacity} sessions, batches of ${batch}, ${pipelineMs} ms`, () => {
    const decision = decideCost(MACHINES[machine]!, { fps: 25 });
    const { reason, hopMs, realTimeFactor, ...decided } = decision;
    assert.deepEqual(decided, { mode, capacity, batch, pipelineMs }, reason);
    assert.equal(mode === 'live', realTimeFactor <= 0.8);
    assert.ok(hopMs >= 80 && hopMs <= 400 && hopMs % 20 === 0, `${hopMs}`);
    assert.match(reason, /^(live|pre-rendered|unfit): a face takes [\d.]+ ms/);
  });
}

test('sessions never fill more than their share, and one more would', () => {
  for (const cost of Object.values(MACHINES)) {
    for (const fps of [10, 15, 25, 30, 50]) {
      const { capacity, realTimeFactor, mode } = decideCost(cost, { fps });
      assert.ok(capacity * realTimeFactor <= 0.8 + 1e-9);
      if (mode === 'live') assert.ok((capacity + 1) * realTimeFactor > 0.8);
    }
  }
});

test('where the single face is too slow for live, the batch may save it', () => {
  const { mode, batch } = decideCost({ singleMs: 48, batch: 8, batchMs: 200, hearMs: 5 }, { fps: 25 });
  assert.equal(mode, 'live');
  assert.ok(batch > 1 && batch < 8, 'no larger than needed');
});

test('a batch that answers late is taken only where no smaller one will do', () => {
  const quick = decideCost({ singleMs: 60, batch: 16, batchMs: 360, hearMs: 5 }, { fps: 25 });
  assert.equal(quick.mode, 'live');
  assert.ok(60 + (300 / 15) * (quick.batch - 1) <= 200, `batch ${quick.batch}`);
  const slow = decideCost({ singleMs: 190, batch: 16, batchMs: 400, hearMs: 5 }, { fps: 25 });
  assert.equal(slow.mode, 'live');
  assert.ok(slow.batch > 1);
});

test('hearing is bounded: a slow encoder hears less often, and its share counts', () => {
  const fast = decideCost({ singleMs: 10, batch: 1, batchMs: 10, hearMs: 1 }, { fps: 25 });
  const slow = decideCost({ singleMs: 10, batch: 1, batchMs: 10, hearMs: 15 }, { fps: 25 });
  assert.equal(fast.hopMs, 80);
  assert.equal(slow.hopMs, 300);
  assert.ok(slow.realTimeFactor > fast.realTimeFactor);
  assert.equal(decideCost({ singleMs: 1, batch: 1, batchMs: 1, hearMs: 300 }, { fps: 25 }).hopMs, 400);
});

test('a forced mode is obeyed and the sentence says what it costs', () => {
  const slow = MACHINES['2-core CPU']!;
  const live = decideCost(slow, { fps: 25, mode: 'live' });
  assert.deepEqual([live.mode, live.capacity], ['live', 1]);
  assert.match(live.reason, /as asked for.*211 times real time.*left out/);
  const rendered = decideCost(slow, { fps: 25, mode: 'prerendered' });
  assert.deepEqual([rendered.mode, rendered.capacity], ['prerendered', 0]);
  assert.equal(decideCost(MACHINES['stub']!, { fps: 25, mode: 'prerendered' }).capacity, 0);
});

test('limits can be moved; a senseless rate is refused', () => {
  const tiny = MACHINES['TAESD on 16 cores']!;
  assert.equal(decideCost(tiny, { fps: 25, maxRealTimeFactor: 5 }).mode, 'unfit');
  assert.equal(decideCost(tiny, { fps: 3 }).mode, 'live');
  assert.equal(decideCost(MACHINES['RTX 4090']!, { fps: 25, utilisation: 0.6 }).mode, 'live');
  assert.equal(decideCost(MACHINES['RTX 4090']!, { fps: 25, utilisation: 0.5 }).mode, 'prerendered');
  assert.throws(
    () => decideCost(tiny, { fps: 0 }),
    (error) => isAppError(error, 'invalid-argument'),
  );
});

/** Networks on a clock of their own: the first run of each size is slow. */
function machine(singleMs: number, batchMs: number, warmUpMs: number) {
  const clock = new ManualClock();
  const counts: number[] = [];
  const seen = new Set<number>();
  const generator = {
    faceSidePx: 1,
    inputValues: 2,
    featureValues: 3,
    generate(inputs: Float32Array, features: Float32Array, count: number): Promise<Uint8Array> {
      assert.deepEqual([inputs.length, features.length], [2 * count, 3 * count]);
      clock.advance((count === 1 ? singleMs : batchMs) + (seen.has(count) ? 0 : warmUpMs));
      seen.add(count);
      counts.push(count);
      return Promise.resolve(new Uint8Array(3 * count));
    },
  };
  const hear = (): Promise<void> => {
    clock.advance(9);
    return Promise.resolve();
  };
  return { clock, counts, generator, hear };
}

test('measuring: warm-up first, then the figures', async () => {
  const { counts, ...parts } = machine(20, 100, 700);
  assert.deepEqual(await measureFaceCost({ ...parts, batch: 8 }), {
    singleMs: 20,
    batch: 8,
    batchMs: 100,
    hearMs: 9,
  });
  assert.deepEqual(counts, [1, 1, 1, 1, 8, 8, 8, 8]);
});

test('measuring a slow machine ends after one run, and no batch is tried', async () => {
  const { counts, ...parts } = machine(8000, 64_000, 0);
  assert.deepEqual(await measureFaceCost({ ...parts, batch: 8 }), {
    singleMs: 8000,
    batch: 1,
    batchMs: 8000,
    hearMs: 9,
  });
  assert.deepEqual(counts, [1]);
  const middling = machine(900, 7200, 0);
  assert.equal((await measureFaceCost({ ...middling, batch: 8 })).batch, 1);
  assert.equal(middling.counts.length, 4);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CLEAR_LINK,
  OVERHEAD_BYTES,
  RelayLink,
  seededRandom,
  type LinkPolicy,
} from '../../helpers/relay-link.js';

/** Time here is a number that the test hands in. */

function link(policy: Partial<LinkPolicy>, seed = 7): RelayLink<number> {
  const made = new RelayLink<number>(seededRandom(seed));
  made.setPolicy({ ...CLEAR_LINK, ...policy }, 0);
  return made;
}

/** Sends packets of 972 + 28 bytes, one each `everyMs`, and notes when each comes out; a lost one never does. */
function run(
  line: RelayLink<number>,
  count: number,
  everyMs: number,
  payloadBytes = 972,
): Map<number, number> {
  const arrivals = new Map<number, number>();
  const until = (endMs: number): void => {
    for (let next = line.nextMs(); next !== undefined && next <= endMs; next = line.nextMs())
      for (const item of line.take(next)) arrivals.set(item, next);
  };
  for (let i = 0; i < count; i += 1) {
    until(i * everyMs);
    line.push(i, payloadBytes, i * everyMs);
  }
  until(Infinity);
  return arrivals;
}

/** Lengths of the runs of packets that did not arrive. */
function bursts(arrivals: ReadonlyMap<number, number>, count: number): number[] {
  const lengths: number[] = [];
  let length = 0;
  for (let i = 0; i <= count; i += 1) {
    if (i < count && !arrivals.has(i)) length += 1;
    else if (length > 0) {
      lengths.push(length);
      length = 0;
    }
  }
  return lengths;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

test('a clear line hands everything on at once', () => {
  const arrivals = run(link({}), 100, 5);
  assert.deepEqual(
    [...arrivals],
    Array.from({ length: 100 }, (_, i) => [i, i * 5]),
  );
});

test('losses have the share that was asked for, and come one by one', () => {
  const count = 50_000;
  for (const lossShare of [0.02, 0.05, 0.1]) {
    const line = link({ lossShare });
    const arrivals = run(line, count, 1);
    const lost = 1 - arrivals.size / count;
    assert.ok(Math.abs(lost - lossShare) < 0.1 * lossShare, `${lost} lost of ${lossShare}`);
    const length = mean(bursts(arrivals, count));
    assert.ok(Math.abs(length - 1 / (1 - lossShare)) < 0.03, `runs of ${length}`);
    assert.equal(line.counters().lost, count - arrivals.size);
  }
});

test('bursts have the mean length and the share of losses that were asked for', () => {
  const count = 200_000;
  const arrivals = run(link({ lossShare: 0.05, lossBurstPackets: 4 }), count, 1);
  const lost = 1 - arrivals.size / count;
  assert.ok(Math.abs(lost - 0.05) < 0.005, `${lost} lost`);
  const length = mean(bursts(arrivals, count));
  assert.ok(Math.abs(length - 4) < 0.2, `bursts of ${length}`);
});

test('the same seed loses the same packets, another one others', () => {
  const lost = (seed: number) => [...run(link({ lossShare: 0.1 }, seed), 1000, 1).keys()];
  assert.deepEqual(lost(3), lost(3));
  assert.notDeepEqual(lost(3), lost(4));
});

test('a slow line lets its rate through, headers counted, and drops the rest at the end of the queue', () => {
  const line = link({ rateBps: 400_000, queueMs: 300 });
  const seconds = 20;
  const arrivals = run(line, seconds * 100, 10); // 800 kbit/s
  const lastMs = Math.max(...arrivals.values());
  const rateBps = (arrivals.size * (972 + OVERHEAD_BYTES) * 8000) / lastMs;
  assert.ok(Math.abs(rateBps - 400_000) < 4000, `${rateBps} bit/s`);
  const waits = [...arrivals].map(([i, atMs]) => atMs - i * 10);
  assert.ok(
    Math.max(...waits) > 280 && Math.max(...waits) <= 320,
    `the longest wait is ${Math.max(...waits)} ms`,
  );
  const { packets, delivered, overflowed, lost } = line.counters();
  assert.deepEqual([packets, delivered + overflowed, lost], [2000, 2000, 0]);
});

test('a line below its rate adds only the time that the packet takes', () => {
  const waits = [...run(link({ rateBps: 1_000_000 }), 100, 10)].map(([i, atMs]) => atMs - i * 10);
  assert.ok(
    waits.every((ms) => Math.abs(ms - 8) < 1e-6),
    String(waits.slice(0, 5)),
  );
});

test('what waits leaves at the new rate when the line becomes fast', () => {
  const line = link({ rateBps: 80_000, queueMs: 1000 });
  for (let i = 0; i < 10; i += 1) line.push(i, 972, 0); // 100 ms each
  assert.deepEqual(line.take(250), [0, 1]);
  line.setPolicy(CLEAR_LINK, 250);
  assert.deepEqual(line.take(250), [2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(line.nextMs(), undefined);
});

test('delay and jitter stay in their bounds and never change the order', () => {
  const arrivals = run(link({ delayMs: 20, jitterMs: 30 }), 5000, 2);
  const waits = [...arrivals].map(([i, atMs]) => atMs - i * 2);
  assert.ok(Math.min(...waits) >= 20 && Math.max(...waits) <= 50);
  assert.ok(Math.max(...waits) - Math.min(...waits) > 15, 'the delay does vary');
  const order = [...arrivals.keys()];
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
  assert.equal(arrivals.size, 5000);
});

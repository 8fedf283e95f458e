import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from '../../../src/worker/turns.js';
import { deferred } from '../../helpers/deferred.js';

const never = new AbortController().signal;
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('so many at once, the others in order, also behind work that fails', async () => {
  const turns = new Turns(2);
  const order: string[] = [];
  const gates = ['a', 'b', 'c', 'd'].map((name) => ({ name, gate: deferred<void>() }));
  const runs = gates.map(({ name, gate }) =>
    turns.run(never, async () => {
      order.push(name);
      await gate.promise;
    }),
  );
  for (const run of runs) run.catch(() => {});
  await settle();
  assert.deepEqual(order, ['a', 'b']);
  gates[1]!.gate.reject(new Error('b broke'));
  await assert.rejects(runs[1]!, /b broke/);
  await settle();
  assert.deepEqual(order, ['a', 'b', 'c']);
  for (const { gate } of gates) gate.resolve();
  await Promise.allSettled(runs);
  assert.deepEqual(order, ['a', 'b', 'c', 'd']);
});

test('who gives up while waiting never begins, and takes nobody else along', async () => {
  const turns = new Turns(1);
  const gate = deferred<void>();
  const first = turns.run(never, () => gate.promise);
  const abort = new AbortController();
  let begun = false;
  const second = turns.run(abort.signal, async () => void (begun = true));
  const third = turns.run(never, async () => 'third');
  abort.abort(new Error('no more'));
  await assert.rejects(second, /no more/);
  await assert.rejects(
    turns.run(abort.signal, async () => void (begun = true)),
    /no more/,
  );
  gate.resolve();
  await first;
  assert.equal(await third, 'third');
  assert.equal(begun, false);
  assert.equal(await turns.run(never, async () => 'free again'), 'free again');
});

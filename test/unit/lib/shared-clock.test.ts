import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { systemClock } from '../../../src/lib/clock.js';
import { momentOf, type ClockMoment } from '../../../src/lib/shared-clock.js';

/** Tells what the clock says there, and when. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
import(workerData.module).then(({ clockLike, momentOf }) => {
  const clock = clockLike(workerData.moment);
  setTimeout(() => parentPort.postMessage(momentOf(clock)), 50);
});
`;

test('the clock of this thread runs in another one, to a fraction of a millisecond', async () => {
  const module = new URL('../../../src/lib/shared-clock.js', import.meta.url).href;
  // A clock of its own: not that of the process, and a wall clock that was set since the process began.
  const clock = { ...systemClock, now: () => systemClock.now() + 500, wall: () => systemClock.wall() - 7000 };
  const thread = new Worker(THREAD, { eval: true, workerData: { module, moment: momentOf(clock) } });
  const [there] = (await once(thread, 'message')) as [ClockMoment];
  const here = momentOf(clock);
  const sinceMs = Number(here.hrtimeNs - there.hrtimeNs) / 1e6;
  const offByMs = [here.nowMs - there.nowMs - sinceMs, here.wallMs - there.wallMs - sinceMs];
  assert.ok(
    offByMs.every((ms) => Math.abs(ms) < 1),
    `off by ${offByMs.join(' and ')} ms`,
  );
  await thread.terminate();
});

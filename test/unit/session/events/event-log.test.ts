import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventLog, KEPT_EVENTS } from '../../../../src/session/events/event-log.js';

function follow(log: EventLog, afterId?: number): number[] {
  const told: number[] = [];
  log.follow(({ id }) => told.push(id), afterId);
  return told;
}

const add = (log: EventLog, count: number): void => {
  for (let i = 0; i < count; i += 1) log.add({ event: 'session.viewers', data: { viewers: i } });
};

test('events are numbered from 1; who names the last one it had is told the rest, then what comes', () => {
  const log = new EventLog();
  add(log, 3);
  const [fresh, back, all, future] = [follow(log), follow(log, 1), follow(log, 0), follow(log, 99)];
  add(log, 1);
  assert.deepEqual([fresh, back, all, future], [[4], [2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]]);
});

test('a bounded number is kept, and nobody is told who has left', () => {
  const log = new EventLog();
  add(log, KEPT_EVENTS + 10);
  assert.deepEqual([follow(log, 1).length, follow(log, 1)[0]], [KEPT_EVENTS, 11]);
  const told: number[] = [];
  const off = log.follow(({ id }) => told.push(id));
  off();
  add(log, 1);
  assert.deepEqual(told, []);
});

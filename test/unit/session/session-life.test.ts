import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionLife, type SessionLifeOptions } from '../../../src/session/session-life.js';

function arrange(options: Partial<SessionLifeOptions>) {
  const told: [string, number][] = [];
  const life = new SessionLife(
    { lingerMs: 30_000, onEnding: ({ reason, inMs }) => told.push([reason, inMs]), ...options },
    0,
  );
  return { life, told };
}

const watched = { watched: true, busy: false };
const alone = { watched: false, busy: false };
const speaking = { watched: false, busy: true };

test('ends after the linger time, counted from the last viewer, speech or use', () => {
  const { life, told } = arrange({});
  assert.equal(life.check(1000, watched), undefined);
  assert.equal(life.check(30_999, alone), undefined);
  assert.equal(life.check(31_000, alone), 'nobody watched any more');
  life.check(40_000, speaking);
  life.used(50_000);
  assert.equal(life.check(79_999, alone), undefined);
  assert.equal(life.check(80_000, alone), 'nobody watched any more');
  assert.deepEqual(told, []);
});

test('ends when nobody used it, though somebody watches; keep-alive puts that off, and each end is told ahead', () => {
  const { life, told } = arrange({ idleMs: 60_000 });
  life.check(0, watched);
  assert.equal(life.check(51_000, watched), undefined);
  assert.equal(life.check(52_000, watched), undefined);
  life.used(55_000);
  assert.equal(life.check(60_000, watched), undefined);
  assert.equal(life.check(106_000, watched), undefined);
  assert.equal(life.check(115_000, watched), 'nobody used it any more');
  assert.deepEqual(told, [
    ['nobody used it any more', 9000],
    ['nobody used it any more', 9000],
  ]);
});

test('ends at its greatest age in the middle of speech', () => {
  const { life, told } = arrange({ maxMs: 100_000 });
  assert.equal(life.check(95_000, { watched: true, busy: true }), undefined);
  life.used(99_000);
  assert.equal(life.check(100_000, { watched: true, busy: true }), 'it lasted as long as it may');
  assert.deepEqual(told, [['it lasted as long as it may', 5000]]);
});

test('ends after its speech if it shall, but not before it had any', () => {
  const { life } = arrange({ endAfterSpeech: true });
  assert.equal(life.check(5000, watched), undefined);
  assert.equal(life.check(6000, { watched: true, busy: true }), undefined);
  assert.equal(life.check(7000, watched), 'its speech ended');
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReplayWindow } from '../../../src/transport/replay-window.js';

describe('replay window', () => {
  it('takes each number once, in any order near the highest', () => {
    const window = new ReplayWindow();
    const order = [5, 7, 6, 100, 99, 38, 37, 1000];
    assert.deepEqual(
      order.map((index) => window.take(1, index)),
      [true, true, true, true, true, true, true, true],
    );
    assert.deepEqual(
      [...order, 936, 937].map((index) => window.take(1, index)),
      [false, false, false, false, false, false, false, false, false, true],
    );
  });

  it('agrees with a plain list for a long mixed run', () => {
    const window = new ReplayWindow();
    const came = new Set<number>();
    let highest = -1;
    for (let n = 0; n < 5000; n++) {
      const index = Math.max(0, Math.floor(n / 3) + ((n * 7919) % 90) - 45);
      const expected = !came.has(index) && index > highest - 64;
      assert.equal(window.take(9, index), expected, `${index} with ${highest} highest`);
      if (!expected) continue;
      came.add(index);
      highest = Math.max(highest, index);
    }
  });

  it('keeps senders apart, and not too many of them', () => {
    const window = new ReplayWindow();
    assert.equal(window.take(1, 5), true);
    assert.equal(window.take(2, 5), true);
    let taken = 0;
    for (let ssrc = 0; ssrc < 1000; ssrc++) if (window.take(ssrc, 9)) taken += 1;
    assert.equal(taken, 16);
  });
});

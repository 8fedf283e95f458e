import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HandshakePacer } from '../../../src/transport/handshake-pacer.js';

/** Keeps the thread for a while, as public-key arithmetic does. */
function work(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

describe('handshake pacer', () => {
  it('takes the first step at once', () => {
    let done = 0;
    new HandshakePacer().run(() => (done += 1));
    assert.equal(done, 1);
  });

  it('leaves the thread free between expensive steps, and keeps their order', async () => {
    const pacer = new HandshakePacer();
    const order: number[] = [];
    let others = 0;
    const beat = setInterval(() => (others += 1), 1);
    await new Promise<void>((resolve) => {
      for (let n = 0; n < 10; n++) {
        pacer.run(() => {
          work(4);
          order.push(n);
          if (n === 9) resolve();
        });
      }
      assert.deepEqual(order, [0], 'only the first one ran');
    });
    clearInterval(beat);
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.ok(others >= 9, `others had ${others} turns`);
  });

  it('takes cheap steps together, and forgets those beyond its limit', async () => {
    const pacer = new HandshakePacer();
    let cheap = 0;
    const last = new Promise<void>((resolve) => {
      pacer.run(() => work(3));
      for (let n = 0; n < 10_000; n++) {
        pacer.run(() => {
          cheap += 1;
          if (cheap === 4096) resolve();
        });
      }
    });
    assert.equal(cheap, 0);
    await last;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(cheap, 4096);
    pacer.run(() => (cheap += 1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(cheap, 4097);
  });
});

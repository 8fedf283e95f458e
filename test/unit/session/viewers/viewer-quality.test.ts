import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ViewerQuality, type Rung } from '../../../../src/session/viewers/viewer-quality.js';

const LADDER: readonly Rung[] = [
  { name: 'high', bps: 950_000 },
  { name: 'mid', bps: 330_000 },
  { name: 'low', bps: 135_000 },
];
const STEP_MS = 20;

/**
 * A link with a queue of 300 ms and a viewer like libwebrtc's: its estimate grows by 8 % a second to at most 1.5 times
 * what arrives, and falls to 0.85 times that when the queue grows; it is told once a second, or at once when it falls.
 * Reports on loss and round trip come once a second.
 */
class Link {
  readonly quality: ViewerQuality;
  roomBps: number;
  nowMs = 0;
  /** Rendition at each step. */
  readonly log: string[] = [];
  readonly #ladder: readonly Rung[];
  #queueBits = 0;
  #estimate = 950_000;
  readonly #arrived: number[] = [];
  #lost = 0;
  #sent = 0;
  #report: { ms: number; reportSentMs: number } | undefined;
  longestQueueMs = 0;

  constructor(roomBps: number, ladder = LADDER) {
    this.roomBps = roomBps;
    this.#ladder = ladder;
    this.quality = new ViewerQuality(ladder, 0);
  }

  run(ms: number): this {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += STEP_MS) {
      const { bps = 0 } = this.#ladder.find(({ name }) => name === this.quality.wanted) ?? {};
      const { probeBytes, report } = this.quality.step(this.nowMs);
      const bits = (bps * STEP_MS) / 1000 + probeBytes * 8;
      this.quality.onSent(bits / 8, this.nowMs);
      this.#carry(bits);
      this.longestQueueMs = Math.max(this.longestQueueMs, this.#queueMs);
      if (report || this.nowMs % 1000 === 500)
        this.#report = { ms: 20 + this.#queueMs, reportSentMs: this.nowMs };
      this.log.push(this.quality.wanted);
    }
    return this;
  }

  get #queueMs(): number {
    return (this.#queueBits * 1000) / this.roomBps;
  }

  #carry(bits: number): void {
    const limitBits = this.roomBps * 0.3;
    const through = Math.min(this.#queueBits + bits, (this.roomBps * STEP_MS) / 1000);
    const queued = this.#queueBits + bits - through;
    const lost = Math.max(0, queued - limitBits);
    const grew = queued > this.#queueBits + 1;
    this.#queueBits = queued - lost;
    this.#sent += bits;
    this.#lost += lost;
    this.#arrived.push(through);
    if (this.#arrived.length > 25) this.#arrived.shift();
    const arriving =
      (this.#arrived.reduce((sum, one) => sum + one, 0) * 1000) / (this.#arrived.length * STEP_MS);
    if (grew && this.#queueMs > 40) {
      if (0.85 * arriving < this.#estimate) {
        this.#estimate = 0.85 * arriving;
        this.quality.onRemb(this.#estimate, this.nowMs);
      }
    } else if (this.#estimate < 1.5 * arriving)
      this.#estimate = Math.min(this.#estimate * 1.08 ** (STEP_MS / 1000), 1.5 * arriving);
    if (this.nowMs % 1000 !== 0 || this.nowMs === 0) return;
    this.quality.onRemb(this.#estimate, this.nowMs);
    this.quality.onReport(this.#lost / this.#sent, this.#report, this.nowMs);
    this.#sent = this.#lost = 0;
  }
}

const share = (log: readonly string[], name: string): number =>
  log.filter((one) => one === name).length / log.length;

describe('ViewerQuality', () => {
  it('stays with the best on a link that carries it', () => {
    assert.equal(share(new Link(2_000_000).run(30_000).log, 'high'), 1);
  });

  it('leaves random loss to repeats', () => {
    const quality = new ViewerQuality(LADDER, 0);
    for (let nowMs = 0; nowMs < 20_000; nowMs += 20) {
      quality.onSent(2375, nowMs);
      if (nowMs % 1000 === 0 && nowMs > 0) {
        quality.onReport(0.1, { ms: 20, reportSentMs: nowMs - 500 }, nowMs);
        quality.onRemb(950_000 * 0.9, nowMs);
      }
    }
    assert.equal(quality.wanted, 'high');
  });

  it('goes down within a second and stays there but for probes', () => {
    for (const [roomBps, name] of [
      [400_000, 'mid'],
      [150_000, 'low'],
      [60_000, 'low'],
    ] as const) {
      const link = new Link(2_000_000).run(8000);
      link.roomBps = roomBps;
      link.run(1500);
      assert.notEqual(link.quality.wanted, 'high', `${roomBps} bit/s`);
      link.run(2000); // the queue drains
      link.log.length = 0;
      link.longestQueueMs = 0;
      link.run(30_000);
      // At 60 kbit/s not even the lowest rendition fits.
      if (roomBps > 100_000)
        assert.ok(link.longestQueueMs < 200, `${link.longestQueueMs} ms of queue by probes`);
      assert.ok(share(link.log, name) > 0.85, `${name} at ${roomBps}: ${share(link.log, name)}`);
      assert.equal(share(link.log.slice(-1), 'high'), 0);
    }
  });

  it('is back at the best within ten seconds, however long the link was narrow', () => {
    for (const narrowMs of [3000, 17_000, 41_000, 60_000]) {
      const link = new Link(2_000_000).run(8000);
      link.roomBps = 150_000;
      link.run(narrowMs);
      assert.equal(link.quality.wanted, 'low');
      link.roomBps = 2_000_000;
      link.run(10_000);
      assert.equal(link.quality.wanted, 'high', `after ${narrowMs} ms`);
    }
  });

  it('goes down by loss alone where the viewer sends no estimate', () => {
    const quality = new ViewerQuality(LADDER, 0);
    for (let nowMs = 0; nowMs <= 3000; nowMs += 20) {
      quality.onSent(2375, nowMs);
      if (nowMs % 1000 === 0) quality.onReport(0.5, undefined, nowMs);
    }
    assert.equal(quality.wanted, 'mid');
  });

  it('never passes the ceiling, and keeps its rank when the ladder changes', () => {
    const link = new Link(2_000_000);
    link.quality.setTop('mid');
    assert.equal(link.quality.wanted, 'mid');
    assert.equal(link.quality.constrained, false);
    link.run(10_000);
    assert.equal(share(link.log, 'mid'), 1);
    link.quality.setLadder([
      { name: 'high', bps: 500_000 },
      { name: 'mid', bps: 250_000 },
      { name: 'low', bps: 135_000 },
    ]);
    assert.equal(link.quality.wanted, 'mid');
    link.quality.setTop(undefined);
    assert.equal(link.quality.wanted, 'high');
  });
});

import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { Repairs, type LinkState } from '../../../../src/session/viewers/repairs.js';
import { ManualClock } from '../../../helpers/manual-clock.js';

const PACKET_BYTES = 1000;

class Stream {
  repeated = 0;
  readonly asked: { sequenceNumber: number; atMs: number; roundTripMs: number }[] = [];
  /** Sequence numbers that are kept no more. */
  readonly gone = new Set<number>();
  readonly copiedAtMs: number[] = [];
  probe(back: number, nowMs: number): number {
    assert.equal(back, 0, 'the newest');
    this.copiedAtMs.push(nowMs);
    return PACKET_BYTES;
  }
  repeat(sequenceNumber: number, atMs: number, roundTripMs: number): number {
    this.asked.push({ sequenceNumber, atMs, roundTripMs });
    if (this.gone.has(sequenceNumber)) return 0;
    this.repeated += 1;
    return PACKET_BYTES;
  }
}

describe('Repairs', () => {
  const numbers = Array.from({ length: 200 }, (_, at) => at);
  let clock: ManualClock;
  let stream: Stream;
  let link: LinkState;
  let repairs: Repairs;
  beforeEach(() => {
    clock = new ManualClock();
    stream = new Stream();
    link = { narrow: false, sentBps: 800_000, lossShare: 0, rttMs: 30 };
    repairs = new Repairs(clock, () => link);
  });

  it('repeats what is asked for, once in a round trip, and tells how much', () => {
    stream.gone.add(2);
    assert.equal(repairs.repeat(stream, [1, 2, 3]).repeated, 2);
    assert.deepEqual(
      stream.asked.map(({ roundTripMs }) => roundTripMs),
      [30, 30, 30],
    );
  });

  it('stops at a share of what is sent in a second, which is paid off within one', () => {
    // 30 % of 100 kB, and one more.
    assert.equal(repairs.repeat(stream, numbers).repeated, 31);
    assert.equal(repairs.repeat(stream, numbers).repeated, 0);
    for (let step = 0; step < 25; step += 1) repairs.step(stream);
    assert.equal(repairs.repeat(stream, numbers).repeated, 15);
    for (let step = 0; step < 100; step += 1) repairs.step(stream);
    assert.equal(repairs.repeat(stream, numbers).repeated, 31);
  });

  it('repeats little on a narrow link, and nothing twice', () => {
    link = { narrow: true, sentBps: 200_000, lossShare: 0.1, rttMs: undefined };
    assert.deepEqual(repairs.repeat(stream, numbers), { repeated: 5, refused: 195 });
    clock.advance(100);
    assert.equal(stream.repeated, 5);
  });

  it('repeats a second time a moment later where the line loses packets', () => {
    link = { ...link, lossShare: 0.05 };
    assert.equal(repairs.repeat(stream, [7, 8]).repeated, 2);
    clock.advance(19);
    assert.equal(stream.repeated, 2);
    clock.advance(1);
    assert.deepEqual(
      stream.asked.slice(2).map(({ sequenceNumber, atMs }) => [sequenceNumber, atMs]),
      [
        [7, 20],
        [8, 20],
      ],
    );
  });

  it("sends each picture's last packet twice where the line loses packets, and only there", () => {
    repairs.pictureLeft();
    repairs.step(stream);
    assert.deepEqual(stream.copiedAtMs, []);
    link = { ...link, lossShare: 0.05 };
    for (let step = 0; step < 4; step += 1) {
      if (step % 2 === 0) repairs.pictureLeft();
      repairs.step(stream);
      clock.advance(20);
    }
    assert.deepEqual(stream.copiedAtMs, [0, 40]);
    link = { ...link, narrow: true };
    repairs.pictureLeft();
    repairs.step(stream);
    assert.equal(stream.copiedAtMs.length, 2);
  });
});

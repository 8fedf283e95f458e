import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { Playout, SOUND_LEAD_MS } from '../../../src/session/playout/playout.js';
import { SessionMetrics } from '../../../src/session/session-metrics.js';
import { ViewerTally } from '../../../src/session/viewers/viewer-tally.js';

const NONE = { sent: 0, late: 0, dropped: 0, skipped: 0 };

describe('SessionMetrics', () => {
  let nowMs: number;
  let metrics: SessionMetrics;
  beforeEach(() => {
    nowMs = 500;
    metrics = new SessionMetrics(() => nowMs);
  });

  const summary = () => metrics.summary(NONE, new ViewerTally());

  /** A real playout on a clock that the test moves; sound waits in it from the start. */
  function play(fps = 25) {
    const sinks = { sound: () => {}, picture: () => {}, jpeg: () => {} };
    const playout = new Playout(fps, sinks, metrics);
    for (let packet = 0; packet < 500; packet += 1)
      playout.pushSound({ full: new Uint8Array(1) }, packet * 960);
    const startMs = nowMs;
    const to = (mediaMs: number): void => {
      nowMs = startMs + mediaMs;
      playout.advance(mediaMs * 48);
    };
    // The sound that leaves ahead of the first picture.
    for (let ms = -SOUND_LEAD_MS; ms < 0; ms += 1) to(ms);
    return {
      to,
      picture: (index: number) => playout.pushPicture({ index, key: false, data: new Uint8Array(1) }),
    };
  }

  it('finds no skew where sound and picture leave together', () => {
    const playout = play();
    for (let i = 0; i < 25; i += 1) playout.picture(i);
    for (let ms = 0; ms < 1000; ms += 5) playout.to(ms);
    const { skewMs, frameGapMs, queuedSounds, queuedPictures, freezes } = summary();
    assert.deepEqual(skewMs, { count: 25, min: 0, p50: 0, p95: 0, max: 0 });
    assert.deepEqual(frameGapMs, { count: 24, min: 40, p50: 40, p95: 40, max: 40 });
    assert.deepEqual([queuedSounds?.max, queuedSounds?.min], [500, 449]);
    assert.deepEqual([queuedPictures?.max, queuedPictures?.min], [25, 0]);
    assert.equal(freezes, 0);
  });

  it('shows a late picture as skew against the sound that left in time', () => {
    const playout = play();
    for (let ms = 0; ms <= 130; ms += 5) playout.to(ms);
    playout.picture(1); // due at 40 ms
    playout.to(130);
    assert.deepEqual(summary().skewMs, { count: 1, min: 90, p50: 90, p95: 90, max: 90 });
  });

  it('shows that after a stall sound has lost its lead', () => {
    const playout = play();
    playout.to(0);
    playout.picture(5);
    playout.to(400);
    assert.equal(summary().skewMs?.max, -SOUND_LEAD_MS);
  });

  it('accounts for a picture that begins within a packet of sound', () => {
    const playout = play(30);
    for (let i = 0; i < 30; i += 1) playout.picture(i);
    for (let ms = 0; ms < 1000; ms += 1) playout.to(ms);
    // Picture 1 is due at 33.3 ms, within the packet of 20 ms; on a clock of whole milliseconds it leaves at 34.
    const { skewMs } = summary();
    assert.equal(skewMs?.count, 30);
    assert.ok(skewMs.min >= 0 && skewMs.max < 1, `${skewMs.min} to ${skewMs.max} ms`);
  });

  it('leaves a picture out whose sound is not known any more', () => {
    const playout = play();
    playout.to(9000);
    playout.picture(0);
    playout.to(9000);
    assert.equal(summary().skewMs, undefined);
  });

  it('takes what the worker and the timer say', () => {
    metrics.workerReported({ renderMs: 8, encodeMs: 4 });
    metrics.timerCame(-0.5);
    metrics.timerCame(30);
    const { renderMs, encoderDelayMs, eventLoopDelayMs } = summary();
    assert.deepEqual([renderMs?.p50, encoderDelayMs?.p50], [8, 4]);
    assert.deepEqual([eventLoopDelayMs?.min, eventLoopDelayMs?.max], [0, 30]);
  });

  it('tells the sums over all viewers as they are', () => {
    const sums = new ViewerTally();
    sums.firstFrameMs.add(100);
    const { numbers, histograms } = metrics.figures('s', NONE, sums, []);
    const first = histograms.find(({ name }) => name === 'musecast_all_viewers_first_frame_seconds');
    assert.equal(first?.snapshot.count, 1);
    assert.ok(numbers.some(({ name }) => name === 'musecast_all_viewers_pictures_sent_total'));
    assert.equal(metrics.summary(NONE, sums).allViewers.firstFrameMs?.max, 100);
  });
});

import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { ViewerMetrics } from '../../../../src/session/viewers/viewer-metrics.js';

describe('ViewerMetrics', () => {
  let nowMs: number;
  let viewer: ViewerMetrics;
  beforeEach(() => {
    nowMs = 1000;
    viewer = new ViewerMetrics(() => nowMs);
  });

  /** Pictures `gapMs` apart, the first after one gap. */
  function send(count: number, gapMs = 40): void {
    for (let i = 0; i < count; i += 1) {
      nowMs += gapMs;
      viewer.pictureSent(i === 0, nowMs - 900);
    }
  }

  it('says nothing that it has not measured', () => {
    assert.deepEqual(viewer.summary(), {
      moves: 0,
      freezes: 0,
      freezeMs: 0,
      picturesSent: 0,
      keyPicturesSent: 0,
      picturesHeldBack: 0,
      soundsSent: 0,
      keyframesRequested: { pli: 0, fir: 0, join: 0 },
      packetsRetransmitted: 0,
      nacksMissed: 0,
    });
  });

  it('times the first picture from the offer, and the connection from when it stood', () => {
    viewer.offered();
    nowMs += 100;
    viewer.connected();
    viewer.pictureHeldBack();
    nowMs += 60;
    viewer.pictureSent(true, 4000);
    nowMs += 40;
    viewer.pictureSent(false, 4040);
    viewer.connected();
    nowMs += 1960;
    const { firstFrameMs, connectedS, lastPictureAgoMs, lastPictureMediaMs, ...rest } = viewer.summary();
    assert.deepEqual(
      { firstFrameMs, connectedS, lastPictureAgoMs, lastPictureMediaMs },
      { firstFrameMs: 160, connectedS: 2.1, lastPictureAgoMs: 1960, lastPictureMediaMs: 4040 },
    );
    assert.deepEqual([rest.picturesSent, rest.keyPicturesSent, rest.picturesHeldBack], [2, 1, 1]);
    assert.deepEqual(viewer.tally.firstFrameMs.spread()?.count, 1);
  });

  it('counts a gap in the pictures as a freeze once it is over', () => {
    send(31);
    nowMs += 400;
    assert.equal(viewer.summary().freezes, 0);
    viewer.pictureSent(true, 0);
    send(20);
    const { freezes, freezeMs, frameGapMs } = viewer.summary();
    assert.deepEqual([freezes, freezeMs], [1, 400]);
    assert.deepEqual([frameGapMs?.count, frameGapMs?.max], [51, 400]);
    assert.ok(Math.abs(frameGapMs!.p50 - 40) < 1.1, `median ${frameGapMs!.p50}`);
  });

  it('keeps the last round trip and jitter, and the loss of a few reports', () => {
    viewer.report({ rttMs: 30, lostShare: 0, jitterMs: 2 });
    viewer.report({ lostShare: 0.2, jitterMs: 5 });
    const { rttMs, jitterMs, lostShare } = viewer.summary();
    assert.deepEqual({ rttMs, jitterMs, lostShare }, { rttMs: 30, jitterMs: 5, lostShare: 0.05 });
    for (let i = 0; i < 20; i += 1) viewer.report({ rttMs: 30, lostShare: 0.2, jitterMs: 5 });
    assert.ok(viewer.summary().lostShare! > 0.199);
    assert.equal(viewer.tally.lostShare.count, 22);
  });

  it('is not spoilt by reports that make no sense', () => {
    viewer.report({ rttMs: 30, lostShare: 0.1, jitterMs: 2 });
    viewer.report({ rttMs: -5, lostShare: 1.5, jitterMs: -1 });
    viewer.report({ rttMs: NaN, lostShare: NaN, jitterMs: Infinity });
    const { rttMs, jitterMs, lostShare } = viewer.summary();
    assert.deepEqual({ rttMs, jitterMs, lostShare }, { rttMs: 30, jitterMs: 2, lostShare: 0.1 });
  });

  it('tells why keyframes were asked for, and what was sent again', () => {
    viewer.keyframeRequested('join');
    viewer.keyframeRequested('pli');
    viewer.keyframeRequested('pli');
    viewer.keyframeRequested('fir');
    viewer.packetsRetransmitted(3);
    viewer.packetsRetransmitted(4);
    viewer.nackMissed(2);
    viewer.soundSent();
    const summary = viewer.summary();
    assert.deepEqual(summary.keyframesRequested, { pli: 2, fir: 1, join: 1 });
    assert.deepEqual([summary.packetsRetransmitted, summary.nacksMissed, summary.soundsSent], [7, 2, 1]);
    assert.equal(viewer.tally.keyframesRequested, 4);
  });

  it('names its figures as Prometheus wants them', () => {
    viewer.offered();
    send(3);
    for (const { name, unit } of viewer.histograms()) {
      assert.match(name, /^musecast_viewer_[a-z_]+_(seconds|ratio)$/);
      assert.equal(unit, name.endsWith('_seconds') ? 'ms' : 'none');
    }
    for (const { name, type } of viewer.numbers())
      assert.match(name, type === 'counter' ? /_total$/ : /_seconds$/);
  });
});

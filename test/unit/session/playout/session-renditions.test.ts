import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RenditionRequest } from '../../../../src/encoder/renditions.js';
import type { RenditionName } from '../../../../src/media/frame.js';
import { SessionRenditions } from '../../../../src/session/playout/session-renditions.js';
import { rungsOf, ViewerQuality } from '../../../../src/session/viewers/viewer-quality.js';

const SOURCE = { widthPx: 512, heightPx: 512, fps: 25, bitrateBps: 800_000, h264: true };

function arrange(source = SOURCE): {
  renditions: SessionRenditions;
  applied: (readonly RenditionRequest[])[];
} {
  const applied: (readonly RenditionRequest[])[] = [];
  return { renditions: new SessionRenditions(source, (wanted) => applied.push(wanted)), applied };
}

const names = (wanted: readonly { name: RenditionName }[] | undefined) => wanted?.map(({ name }) => name);

describe('H.264 among the renditions of a session', () => {
  it('is there only where it can be coded', () => {
    assert.deepEqual(names(arrange().renditions.ladder), ['high', 'mid', 'low', 'h264']);
    assert.deepEqual(names(arrange({ ...SOURCE, h264: false }).renditions.ladder), ['high', 'mid', 'low']);
  });

  it('is coded only while a viewer needs it, beside the others or alone', () => {
    const { renditions, applied } = arrange();
    renditions.serve(new Set(), 0);
    assert.deepEqual(applied, [], 'high alone, as the stream began');
    renditions.serve(new Set(['high', 'h264']), 1000);
    assert.deepEqual(names(applied.at(-1)), ['high', 'h264']);
    assert.deepEqual(applied.at(-1)?.[1], { name: 'h264', widthPx: 512, heightPx: 512, bitrateBps: 800_000 });
    renditions.serve(new Set(['h264']), 5000);
    assert.deepEqual(names(applied.at(-1)), ['h264']);
    renditions.serve(new Set(['high']), 9000);
    assert.deepEqual(names(applied.at(-1)), ['high']);
  });

  it('keeps the ceiling and the quality of the session', () => {
    const { renditions, applied } = arrange();
    renditions.configure({ maxBitrateBps: 500_000 });
    renditions.serve(new Set(['h264']), 0);
    assert.equal(applied.at(-1)?.at(-1)?.bitrateBps, 500_000);
    renditions.configure({ quality: 'low' });
    renditions.serve(new Set(['h264']), 0);
    const { widthPx, bitrateBps } = applied.at(-1)!.at(-1)!;
    assert.ok(widthPx <= 256 && bitrateBps <= 100_000, `${widthPx} pixels, ${bitrateBps} bit/s`);
    assert.deepEqual(names(applied.at(-1)), ['h264']);
  });

  it('is the only rung of its viewers, whatever their links say and the session allows', () => {
    const { renditions } = arrange();
    const quality = new ViewerQuality(rungsOf(renditions.ladder, 'H264'), 0);
    const vp8 = new ViewerQuality(rungsOf(renditions.ladder, 'VP8'), 0);
    assert.deepEqual([quality.wanted, vp8.wanted], ['h264', 'high']);
    for (const each of [quality, vp8])
      for (let nowMs = 0; nowMs < 4000; nowMs += 100) {
        each.onSent(10_000, nowMs);
        each.onReport(0.6, undefined, nowMs);
        each.onRemb(800_000 - 100 * nowMs, nowMs);
      }
    assert.deepEqual([quality.wanted, vp8.wanted], ['h264', 'low']);
    assert.equal(quality.constrained, false);
    renditions.configure({ quality: 'mid', maxBitrateBps: 300_000 });
    quality.setLadder(rungsOf(renditions.ladder, 'H264'));
    quality.setTop(renditions.top);
    assert.equal(quality.wanted, 'h264');
  });
});

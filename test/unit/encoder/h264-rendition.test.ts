import assert from 'node:assert/strict';
import { it } from 'node:test';
import { h264RenditionOf } from '../../../src/encoder/h264-encoder.js';

const macroblocks = ({ widthPx, heightPx }: { widthPx: number; heightPx: number }): number =>
  Math.ceil(widthPx / 16) * Math.ceil(heightPx / 16);

it('H.264 is coded in full size at the rate of the rendition that it stands for', () => {
  for (const [widthPx, heightPx] of [
    [512, 512],
    [704, 1216],
    [1280, 720],
  ] as const) {
    const like = { name: 'high', widthPx, heightPx, bitrateBps: 700_000 } as const;
    assert.deepEqual(h264RenditionOf(like, 25), { ...like, name: 'h264' });
  }
});

it('pictures that level 3.1 cannot hold at their rate get smaller, in even sides of the same aspect', () => {
  for (const [widthPx, heightPx, fps] of [
    [1920, 1080, 25],
    [1080, 1920, 30],
    [1280, 720, 50],
    [512, 512, 240],
  ] as const) {
    const coded = h264RenditionOf({ name: 'high', widthPx, heightPx, bitrateBps: 1 }, fps);
    assert.ok(macroblocks(coded) <= 3600 && macroblocks(coded) * fps <= 108_000);
    assert.ok(macroblocks(coded) * fps > 100_000 || macroblocks(coded) > 3400, 'not smaller than needed');
    assert.ok(coded.widthPx % 2 === 0 && coded.heightPx % 2 === 0);
    assert.ok(Math.abs(coded.widthPx / coded.heightPx / (widthPx / heightPx) - 1) < 0.02);
  }
});

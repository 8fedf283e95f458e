import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renditionsOf } from '../../../src/encoder/renditions.js';
import { defaultBitrateBps } from '../../../src/encoder/vp8-encoder.js';

const SIZES = [
  [704, 1216],
  [512, 512],
  [576, 768],
  [1280, 720],
  [1920, 1080],
  [720, 128],
] as const;

test('three renditions, each smaller and cheaper than the one before, in even sizes of the same aspect', () => {
  for (const [widthPx, heightPx] of SIZES) {
    const ceilingBps = defaultBitrateBps(widthPx, heightPx);
    const [high, mid, low] = renditionsOf({ widthPx, heightPx }, ceilingBps);
    assert.deepEqual(high, { name: 'high', widthPx, heightPx, bitrateBps: ceilingBps });
    assert.deepEqual([mid?.name, low?.name], ['mid', 'low']);
    assert.ok(mid!.bitrateBps < ceilingBps / 2 && low!.bitrateBps < mid!.bitrateBps / 1.5);
    assert.ok(mid!.widthPx <= widthPx && low!.widthPx <= mid!.widthPx);
    for (const each of [mid!, low!]) {
      assert.ok(each.widthPx % 2 === 0 && each.heightPx % 2 === 0, `${each.widthPx}x${each.heightPx}`);
      const stretch = each.widthPx / each.heightPx / (widthPx / heightPx);
      assert.ok(Math.abs(stretch - 1) < 0.02, `${each.widthPx}x${each.heightPx}: ${stretch}`);
    }
  }
});

test('low fits a link of 150 kbit/s beside its sound, whatever the size and the ceiling', () => {
  for (const [widthPx, heightPx] of SIZES) {
    for (const ceilingBps of [300_000, 800_000, 5_000_000]) {
      const low = renditionsOf({ widthPx, heightPx }, ceilingBps).at(-1)!;
      assert.equal(low.name, 'low');
      assert.ok(low.bitrateBps >= 60_000 && low.bitrateBps <= 70_000);
      assert.ok(
        low.widthPx * low.heightPx <= 115_000,
        `${low.widthPx}x${low.heightPx} is more than that shows`,
      );
    }
  }
});

test('a small avatar is coded coarser, not smaller than a face needs, and in fewer renditions', () => {
  assert.deepEqual(renditionsOf({ widthPx: 128, heightPx: 128 }, 200_000), [
    { name: 'high', widthPx: 128, heightPx: 128, bitrateBps: 200_000 },
    { name: 'low', widthPx: 128, heightPx: 128, bitrateBps: 60_000 },
  ]);
});

test('where the ceiling is about what low takes, there is nothing but high', () => {
  assert.deepEqual(
    renditionsOf({ widthPx: 512, heightPx: 512 }, 90_000).map(({ name }) => name),
    ['high'],
  );
});

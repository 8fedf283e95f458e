import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EncodedPicture } from '../../src/media/frame.js';
import { decodeVp8 } from '../helpers/ivf.js';
import { movingPicture } from '../helpers/moving-picture.js';
import { arrangeRenditions, HIGH, LOW, SOURCE } from '../helpers/rendition-stream.js';

const LIMIT = { timeout: 30_000 };

/** Indices that follow each other without a gap, from `first` on. */
function assertContiguous(pictures: readonly EncodedPicture[], first: number): void {
  assert.deepEqual(
    pictures.map(({ index }) => index),
    pictures.map((_, at) => first + at),
  );
}

const keysOf = (pictures: readonly EncodedPicture[]) =>
  pictures.filter(({ key }) => key).map(({ index }) => index);

/** VP8 key pictures name their size (RFC 6386 section 9.1). */
function sizeOf({ data }: EncodedPicture): [number, number] {
  const view = new DataView(data.buffer, data.byteOffset);
  return [view.getUint16(6, true) & 0x3fff, view.getUint16(8, true) & 0x3fff];
}

/** Mean difference of decoded pictures from those that were drawn, per byte. */
function differences(decoded: Buffer, indices: readonly number[]): number[] {
  const sizeBytes = (SOURCE.widthPx * SOURCE.heightPx * 3) / 2;
  assert.equal(decoded.length, indices.length * sizeBytes);
  return indices.map((index, at) => {
    const drawn = movingPicture(SOURCE.widthPx, SOURCE.heightPx, index).data;
    let sum = 0;
    for (let k = 0; k < sizeBytes; k += 1)
      sum += Math.abs((decoded[at * sizeBytes + k] ?? 0) - (drawn[k] ?? 0));
    return sum / sizeBytes;
  });
}

test(
  'a stream begins with high alone; another rendition starts with a key picture and ends',
  LIMIT,
  async (t) => {
    const { media, pictures, draw, drawUntil } = await arrangeRenditions(t);
    for (let k = 0; k < 5; k += 1) await draw();
    media.setRenditions([HIGH, LOW]);
    await drawUntil(() => pictures('low').length >= 20);
    media.setRenditions([HIGH]);
    const left = pictures('low').length;
    await drawUntil(() => pictures('high').length >= 50);
    const high = pictures('high');
    const low = pictures('low');
    assertContiguous(high, 0);
    assert.deepEqual(keysOf(high), [0]);
    assertContiguous(low, low[0]!.index);
    assert.deepEqual(keysOf(low), [low[0]!.index]);
    assert.deepEqual(sizeOf(low[0]!), [LOW.widthPx, LOW.heightPx]);
    assert.equal(low.length, left, 'nothing comes of a rendition that is not wanted');
    const decoded = await decodeVp8(low, SOURCE.widthPx, SOURCE.heightPx);
    const worst = Math.max(
      ...differences(
        decoded,
        low.map(({ index }) => index),
      ),
    );
    assert.ok(worst < 25, `a picture of low differs by ${worst.toFixed(1)}: it is another one`);
  },
);

test(
  'another bit rate takes over with a key picture: no index lost or doubled, one stream to a decoder',
  LIMIT,
  async (t) => {
    const { media, pictures, encoders, drawUntil } = await arrangeRenditions(t);
    await drawUntil(() => pictures('high').length >= 10);
    for (const bitrateBps of [150_000, 600_000]) {
      const before = keysOf(pictures('high')).length;
      media.setRenditions([{ ...HIGH, bitrateBps }]);
      await drawUntil(() => keysOf(pictures('high')).length > before);
      const at = pictures('high').length;
      await drawUntil(() => pictures('high').length >= at + 10);
    }
    const high = pictures('high');
    assertContiguous(high, 0);
    assert.equal(keysOf(high).length, 3, 'one key picture an encoder');
    assert.equal((await encoders('full')).length, 3);
    const decoded = await decodeVp8(high, SOURCE.widthPx, SOURCE.heightPx);
    const worst = Math.max(
      ...differences(
        decoded,
        high.map(({ index }) => index),
      ),
    );
    assert.ok(worst < 12, `a picture differs by ${worst.toFixed(1)}`);
  },
);

test(
  'another size does the same, and a change of mind meanwhile starts no third encoder at work',
  LIMIT,
  async (t) => {
    const { media, pictures, drawUntil } = await arrangeRenditions(t);
    await drawUntil(() => pictures('high').length >= 5);
    const half = { ...HIGH, widthPx: 128, heightPx: 96 };
    for (const bitrateBps of [100_000, 110_000, 120_000]) media.setRenditions([{ ...half, bitrateBps }]);
    await drawUntil(() => keysOf(pictures('high')).length === 2);
    const at = pictures('high').length;
    await drawUntil(() => pictures('high').length >= at + 30);
    const high = pictures('high');
    assertContiguous(high, 0);
    assert.equal(keysOf(high).length, 2);
    assert.deepEqual(high.filter(({ key }) => key).map(sizeOf), [
      [256, 192],
      [128, 96],
    ]);
    await decodeVp8(high, SOURCE.widthPx, SOURCE.heightPx);
  },
);

test('key pictures are asked for in one rendition or in all', LIMIT, async (t) => {
  const { media, pictures, drawUntil } = await arrangeRenditions(t);
  media.setRenditions([HIGH, LOW]);
  await drawUntil(() => pictures('low').length >= 3);
  media.requestKeyframe('low');
  await drawUntil(() => keysOf(pictures('low')).length === 2);
  assert.equal(keysOf(pictures('high')).length, 1);
  media.requestKeyframe();
  await drawUntil(() => keysOf(pictures('low')).length === 3 && keysOf(pictures('high')).length === 2);
});

test('an extra encoder that stands still holds nothing up, is counted and replaced', LIMIT, async (t) => {
  const { media, sent, pictures, encoders, draw, drawUntil } = await arrangeRenditions(t);
  media.setRenditions([HIGH, LOW]);
  await drawUntil(() => pictures('low').length >= 5);
  const [pid] = await encoders('extra');
  process.kill(pid!, 'SIGSTOP');
  const gapFrom = pictures('high').length;
  await drawUntil(() => pictures('high').length >= gapFrom + 20);
  let slowestMs = 0;
  for (let k = 0; k < 20; k += 1) {
    const mark = performance.now();
    await draw();
    slowestMs = Math.max(slowestMs, performance.now() - mark);
  }
  assert.ok(slowestMs < 1000, `a picture waited ${slowestMs.toFixed(0)} ms for a rendition beside it`);
  const seen = pictures('low').length;
  await drawUntil(() => pictures('low').length >= seen + 5);
  const low = pictures('low');
  assert.equal(keysOf(low).length, 2);
  assert.equal(low[seen]!.key, true, 'the new encoder begins with a key picture');
  assertContiguous(pictures('high'), 0);
  assert.deepEqual(keysOf(pictures('high')), [0]);
  const stats = () => sent.filter((message) => message.type === 'stats');
  await drawUntil(() => stats().some(({ renditionRestarts }) => renditionRestarts === 1));
  assert.ok(stats().some(({ renditionDrops }) => renditionDrops > 0));
  await decodeVp8(pictures('high'), SOURCE.widthPx, SOURCE.heightPx);
});

test('a slow extra encoder codes what was drawn, though the engine draws over it', LIMIT, async (t) => {
  const { media, pictures, encoders, draw, drawUntil } = await arrangeRenditions(t);
  media.setRenditions([HIGH, LOW]);
  await drawUntil(() => pictures('low').length >= 5);
  const [pid] = await encoders('extra');
  process.kill(pid!, 'SIGSTOP');
  for (let k = 0; k < 3; k += 1) await draw();
  process.kill(pid!, 'SIGCONT');
  const seen = pictures('low').length;
  await drawUntil(() => pictures('low').length >= seen + 8);
  const low = pictures('low');
  const decoded = await decodeVp8(low, SOURCE.widthPx, SOURCE.heightPx);
  const off = differences(
    decoded,
    low.map(({ index }) => index),
  );
  assert.ok(Math.max(...off) < 25, `a picture of low differs by ${Math.max(...off).toFixed(1)}`);
});

test(
  'one that stands still while it is replaced delays its successor only for a moment',
  LIMIT,
  async (t) => {
    const { media, pictures, encoders, drawUntil } = await arrangeRenditions(t);
    media.setRenditions([HIGH, LOW]);
    await drawUntil(() => pictures('low').length >= 5);
    const seen = pictures('low').length;
    process.kill((await encoders('extra'))[0]!, 'SIGSTOP');
    media.setRenditions([HIGH, { ...LOW, bitrateBps: 80_000 }]);
    await drawUntil(() => pictures('low').length >= seen + 10);
    const low = pictures('low');
    assert.equal(keysOf(low).length, 2);
    assert.ok(
      low.every(({ index }, at) => at === 0 || index > low[at - 1]!.index),
      'indices rise',
    );
    assertContiguous(pictures('high'), 0);
  },
);

test(
  'an extra encoder that dies is replaced; when that of high dies the stream is lost',
  LIMIT,
  async (t) => {
    const { media, sent, pictures, encoders, drawUntil } = await arrangeRenditions(t);
    media.setRenditions([HIGH, LOW]);
    await drawUntil(() => pictures('low').length >= 5);
    process.kill((await encoders('extra'))[0]!, 'SIGKILL');
    await drawUntil(() => keysOf(pictures('low')).length === 2);
    const low = pictures('low');
    assert.ok(low.every(({ index }, at) => at === 0 || index > low[at - 1]!.index));
    assertContiguous(pictures('high'), 0);
    assert.ok(!sent.some(({ type }) => type === 'stream-failed'));
    process.kill((await encoders('full'))[0]!, 'SIGKILL');
    await drawUntil(() => sent.some(({ type }) => type === 'stream-failed'));
  },
);

test('high rests while nobody wants it, and comes back with a key picture', LIMIT, async (t) => {
  const { media, pictures, drawUntil } = await arrangeRenditions(t);
  media.setRenditions([HIGH, LOW]);
  await drawUntil(() => pictures('low').length >= 3);
  media.setRenditions([LOW]);
  const rested = pictures('high').length;
  const low = pictures('low').length;
  await drawUntil(() => pictures('low').length >= low + 10);
  assert.equal(pictures('high').length, rested);
  media.setRenditions([HIGH]);
  await drawUntil(() => pictures('high').length > rested);
  assert.equal(pictures('high')[rested]!.key, true);
});

test('closing ends every encoder, also those being warmed', LIMIT, async (t) => {
  const { media, pictures, encoders, drawUntil } = await arrangeRenditions(t);
  await drawUntil(() => pictures('high').length >= 3);
  media.setRenditions([{ ...HIGH, bitrateBps: 200_000 }, LOW]);
  await media.close();
  for (const pid of [...(await encoders('full')), ...(await encoders('extra'))])
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

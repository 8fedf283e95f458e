import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { findFfmpeg, type Ffmpeg } from '../../src/adapters/ffmpeg.js';
import { H264 } from '../../src/encoder/h264-encoder.js';
import { LiveEncoder } from '../../src/encoder/live-encoder.js';
import { silentLog } from '../../src/lib/log.js';
import type { EncodedPicture } from '../../src/media/frame.js';
import { NAL, nalType, splitNalUnits } from '../../src/media/nal-units.js';
import { annexB, decodeH264 } from '../helpers/h264.js';
import { movingPicture } from '../helpers/moving-picture.js';

const unitsOf = (pictures: readonly EncodedPicture[]): Buffer =>
  annexB(pictures.flatMap(({ data }) => splitNalUnits(data)));
const typesOf = ({ data }: EncodedPicture): number[] => splitNalUnits(data).map(nalType);

describe('the H.264 encoder', () => {
  let ffmpeg: Ffmpeg;
  before(async () => {
    ffmpeg = await findFfmpeg({ log: silentLog });
    assert.ok(ffmpeg.codesH264, 'this ffmpeg has no libx264');
  });

  async function encode(
    fps: number,
    indices: readonly number[],
    keys: readonly number[],
    more: { readonly coded?: { widthPx: number; heightPx: number } } = {},
  ): Promise<EncodedPicture[]> {
    const pictures: EncodedPicture[] = [];
    const encoder = await LiveEncoder.open(H264, {
      ...{ ffmpeg, widthPx: 128, heightPx: 96, fps, bitrateBps: 300_000, ...more },
      warmUp: movingPicture(128, 96, 0),
      onPicture: (picture) => pictures.push(picture),
      onFailed: (error) => assert.fail(error),
    });
    const buffer = new Uint8Array((128 * 96 * 3) / 2); // one buffer for all: push must not keep it
    for (const index of indices)
      await encoder.push(movingPicture(128, 96, index, buffer), index, keys.includes(index));
    await encoder.close();
    return pictures;
  }

  for (const fps of [24, 25, 29.97, 60, 120])
    it(`codes every picture at ${fps} fps and makes exactly the asked ones key`, async () => {
      const first = 1000;
      const skipped = first + 60;
      const indices = Array.from({ length: 100 }, (_, at) => first + at).filter((index) => index !== skipped);
      const keys = [first, first + 1, first + 37, first + 38, first + 61, first + 99];
      const pictures = await encode(fps, indices, keys);
      assert.deepEqual(
        pictures.map(({ index }) => index),
        indices,
      );
      assert.deepEqual(
        pictures.filter(({ key }) => key).map(({ index }) => index),
        keys,
      );
    });

  it('puts parameter sets before every key picture, and nothing but slices otherwise', async () => {
    const pictures = await encode(25, [0, 1, 2, 3], [2]);
    assert.deepEqual(pictures.map(typesOf), [
      [NAL.sequenceParameters, NAL.pictureParameters, NAL.idrSlice],
      [NAL.slice],
      [NAL.sequenceParameters, NAL.pictureParameters, NAL.idrSlice],
      [NAL.slice],
    ]);
    const [sps] = splitNalUnits(pictures[0]!.data);
    assert.deepEqual([sps?.[1], sps?.[3]], [0x42, 31], 'baseline at level 3.1');
    assert.equal(sps![2]! & 0x40, 0x40, 'constrained');
  });

  it('decodes back to what went in, also from a later key picture on', async () => {
    const indices = Array.from({ length: 30 }, (_, index) => index);
    const pictures = await encode(25, indices, [12]);
    for (const first of [0, 12]) {
      const decoded = await decodeH264(ffmpeg, unitsOf(pictures.slice(first)));
      const sizeBytes = (128 * 96 * 3) / 2;
      assert.equal(decoded.length, sizeBytes * (30 - first));
      for (let at = first; at < 30; at += 1) {
        const drawn = movingPicture(128, 96, at).data;
        let sum = 0;
        for (let k = 0; k < sizeBytes; k += 1)
          sum += Math.abs(decoded[(at - first) * sizeBytes + k]! - drawn[k]!);
        assert.ok(sum / sizeBytes < 6, `picture ${at} differs by ${(sum / sizeBytes).toFixed(1)}`);
      }
    }
  });

  it('codes in another size', async () => {
    const pictures = await encode(25, [0, 1, 2], [], { coded: { widthPx: 64, heightPx: 48 } });
    assert.equal((await decodeH264(ffmpeg, unitsOf(pictures))).length, (3 * 64 * 48 * 3) / 2);
  });

  it('hands each picture out before the next goes in', { timeout: 20_000 }, async () => {
    let arrived: (() => void) | undefined;
    const encoder = await LiveEncoder.open(H264, {
      ...{ ffmpeg, widthPx: 512, heightPx: 512, fps: 25, bitrateBps: 800_000 },
      onPicture: () => arrived?.(),
      onFailed: (error) => assert.fail(error),
    });
    const waits: number[] = [];
    for (let index = 0; index < 20; index += 1) {
      const picture = movingPicture(512, 512, index);
      const startedMs = performance.now();
      const out = new Promise<void>((resolve) => (arrived = resolve));
      await encoder.push(picture, index, false);
      await out; // hangs if a frame of delay hides in the pipe
      waits.push(performance.now() - startedMs);
    }
    await encoder.close();
    waits.sort((a, b) => a - b);
    console.log(`512x512 push to picture: P50 ${waits[10]?.toFixed(1)} ms, max ${waits[19]?.toFixed(1)} ms`);
  });
});

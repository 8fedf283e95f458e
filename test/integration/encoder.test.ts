import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Decoder } from '@evan/opus';
import { findFfmpeg, type Ffmpeg } from '../../src/adapters/ffmpeg.js';
import { JpegEncoder } from '../../src/encoder/jpeg-encoder.js';
import { LiveEncoder } from '../../src/encoder/live-encoder.js';
import { OpusEncoder } from '../../src/encoder/opus-encoder.js';
import { defaultBitrateBps, VP8 } from '../../src/encoder/vp8-encoder.js';
import { AppError } from '../../src/errors.js';
import { silentLog } from '../../src/lib/log.js';
import type { EncodedPicture } from '../../src/media/frame.js';
import { OPUS_LOOKAHEAD_SAMPLES } from '../../src/rtp/opus.js';
import { decodeVp8 } from '../helpers/ivf.js';
import { movingPicture, tone } from '../helpers/moving-picture.js';

describe('encoders', () => {
  let ffmpeg: Ffmpeg;
  before(async () => {
    ffmpeg = await findFfmpeg({ log: silentLog });
  });

  async function encode(
    fps: number,
    indices: readonly number[],
    keys: readonly number[],
    widthPx = 128,
    heightPx = 96,
  ): Promise<EncodedPicture[]> {
    const pictures: EncodedPicture[] = [];
    const encoder = await LiveEncoder.open(VP8, {
      ...{ ffmpeg, widthPx, heightPx, fps, bitrateBps: 300_000 },
      onPicture: (picture) => pictures.push(picture),
      onFailed: (error) => assert.fail(error),
    });
    const buffer = new Uint8Array((widthPx * heightPx * 3) / 2); // one buffer for all: push must not keep it
    for (const index of indices)
      await encoder.push(movingPicture(widthPx, heightPx, index, buffer), index, keys.includes(index));
    await encoder.close();
    return pictures;
  }

  for (const fps of [24, 25, 30, 50, 60]) {
    it(`codes every picture at ${fps} fps and makes exactly the asked ones key`, async () => {
      const first = 1000;
      const indices = Array.from({ length: 150 }, (_, at) => first + at);
      // The first is asked for too: its flag must not shift the others.
      const keys = [first, first + 1, first + 37, first + 38, first + 80, first + 149];
      const pictures = await encode(fps, indices, keys);
      assert.deepEqual(
        pictures.map((picture) => picture.index),
        indices,
      );
      assert.deepEqual(
        pictures.filter((picture) => picture.key).map((picture) => picture.index),
        keys,
      );
    });
  }

  it('keeps indices over skipped pictures', async () => {
    const pictures = await encode(30, [7, 8, 11, 12, 40, 41], [12]);
    assert.deepEqual(
      pictures.map(({ index, key }) => [index, key]),
      [
        [7, true],
        [8, false],
        [11, false],
        [12, true],
        [40, false],
        [41, false],
      ],
    );
  });

  it('warms up unseen: indices stay the caller’s and the first picture is key', async () => {
    const pictures: EncodedPicture[] = [];
    const encoder = await LiveEncoder.open(VP8, {
      ...{
        ffmpeg,
        widthPx: 128,
        heightPx: 96,
        fps: 25,
        bitrateBps: 170_000,
        warmUp: movingPicture(128, 96, 0),
      },
      onPicture: (picture) => pictures.push(picture),
      onFailed: (error) => assert.fail(error),
    });
    assert.deepEqual(pictures, []);
    for (const index of [50, 51, 54, 55])
      await encoder.push(movingPicture(128, 96, index), index, index === 54);
    await encoder.close();
    assert.deepEqual(
      pictures.map(({ index, key }) => [index, key]),
      [
        [50, true],
        [51, false],
        [54, true],
        [55, false],
      ],
    );
  });

  it('hands each picture out before the next goes in', async () => {
    let arrived: (() => void) | undefined;
    const encoder = await LiveEncoder.open(VP8, {
      ...{ ffmpeg, widthPx: 512, heightPx: 512, fps: 25, bitrateBps: 800_000 },
      onPicture: () => arrived?.(),
      onFailed: (error) => assert.fail(error),
    });
    const waits: number[] = [];
    for (let index = 0; index < 20; index++) {
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

  it('decodes back to what went in', async () => {
    const widthPx = 128;
    const heightPx = 96;
    const pictures = await encode(25, [0, 1, 2, 3, 4], []);
    const decoded = await decodeVp8(pictures, widthPx, heightPx);
    const sizeBytes = (widthPx * heightPx * 3) / 2;
    assert.equal(decoded.length, 5 * sizeBytes);
    for (let index = 0; index < 5; index++) {
      const wanted = movingPicture(widthPx, heightPx, index).data;
      let sum = 0;
      for (let at = 0; at < sizeBytes; at++)
        sum += Math.abs(decoded.readUInt8(index * sizeBytes + at) - (wanted[at] ?? 0));
      assert.ok(sum / sizeBytes < 6, `picture ${index} differs by ${(sum / sizeBytes).toFixed(1)} a pixel`);
    }
  });

  it('refuses pictures of another size, indices that do not rise, and pushes after close', async () => {
    const encoder = await LiveEncoder.open(VP8, {
      ...{ ffmpeg, widthPx: 64, heightPx: 64, fps: 25, bitrateBps: 150_000 },
      onPicture() {},
      onFailed: (error) => assert.fail(error),
    });
    await assert.rejects(encoder.push(movingPicture(128, 64, 0), 0, false), { code: 'invalid-argument' });
    await encoder.push(movingPicture(64, 64, 0), 5, false);
    await assert.rejects(encoder.push(movingPicture(64, 64, 0), 5, false), { code: 'invalid-argument' });
    await encoder.close();
    await assert.rejects(encoder.push(movingPicture(64, 64, 0), 6, false), { code: 'session-closed' });
  });

  it('tells once when ffmpeg dies', async () => {
    const failures: Error[] = [];
    const failed = new Promise<void>((resolve) => {
      void LiveEncoder.open(VP8, {
        ...{ ffmpeg: { ...ffmpeg, vsyncArgs: ['-no_such_option', '1'] }, widthPx: 64, heightPx: 64, fps: 25 },
        bitrateBps: 150_000,
        onPicture() {},
        onFailed(error) {
          failures.push(error);
          resolve();
        },
      }).then(async (encoder) => {
        await failed;
        await assert.rejects(encoder.push(movingPicture(64, 64, 0), 0, false), { code: 'ffmpeg-failed' });
        await encoder.close();
      });
    });
    await failed;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(failures.length, 1);
    assert.ok(failures[0] instanceof AppError && failures[0].code === 'ffmpeg-failed', String(failures[0]));
  });

  it('makes one whole JPEG a picture', async () => {
    const pictures: EncodedPicture[] = [];
    const encoder = await JpegEncoder.create({
      ...{ ffmpeg, widthPx: 160, heightPx: 120, fps: 30 },
      onPicture: (picture) => pictures.push(picture),
      onFailed: (error) => assert.fail(error),
    });
    for (const index of [3, 4, 5, 9, 10]) await encoder.push(movingPicture(160, 120, index), index, true);
    await encoder.close();
    assert.deepEqual(
      pictures.map((picture) => picture.index),
      [3, 4, 5, 9, 10],
    );
    for (const { data, key } of pictures) {
      assert.ok(key);
      assert.deepEqual([...data.subarray(0, 2), ...data.subarray(-2)], [0xff, 0xd8, 0xff, 0xd9]);
    }
  });

  it('gives each JPEG out without waiting for the next picture', async () => {
    let arrived: (() => void) | undefined;
    const encoder = await JpegEncoder.create({
      ...{ ffmpeg, widthPx: 160, heightPx: 120, fps: 25 },
      onPicture: () => arrived?.(),
      onFailed: (error) => assert.fail(error),
    });
    for (let index = 0; index < 5; index++) {
      const out = new Promise<void>((resolve) => (arrived = resolve));
      await encoder.push(movingPicture(160, 120, index), index);
      await out;
    }
    await encoder.close();
  });

  it('codes Opus that plays back after its lookahead', () => {
    const encoder = new OpusEncoder();
    assert.equal(encoder.lookaheadSamples, OPUS_LOOKAHEAD_SAMPLES);
    const decoder = new Decoder({ channels: 2, sample_rate: 48_000 });
    const decoded: number[] = [];
    const sent: number[] = [];
    let sizeBytes = 0;
    for (let packet = 0; packet < 50; packet++) {
      const pcm = tone(packet * 960);
      for (let at = 0; at < 960; at++) sent.push(pcm[2 * at] ?? 0);
      const bytes = encoder.encode(pcm);
      sizeBytes += bytes.length;
      const back = decoder.decode(bytes);
      const samples = new Int16Array(back.buffer, back.byteOffset, back.length / 2);
      for (let at = 0; at < 960; at++) decoded.push(samples[2 * at] ?? 0);
    }
    const bitrateBps = sizeBytes * 8;
    assert.ok(bitrateBps > 20_000 && bitrateBps < 90_000, `${bitrateBps} bit/s`);
    // Around the known lag the decoded tone lies on top of the sent one; half a period (54 samples) off it opposes it.
    const likeness = (lag: number): number => {
      let dot = 0;
      for (let at = 20_000; at < 30_000; at++) dot += (decoded[at + lag] ?? 0) * (sent[at] ?? 0);
      return dot;
    };
    const lags = Array.from({ length: 81 }, (_, at) => OPUS_LOOKAHEAD_SAMPLES - 40 + at);
    const best = lags.reduce((a, b) => (likeness(b) > likeness(a) ? b : a));
    assert.ok(Math.abs(best - OPUS_LOOKAHEAD_SAMPLES) <= 6, `the sound lags by ${best}`);
    encoder.close();
    assert.throws(() => encoder.encode(tone(0)), { code: 'session-closed' });
  });

  it('chooses the bit rate by size', () => {
    assert.equal(defaultBitrateBps(512, 512), 800_000);
    assert.equal(defaultBitrateBps(1280, 720), 1_500_000);
  });
});

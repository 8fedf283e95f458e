import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { silentLog } from '../../src/lib/log.js';
import type { EncodedPicture } from '../../src/media/frame.js';
import { RenditionEncoder } from '../../src/worker/rendition-encoder.js';
import { decodeVp8 } from '../helpers/ivf.js';
import { movingPicture } from '../helpers/moving-picture.js';
import { tracedFfmpeg } from '../helpers/rendition-stream.js';

const SIZE = { widthPx: 64, heightPx: 64 };
const REQUEST = { name: 'high', ...SIZE, bitrateBps: 100_000 } as const;

test(
  'pictures of a new encoder wait for the last ones of an old one that is slow',
  { timeout: 20_000 },
  async (t) => {
    const { ffmpeg, encoders } = await tracedFfmpeg(t);
    const pictures: EncodedPicture[] = [];
    const rendition = await RenditionEncoder.open(
      {
        ...{ ffmpeg, ...SIZE, fps: 25, log: silentLog, takeOverLimitMs: 15_000 },
        warmUp: () => movingPicture(64, 64, 0),
        onPicture: (picture) => pictures.push(picture),
        onLost: (error) => assert.fail(error),
      },
      REQUEST,
    );
    t.after(() => rendition.close());
    let pushed = 0;
    // So small that the pipe takes several pictures, which a stopped ffmpeg leaves in it.
    const push = () => rendition.push(movingPicture(64, 64, pushed), pushed++);
    for (let k = 0; k < 3; k += 1) await push();
    const [old] = await encoders('full');
    process.kill(old!, 'SIGSTOP');
    const waiting = [push(), push()];
    rendition.change({ ...REQUEST, bitrateBps: 200_000 });
    while ((await encoders('full')).length < 2) await pause(5, undefined, { signal: t.signal });
    // Until the second one is warm and takes over, pictures still go to the first.
    for (let k = 0; k < 30; k += 1) {
      waiting.push(push());
      await pause(15, undefined, { signal: t.signal });
    }
    assert.ok(pictures.length <= 3, 'nothing overtakes what the stopped encoder has inside');
    process.kill(old!, 'SIGCONT');
    await Promise.all(waiting);
    while (pictures.length < pushed) await pause(5, undefined, { signal: t.signal });
    assert.deepEqual(
      pictures.map(({ index }) => index),
      Array.from({ length: pushed }, (_, index) => index),
    );
    assert.equal(pictures.filter(({ key }) => key).length, 2);
    await decodeVp8(pictures, 64, 64);
  },
);

test(
  'an encoder that cannot start is tried again and leaves the present one at work',
  { timeout: 20_000 },
  async (t) => {
    const { ffmpeg } = await tracedFfmpeg(t);
    const pictures: EncodedPicture[] = [];
    const failures: unknown[] = [];
    const rendition = await RenditionEncoder.open(
      {
        ...{ ffmpeg, ...SIZE, fps: 25 },
        log: { ...silentLog, warn: (facts) => failures.push(facts) },
        warmUp: () => movingPicture(64, 64, 0),
        onPicture: (picture) => pictures.push(picture),
        onLost: (error) => assert.fail(error),
      },
      REQUEST,
    );
    t.after(() => rendition.close());
    rendition.change({ ...REQUEST, widthPx: 33 });
    let index = 0;
    const drawUntil = async (condition: () => boolean) => {
      while (!condition()) {
        await rendition.push(movingPicture(64, 64, index), index);
        index += 1;
        await pause(10, undefined, { signal: t.signal });
      }
    };
    await drawUntil(() => failures.length >= 2);
    rendition.change({ ...REQUEST, widthPx: 32, heightPx: 32 });
    await drawUntil(() => pictures.filter(({ key }) => key).length === 2);
    assert.deepEqual(
      pictures.map((picture) => picture.index),
      pictures.map((_, at) => at),
    );
  },
);

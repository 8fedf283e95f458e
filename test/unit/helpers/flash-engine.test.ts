import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { I420Frame } from '../../../src/media/frame.js';
import { Downsampler48To16 } from '../../../src/media/resample.js';
import { beepTimesMs, writeBeeps } from '../../helpers/beeps.js';
import { createEngine } from '../../helpers/flash-engine.js';
import { temporaryFolder } from '../../helpers/media.js';
import { CODE_COLUMNS, CODE_ROWS, codeBits, readBits } from '../../helpers/picture-code.js';
import { noLandmarks, syntheticAvatar } from '../../helpers/synthetic-avatar.js';

const SIDE_PX = 64;
const SECONDS = 5;

/** The sound file as a session feeds it: 20 ms at a time, resampled. */
async function* fed(file: string): AsyncGenerator<Float32Array> {
  const bytes = await readFile(file);
  const ear = new Downsampler48To16();
  for (let at = 44; at + 1920 <= bytes.length; at += 1920) {
    const stereo = new Int16Array(1920);
    for (let i = 0; i < 960; i += 1) stereo.fill(bytes.readInt16LE(at + 2 * i), 2 * i, 2 * i + 2);
    yield ear.push(stereo);
  }
}

function blocksOf({ widthPx, data }: I420Frame): number[] {
  const side = widthPx / CODE_COLUMNS;
  return Array.from({ length: CODE_COLUMNS * CODE_ROWS }, (_, at) => {
    const x = (at % CODE_COLUMNS) * side;
    const y = Math.floor(at / CODE_COLUMNS) * side;
    return data[y * widthPx + x]! > 127 ? 1 : 0;
  });
}

test('the picture in whose time a beep begins is white and says where, a resampler later', async (t) => {
  const file = path.join(await temporaryFolder(t), 'beeps.wav');
  await writeBeeps(file, SECONDS);
  const engine = await createEngine();
  const avatar = syntheticAvatar({ widthPx: SIDE_PX, heightPx: SIDE_PX, landmarks: [noLandmarks()] });
  const stream = await engine.open(avatar, { fps: 25 });
  const flashesMs: number[] = [];
  let pictures = 0;
  for await (const pcm of fed(file)) {
    for await (const frame of stream.push(pcm)) {
      const facts = readBits(blocksOf(frame));
      assert.ok(facts);
      assert.equal(facts.index, pictures++);
      const white = frame.data[(SIDE_PX - 1) * SIDE_PX + SIDE_PX / 2] === 235;
      assert.equal(white, facts.onsetMs !== undefined, `picture ${facts.index}`);
      if (facts.onsetMs !== undefined) flashesMs.push(facts.index * 40 + facts.onsetMs);
    }
  }
  assert.equal(pictures, SECONDS * 25);
  const beepsMs = beepTimesMs(SECONDS);
  assert.equal(flashesMs.length, beepsMs.length);
  flashesMs.forEach((flashMs, at) => {
    const lateMs = flashMs - beepsMs[at]! - Downsampler48To16.delayMs;
    assert.ok(Math.abs(lateMs) < 0.25, `flash ${at} is ${lateMs} ms late`);
  });
});

test('a picture tells its facts in blocks, and a spoiled block is noticed', () => {
  const facts = { drawnMs: 16_000_000, index: 45_000, onsetMs: 39.9375 };
  const bits = codeBits(facts);
  assert.deepEqual(readBits(bits), facts);
  assert.equal(readBits(codeBits({ ...facts, onsetMs: undefined }))?.onsetMs, undefined);
  for (let at = 0; at < bits.length; at += 1) assert.equal(readBits(bits.with(at, 1 - bits[at]!)), undefined);
  assert.equal(readBits(new Array<number>(64).fill(0)), undefined);
  assert.equal(readBits(new Array<number>(64).fill(1)), undefined);
});

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CpuEngine } from '../../src/engine/cpu/cpu-engine.js';
import type { AvatarSource } from '../../src/engine/engine.js';
import { silentLog } from '../../src/lib/log.js';
import { idleIndex } from '../../src/media/idle-index.js';
import { Stage } from '../../src/worker/stage/stage.js';
import { readWav } from '../helpers/hearing.js';
import { patternedPicture, syntheticLandmarks } from '../helpers/synthetic-face.js';

/** Idling, speaking, being interrupted, idling again: the footage runs on as if nothing were, and only the mouth moves. */

const [WIDTH, HEIGHT, FRAMES] = [240, 280, 30];
const PIECE = 320;
/** Rows that no mouth reaches: the upper half of the face. */
const ABOVE = WIDTH * 120;
const speech = readWav(path.resolve('web/public/demo/speech.wav'));

/** Footage that sways: each picture is a pixel further to the side, and its face with it. */
const footage = Array.from({ length: FRAMES }, (_, index) => {
  const still = patternedPicture(WIDTH, HEIGHT);
  const picture = still.slice();
  for (let y = 0; y < HEIGHT; y += 1)
    for (let x = 0; x < WIDTH; x += 1)
      picture[y * WIDTH + x] = still[y * WIDTH + ((x - index + WIDTH) % WIDTH)]!;
  return { picture, face: syntheticLandmarks(105 + index, 130, 70) };
});
const avatar: AvatarSource = {
  ...{ id: 'sways', widthPx: WIDTH, heightPx: HEIGHT, frameCount: FRAMES, fps: 25, still: false },
  readFrame: (index, target) => target.set(footage[index]!.picture),
  landmarks: (index) => footage[index]!.face,
  close() {},
};

const difference = (a: Uint8Array, b: Uint8Array, from = 0, to = WIDTH * HEIGHT): number => {
  let sum = 0;
  for (let i = from; i < to; i += 1) sum += Math.abs(a[i]! - b[i]!);
  return sum / (to - from);
};

describe('idle life', () => {
  let engine: CpuEngine;
  before(async () => {
    engine = await CpuEngine.create({ modelsDir: 'models', log: silentLog });
  });
  after(() => engine.close());

  it('has no seam where speech begins, ends or is interrupted', async (t) => {
    const stage = new Stage({ avatar, stream: await engine.open(avatar, { fps: 25 }) }, { fps: 25 });
    t.after(() => stage.close());
    const pictures: Uint8Array[] = [];
    const hear = async (pcm: Float32Array): Promise<void> => {
      for (let at = 0; at < pcm.length || at === 0; at += PIECE)
        for await (const { data } of stage.push(pcm.slice(at, at + PIECE))) pictures.push(data.slice());
    };
    const silence = new Float32Array(16_000);
    await hear(silence);
    const begins = pictures.length;
    await hear(speech.slice(0, 16_000));
    // Interrupted: the two newest pictures are drawn again, as after a cut.
    const interrupted = (pictures.length -= 2);
    stage.rewind?.(2);
    stage.cut(2000);
    await hear(new Float32Array(0));
    await hear(silence);
    await hear(speech.slice(16_000, 48_000));
    await hear(silence);

    const own = footage.slice(1).map(({ picture }, i) => difference(picture, footage[i]!.picture));
    for (const [index, picture] of pictures.entries())
      assert.equal(
        difference(picture, footage[idleIndex(index, FRAMES)]!.picture, 0, ABOVE),
        0,
        `picture ${index} is the footage but for the mouth`,
      );
    // What the mouth adds to the footage's own steps.
    const steps = pictures
      .slice(1)
      .map(
        (picture, i) => difference(picture, pictures[i]!) - own[Math.min(idleIndex(i, FRAMES), FRAMES - 2)]!,
      );
    const largest = (from: number, to: number): number => Math.max(...steps.slice(from, to));
    const figures = {
      footage: Math.max(...own),
      begins: largest(begins - 4, begins + 4),
      interrupted: largest(interrupted - 3, interrupted + 3),
      speech: largest(0, steps.length),
    };
    t.diagnostic(JSON.stringify(figures));
    // Measured: a fifth; no more than in the midst of speech.
    assert.ok(Math.max(figures.begins, figures.interrupted, figures.speech) < 0.3 * figures.footage);
    const shut = pictures.slice(interrupted + 2, interrupted + 20);
    for (const [i, picture] of shut.entries()) {
      const rest = footage[idleIndex(interrupted + 2 + i, FRAMES)]!.picture;
      assert.ok(difference(picture, rest) < 0.3, 'the mouth is shut after it');
    }
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AvatarSource, Take } from '../../../../src/engine/engine.js';
import type { FaceEar } from '../../../../src/engine/faces/face-family.js';
import type { FaceMaterial } from '../../../../src/engine/faces/face-material.js';
import { FaceStream } from '../../../../src/engine/faces/face-stream.js';
import type { Footage } from '../../../../src/engine/faces/footage.js';
import type { RgbImage } from '../../../../src/media/frame.js';
import { idleIndex } from '../../../../src/media/idle-index.js';
import { deferred, type Deferred } from '../../../helpers/deferred.js';

const SIZE = { widthPx: 4, heightPx: 4 };
const FRAMES = 5;
const EAR_MS = 100;
const PIPELINE_MS = 80;

/** A stream whose pictures hold the footage's index in their first byte and, where pasted, the face's in their second. */
function arrange(options: { speaking?: (timeMs: number) => number; still?: boolean } = {}) {
  const asked: number[] = [];
  const pasted: { value: number; strength: number }[] = [];
  const answers: Deferred<RgbImage>[] = [];
  const faults: unknown[] = [];
  const aborted: boolean[] = [];
  const ear: FaceEar & { closed: boolean } = {
    lookaheadMs: EAR_MS,
    closed: false,
    push: () => {},
    features: (timeMs) => Promise.resolve(Float32Array.of(timeMs)),
    close() {
      this.closed = true;
    },
  };
  const avatar = {
    id: 'a',
    ...SIZE,
    frameCount: FRAMES,
    fps: 25,
    still: options.still ?? false,
  } as unknown as AvatarSource;
  const material = {
    frameCount: FRAMES,
    box: () => ({ x1: 0, y1: 0, x2: 2, y2: 2 }),
    mask: () => ({ area: { x1: 0, y1: 0, x2: 2, y2: 2 }, alpha: new Uint8Array(4) }),
    inputs: (index: number) => Float32Array.of(index),
    close: () => {},
  } as FaceMaterial;
  const footage = {
    still: options.still ?? false,
    indexAt: (step: number) => idleIndex(step, FRAMES),
    draw(target: Uint8Array, index: number, _timeMs: number, paint: (picture: Uint8Array) => void) {
      target.fill(0);
      target[0] = index * 10;
      paint(target);
    },
  } as unknown as Footage;
  const stream = new FaceStream({
    avatar,
    material,
    fps: 25,
    ear,
    sense: { push: () => {}, strength: options.speaking ?? (() => 1) },
    generate(inputs, features, signal) {
      asked.push(features[0]! / 40);
      const answer = deferred<RgbImage>();
      answers.push(answer);
      signal.addEventListener('abort', () => {
        aborted.push(true);
        answer.reject(signal.reason);
      });
      assert.equal(inputs[0], idleIndex(features[0]! / 40, FRAMES), 'the input belongs to the picture');
      return answer.promise;
    },
    paste(picture, face, _box, _mask, strength) {
      picture[1] = face.data[0]!;
      pasted.push({ value: face.data[0]!, strength });
    },
    pipelineMs: PIPELINE_MS,
    onFault: (error) => faults.push(error),
    footage,
  });
  const face = (value: number): RgbImage => ({ widthPx: 1, heightPx: 1, data: Uint8Array.of(value, 0, 0) });
  return { stream, asked, answers, pasted, faults, aborted, ear, face };
}

const silence = (ms: number) => new Float32Array(ms * 16);
const settle = () => new Promise((resolve) => setImmediate(resolve));

async function drain(stream: FaceStream, ms: number): Promise<number[][]> {
  const pictures: number[][] = [];
  for await (const { data } of stream.push(silence(ms))) pictures.push([data[0]!, data[1]!]);
  return pictures;
}

test('it looks ahead as far as its ear and its networks need', () => {
  assert.equal(arrange().stream.lookaheadMs, EAR_MS + PIPELINE_MS);
});

test('silence costs no inference: the footage itself is shown, to and fro', async () => {
  const { stream, asked } = arrange({ speaking: () => 0 });
  const pictures = await drain(stream, 40 * 9 + EAR_MS);
  assert.deepEqual(asked, []);
  assert.deepEqual(
    pictures.map(([index]) => index),
    [0, 10, 20, 30, 40, 30, 20, 10, 0, 10],
  );
});

test('faces are asked for as soon as their sound is there, several at once, before any is waited for', async () => {
  const { stream, asked, answers, face } = arrange();
  // Sound for three pictures, but none of them is due yet: the push returns although nothing was answered.
  assert.deepEqual(await drain(stream, EAR_MS + 79), []);
  assert.deepEqual(asked, [0, 1]);
  answers[0]?.resolve(face(7));
  await settle();
  assert.deepEqual(await drain(stream, 0), [[0, 7]], 'what is done is handed out early');
});

test('a picture whose time has come is waited for, and order is kept', async () => {
  const { stream, answers, face } = arrange();
  const pictures = drain(stream, 2 * 40 + EAR_MS + PIPELINE_MS);
  await settle();
  answers[1]?.resolve(face(2));
  answers[2]?.resolve(face(3));
  answers[3]?.resolve(face(4));
  await settle();
  answers[0]?.resolve(face(1));
  answers[4]?.resolve(face(5));
  assert.deepEqual(
    (await pictures).map(([, value]) => value),
    [1, 2, 3, 4, 5],
  );
});

test('a face that fails shows the footage, is told, and moves nothing (reference bug: sound and picture shift)', async () => {
  const { stream, answers, faults, face } = arrange();
  const pictures = drain(stream, 40 + EAR_MS + PIPELINE_MS);
  await settle();
  answers[0]?.resolve(face(1));
  answers[1]?.reject(new Error('NaN'));
  for (const answer of answers.slice(2)) answer.resolve(face(9));
  assert.deepEqual((await pictures).slice(0, 3), [
    [0, 1],
    [10, 0],
    [20, 9],
  ]);
  assert.equal(faults.length, 1);
});

test('the last picture comes, too, once the silence behind it was pushed (reference bug: it is lost)', async () => {
  const { stream, answers, face } = arrange({ speaking: (timeMs) => (timeMs < 200 ? 1 : 0) });
  const pictures = drain(stream, 200 + EAR_MS + PIPELINE_MS);
  await settle();
  answers.forEach((answer, index) => answer.resolve(face(index + 1)));
  assert.deepEqual(
    (await pictures).slice(0, 5).map(([, value]) => value),
    [1, 2, 3, 4, 5],
  );
});

test('skipped pictures are not drawn and their faces are given up', async () => {
  const { stream, asked, answers, aborted, faults, face } = arrange();
  await drain(stream, EAR_MS + 79);
  assert.deepEqual(asked, [0, 1]);
  stream.skip(3);
  assert.equal(aborted.length, 2);
  const pictures = drain(stream, 40 * 4);
  await settle();
  answers.slice(2).forEach((answer) => answer.resolve(face(5)));
  assert.deepEqual((await pictures)[0], [30, 5]);
  assert.deepEqual(asked.slice(2, 3), [3], 'picture 2 was never asked for');
  assert.deepEqual(faults, []);
});

test('a take is shown at its place of the sound and of the footage, and closed behind its end', async () => {
  let closed = 0;
  const take: Take = {
    pictureCount: 3,
    firstStep: 0,
    face: (index) => ({ widthPx: 1, heightPx: 1, data: Uint8Array.of(100 + index, 0, 0) }),
    strength: () => 1,
    close: () => (closed += 1),
  };
  const { stream, asked } = arrange({ speaking: () => 0, still: true });
  await drain(stream, EAR_MS);
  stream.cue(take, 80);
  const pictures = await drain(stream, 40 * 6);
  assert.deepEqual(
    pictures.map(([, value]) => value),
    [0, 100, 101, 102, 0, 0],
  );
  assert.deepEqual(asked, []);
  assert.equal(closed, 1);
});

test('an interrupted take fades out over four pictures and is closed', async () => {
  let closed = 0;
  const take: Take = {
    pictureCount: 100,
    firstStep: 0,
    face: () => ({ widthPx: 1, heightPx: 1, data: Uint8Array.of(9, 0, 0) }),
    strength: () => 1,
    close: () => (closed += 1),
  };
  const { stream, pasted } = arrange({ speaking: () => 0, still: true });
  stream.cue(take, 0);
  await drain(stream, EAR_MS + 40);
  assert.deepEqual(
    pasted.map(({ strength }) => strength),
    [1, 1],
  );
  stream.cut();
  await drain(stream, 40 * 6);
  assert.deepEqual(
    pasted.slice(2).map(({ strength }) => strength),
    [0.75, 0.5, 0.25],
  );
  assert.equal(closed, 1);
});

for (const pictureCount of [0, 1, 3, 20])
  test(`a take of ${pictureCount} pictures moves the body to its place without a jump (reference bug: back to 0 at once)`, async () => {
    const take: Take = {
      pictureCount,
      firstStep: 0,
      face: () => undefined,
      strength: () => 0,
      close: () => {},
    };
    const { stream } = arrange({ speaking: () => 0 });
    await drain(stream, EAR_MS + 40 * 3);
    stream.cue(take, 40 * 4);
    // Picture 4 would show the footage's end; the take begins at the footage's beginning, 40 levels away.
    const shown = (await drain(stream, 40 * 30)).map(([level]) => level!);
    for (const [k, level] of shown.slice(1).entries())
      assert.ok(Math.abs(level - shown[k]!) <= 20, `picture ${k + 5}: from ${shown[k]} to ${level}`);
    assert.deepEqual(shown.slice(8, 13), [0, 10, 20, 30, 40]);
  });

test('closing gives up what is under way and ends the ear', async () => {
  const { stream, ear, faults, aborted } = arrange();
  const pictures = drain(stream, 40 + EAR_MS + PIPELINE_MS);
  await settle();
  await stream.close();
  assert.deepEqual(await pictures, []);
  assert.ok(ear.closed);
  assert.ok(aborted.length > 0);
  assert.deepEqual(faults, []);
  assert.deepEqual(await drain(stream, 1000), []);
});

test('material of another avatar is refused', () => {
  const { stream } = arrange();
  assert.ok(stream);
  assert.throws(
    () =>
      new FaceStream({
        avatar: { id: 'a', ...SIZE, frameCount: 3 } as AvatarSource,
        material: { frameCount: 2 } as FaceMaterial,
        fps: 25,
      } as never),
    /3 pictures but 2 prepared faces/,
  );
});

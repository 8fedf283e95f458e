import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AvatarSource } from '../../../../src/engine/engine.js';
import type { FaceMaterial } from '../../../../src/engine/faces/face-material.js';
import { FaceStream } from '../../../../src/engine/faces/face-stream.js';
import {
  arrangeStream as arrange,
  drain,
  EAR_MS,
  face,
  PIPELINE_MS,
  settle,
  takeOf,
} from '../../../helpers/face-stream.js';

test('it looks ahead as far as its ear and its networks need', () => {
  assert.equal(arrange().stream.lookaheadMs, EAR_MS + PIPELINE_MS);
});

test('or as far as what tells speech from silence needs, where that is more', async () => {
  const times: number[] = [];
  const { stream, asked } = arrange({ senseMs: 153, speaking: (timeMs) => (times.push(timeMs), 1) });
  assert.equal(stream.lookaheadMs, 153 + PIPELINE_MS);
  await drain(stream, 152);
  await settle();
  assert.deepEqual([times, asked], [[], []]);
  await drain(stream, 1);
  await settle();
  assert.deepEqual([times, asked], [[0], [0]]);
});

test('silence costs no inference: the footage itself is shown, to and fro', async () => {
  const { stream, asked } = arrange({ speaking: () => 0 });
  const pictures = await drain(stream, 40 * 9 + EAR_MS + PIPELINE_MS);
  assert.deepEqual(asked, []);
  assert.deepEqual(
    pictures.map(([index]) => index),
    [0, 10, 20, 30, 40, 30, 20, 10, 0, 10],
  );
});

for (const fps of [25, 30, 50])
  for (const pipelineMs of [0, 80, 1500])
    test(`a picture comes when it is due and never earlier, at ${fps} pictures a second, ${pipelineMs} ms behind`, async () => {
      for (const speaking of [0, 1]) {
        const { stream, answers } = arrange({ fps, pipelineMs, speaking: () => speaking });
        let pushedMs = 0;
        let shown = 0;
        for (let answered = 0; pushedMs < 3000; answered = answers.length) {
          pushedMs += 20;
          const pictures = drain(stream, 20);
          await settle();
          // Every face is there long before its picture's time.
          for (const answer of answers.slice(answered)) answer.resolve(face(1));
          shown += (await pictures).length;
          const due = Math.floor(((pushedMs - EAR_MS - pipelineMs) * fps) / 1000 + 1e-9) + 1;
          assert.equal(shown, Math.max(0, due), `after ${pushedMs} ms`);
        }
      }
    });

test('faces are asked for as soon as their sound is there, several at once, before any is waited for', async () => {
  const { stream, asked } = arrange();
  // Sound for two pictures, but none of them is due yet: the push returns although nothing was answered.
  assert.deepEqual(await drain(stream, EAR_MS + 79), []);
  await settle();
  assert.deepEqual(asked, [0, 1]);
});

test('a picture whose time has come is waited for, and order is kept', async () => {
  const { stream, answers } = arrange();
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
    [1, 2, 3],
  );
});

test('a face that fails shows the footage, is told, and moves nothing (reference bug: sound and picture shift)', async () => {
  const { stream, answers, faults } = arrange();
  const pictures = drain(stream, 2 * 40 + EAR_MS + PIPELINE_MS);
  await settle();
  answers[0]?.resolve(face(1));
  answers[1]?.reject(new Error('NaN'));
  for (const answer of answers.slice(2)) answer.resolve(face(9));
  assert.deepEqual(await pictures, [
    [0, 1],
    [10, 0],
    [20, 9],
  ]);
  assert.equal(faults.length, 1);
});

test('material that cannot be read shows the footage, and is told', async () => {
  const { stream, asked, faults } = arrange({ broken: true });
  assert.deepEqual(await drain(stream, EAR_MS + PIPELINE_MS), [[0, 0]]);
  assert.match(String(faults[0]), /ends within picture 0/);
  assert.deepEqual(asked, []);
});

test('the last picture comes, too, once the silence behind it was pushed (reference bug: it is lost)', async () => {
  const { stream, answers } = arrange({ speaking: (timeMs) => (timeMs < 200 ? 1 : 0) });
  const pictures = drain(stream, 200 + EAR_MS + PIPELINE_MS);
  await settle();
  answers.forEach((answer, index) => answer.resolve(face(index + 1)));
  assert.deepEqual(
    (await pictures).slice(0, 5).map(([, value]) => value),
    [1, 2, 3, 4, 5],
  );
});

test('skipped pictures are not drawn and their faces are given up', async () => {
  const { stream, asked, answers, aborted, faults } = arrange();
  await drain(stream, EAR_MS + 79);
  await settle();
  assert.deepEqual(asked, [0, 1]);
  stream.skip(3);
  assert.deepEqual(aborted, [0, 1]);
  const pictures = drain(stream, 40 * 4 + PIPELINE_MS);
  await settle();
  answers.slice(2).forEach((answer) => answer.resolve(face(5)));
  assert.deepEqual((await pictures)[0], [30, 5]);
  assert.deepEqual(asked.slice(2, 3), [3], 'picture 2 was never asked for');
  assert.deepEqual(faults, []);
});

test('interrupted live speech fades out, and silence behind it asks for nothing', async () => {
  const { stream, answers, pasted } = arrange({ pipelineMs: 240 });
  const spoken = drain(stream, EAR_MS + 240 + 40);
  await settle();
  answers.forEach((answer) => answer.resolve(face(7)));
  await spoken;
  const asked = answers.length;
  assert.equal(asked, 8, 'six faces are under way behind the two that were shown');
  stream.cut();
  await drain(stream, 1000);
  assert.deepEqual(
    pasted.map(({ strength }) => strength),
    [1, 1, 0.5],
  );
  assert.equal(answers.length, asked);
});

test('what was drawn and not sent is drawn again, with the same faces, and fades out', async () => {
  const { stream, answers, pasted } = arrange({ pipelineMs: 240, frameCount: 200 });
  const spoken = drain(stream, EAR_MS + 240 + 5 * 40);
  await settle();
  answers.forEach((answer, k) => answer.resolve(face(k + 1)));
  const before = await spoken;
  assert.equal(before.length, 6);
  const asked = answers.length;
  stream.rewind(3);
  stream.cut();
  pasted.splice(0);
  const again = await drain(stream, 0);
  assert.deepEqual(
    again.map(([level]) => level),
    before.slice(3).map(([level]) => level),
    'the same pictures of the footage',
  );
  assert.deepEqual(
    pasted.map(({ value, strength }) => [value, strength]),
    [[4, 0.5]],
  );
  const after = await drain(stream, 40);
  assert.deepEqual(after, [[60, 0]], 'and goes on behind them');
  assert.equal(answers.length, asked, 'nothing is generated for it');
  stream.rewind(40);
  assert.equal((await drain(stream, 0)).length, 7, 'as far back as the beginning, where it must');
});

test('closing gives up what is under way and ends the ear and the material', async () => {
  const { stream, closed, faults, aborted } = arrange();
  const pictures = drain(stream, 40 + EAR_MS + PIPELINE_MS);
  await settle();
  await Promise.all([stream.close(), stream.close()]);
  assert.deepEqual(await pictures, []);
  assert.deepEqual(closed, { ear: 1, material: 1 });
  assert.ok(aborted.length > 0);
  assert.deepEqual(faults, []);
  assert.deepEqual(await drain(stream, 1000), []);
});

test('closing waits for no face, even where the networks never answer nor hear of it', async () => {
  const { stream, asked } = arrange({ deaf: true });
  const pictures = drain(stream, EAR_MS + PIPELINE_MS);
  await settle();
  assert.ok(asked.length > 0);
  await stream.close();
  assert.deepEqual(await pictures, []);
});

test('a take that is cued behind the end is closed at once', async () => {
  const { stream } = arrange();
  await stream.close();
  const take = takeOf(3, 100);
  stream.cue(take, 80);
  assert.equal(take.closed, 1);
});

test('material of another avatar is refused', () => {
  assert.throws(
    () =>
      new FaceStream({
        avatar: { id: 'a', widthPx: 4, heightPx: 4, frameCount: 3 } as AvatarSource,
        material: { frameCount: 2 } as FaceMaterial,
        fps: 25,
      } as never),
    /3 pictures but 2 prepared faces/,
  );
});

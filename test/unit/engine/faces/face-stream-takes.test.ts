import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FaceStream } from '../../../../src/engine/faces/face-stream.js';
import {
  arrangeStream as arrange,
  drain,
  EAR_MS,
  face,
  PIPELINE_MS,
  settle,
  takeOf,
} from '../../../helpers/face-stream.js';

const silent = { speaking: () => 0, pipelineMs: 0 };

/** Pushes 20 ms at a time as a session does; `acts` are done when the sound up to their time was pushed. */
async function play(
  stream: FaceStream,
  ms: number,
  acts: readonly { atMs: number; act: () => void }[] = [],
): Promise<number[][]> {
  const pictures: number[][] = [];
  const left = [...acts];
  for (let pushedMs = 0; pushedMs < ms; pushedMs += 20) {
    while (left[0] !== undefined && left[0].atMs <= pushedMs) left.shift()!.act();
    pictures.push(...(await drain(stream, 20)));
  }
  return pictures;
}

for (const fps of [25, 30, 50])
  for (const cuedMs of [0, 400, 1000])
    test(`at ${fps} pictures a second, face i of a take at ${cuedMs} ms is that of picture ${Math.round((cuedMs * fps) / 1000)} + i`, async () => {
      const { stream, asked } = arrange({ ...silent, still: true, fps });
      const take = takeOf(40, 100);
      const act = () => stream.cue(take, cuedMs);
      const shown = (await play(stream, 3000, [{ atMs: cuedMs, act }])).map(([, value]) => value!);
      const at = Math.round((cuedMs * fps) / 1000);
      for (const [index, value] of shown.entries()) {
        const i = index - at;
        assert.equal(value, i >= 0 && i < 40 ? 100 + i : 0, `picture ${index}`);
      }
      assert.ok(shown.length > at + 40);
      assert.equal(take.closed, 1);
      assert.deepEqual(asked, []);
    });

for (const fps of [25, 30, 50])
  test(`two takes back to back lack no face, each at its own place of the footage, at ${fps} pictures a second`, async () => {
    const { stream, pasted } = arrange({ ...silent, fps, frameCount: 200 });
    const [first, second] = [takeOf(20, 50), takeOf(20, 100)];
    const [atMs, picture] = [(10 * 1000) / fps, 1000 / fps];
    const shown = await play(stream, 70 * picture + EAR_MS, [
      { atMs, act: () => stream.cue(first, atMs) },
      { atMs: 3 * atMs, act: () => stream.cue(second, 3 * atMs) },
    ]);
    assert.deepEqual(
      pasted.map(({ value }) => value),
      [...Array.from({ length: 20 }, (_, i) => 50 + i), ...Array.from({ length: 20 }, (_, i) => 100 + i)],
    );
    // Until a take begins the footage goes on where it was.
    const level = (step: number) => 10 * Math.floor((step * 25) / fps + 1e-6);
    const levels = shown.map(([value]) => value!);
    assert.deepEqual(
      levels.slice(0, 10),
      Array.from({ length: 10 }, (_, index) => level(index)),
    );
    for (const at of [10, 30])
      assert.deepEqual(
        levels.slice(at + 8, at + 20),
        Array.from({ length: 12 }, (_, i) => level(8 + i)),
        `the take at ${at} stands at its own place once it has taken over`,
      );
    assert.deepEqual([first.closed, second.closed], [1, 1]);
  });

test('a take that is longer than its sound gives way to the next softly', async () => {
  const { stream } = arrange({ ...silent, still: true });
  const first = { ...takeOf(30, 0), face: () => face(50) };
  const second = { ...takeOf(30, 0), face: () => face(140) };
  const shown = await play(stream, 40 * 50 + EAR_MS, [
    { atMs: 0, act: () => stream.cue(first, 0) },
    { atMs: 400, act: () => stream.cue(second, 400) },
  ]);
  const values = shown.map(([, value]) => value!);
  assert.ok(values.slice(0, 10).every((value) => value === 50));
  assert.deepEqual(values.slice(10, 20), [60, 70, 80, 90, 100, 110, 120, 130, 140, 140]);
  assert.deepEqual([first.closed, second.closed], [1, 1]);
});

for (const fps of [25, 30, 50])
  test(`a take that is cued late lacks its first faces, the others are in place, at ${fps} pictures a second`, async () => {
    const { stream } = arrange({ ...silent, still: true, fps });
    const take = takeOf(20, 100);
    const shown: number[] = [];
    while (shown.length < 15) shown.push(...(await drain(stream, 20)).map(([, value]) => value!));
    const late = shown.length;
    assert.deepEqual(new Set(shown), new Set([0]));
    stream.cue(take, (10 * 1000) / fps);
    while (shown.length < 40) shown.push(...(await drain(stream, 20)).map(([, value]) => value!));
    for (const [index, value] of shown.entries()) {
      const i = index - 10;
      assert.equal(value, index >= late && i < 20 ? 100 + i : 0, `picture ${index}`);
    }
    assert.equal(take.closed, 1);
  });

test('a take whose pictures are all over when it is cued is closed, and moves nothing', async () => {
  const { stream } = arrange({ ...silent, frameCount: 100 });
  const before = await drain(stream, EAR_MS + 40 * 12);
  const take = takeOf(5, 100);
  stream.cue(take, 40 * 4);
  assert.equal(take.closed, 1);
  const after = await drain(stream, 40 * 12);
  assert.deepEqual(
    [...before, ...after].map(([level]) => level),
    Array.from({ length: 25 }, (_, index) => 10 * index),
  );
});

test('a take that is cued for the place of another comes instead of it', async () => {
  const { stream } = arrange({ ...silent, still: true });
  const [first, second] = [takeOf(5, 50), takeOf(5, 100)];
  stream.cue(first, 400);
  stream.cue(second, 400);
  assert.equal(first.closed, 1);
  const shown = await drain(stream, 40 * 20 + EAR_MS);
  assert.deepEqual(
    shown.slice(9, 16).map(([, value]) => value),
    [0, 100, 101, 102, 103, 104, 0],
  );
});

test('an interrupted take fades out over two pictures and is closed', async () => {
  const { stream, pasted } = arrange({ ...silent, still: true });
  const [take, next] = [takeOf(100, 9), takeOf(100, 120)];
  stream.cue(take, 0);
  await drain(stream, EAR_MS + 40);
  stream.cue(next, 160);
  assert.deepEqual(
    pasted.map(({ strength }) => strength),
    [1, 1],
  );
  stream.cut();
  assert.equal(next.closed, 1, 'what was to follow does not come');
  await drain(stream, 40 * 6);
  assert.deepEqual(
    pasted.slice(2).map(({ strength }) => strength),
    [0.5],
  );
  assert.equal(take.closed, 1);
});

for (const pictureCount of [0, 1, 3, 20])
  test(`a take of ${pictureCount} pictures moves the body to its place without a jump (reference bug: back to 0 at once)`, async () => {
    const { stream } = arrange(silent);
    const shown = (await drain(stream, EAR_MS + 40 * 3)).map(([level]) => level!);
    stream.cue(takeOf(pictureCount, 0, 0), 40 * 4);
    // Picture 4 would show the footage's end; the take begins at the footage's beginning, 40 levels away.
    shown.push(...(await drain(stream, 40 * 30)).map(([level]) => level!));
    for (const [k, level] of shown.slice(1).entries())
      assert.ok(Math.abs(level - shown[k]!) <= 20, `picture ${k + 1}: from ${shown[k]} to ${level}`);
    assert.deepEqual(shown.slice(12, 17), [0, 10, 20, 30, 40]);
  });

test('a generated face is not shown on footage that a take moved away under it', async () => {
  const { stream, asked, answers, pasted } = arrange({ frameCount: 50 });
  await drain(stream, EAR_MS + 79);
  await settle();
  assert.deepEqual(asked, [0, 1]);
  stream.cue(takeOf(0, 0), 40);
  const pictures = drain(stream, 40 + PIPELINE_MS - 79);
  await settle();
  for (const answer of answers) answer.resolve(face(7));
  assert.equal((await pictures).length, 2);
  assert.deepEqual(
    pasted.map(({ value }) => value),
    [7],
  );
});

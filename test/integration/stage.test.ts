import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CpuEngine } from '../../src/engine/cpu/cpu-engine.js';
import type { AvatarSource } from '../../src/engine/engine.js';
import { silentLog } from '../../src/lib/log.js';
import { Stage, type Entrance, type Opened } from '../../src/worker/stage/stage.js';
import { deferred } from '../helpers/deferred.js';
import { readWav } from '../helpers/hearing.js';
import { until } from '../helpers/server.js';
import { patternedPicture, syntheticLandmarks } from '../helpers/synthetic-face.js';

/** One face takes another's place while both speak: the real engine, the shipped speech. */

const FPS = 25;
/** 20 ms. */
const PIECE = 320;
const speech = readWav(path.resolve('web/public/demo/speech.wav'));

/** A face in a pattern that is lighter by `light`; 40 pictures of footage, whose corner counts them. */
function avatar(light: number, [widthPx, heightPx] = [240, 280]): AvatarSource {
  const picture = patternedPicture(widthPx, heightPx).map((value, at) =>
    at < widthPx * heightPx ? Math.min(235, Math.max(16, value + light)) : value,
  );
  const face = syntheticLandmarks(widthPx / 2, heightPx * 0.46, 70);
  return {
    ...{ id: `light${light}`, widthPx, heightPx, frameCount: 40, fps: 25, still: false },
    readFrame(index, target) {
      target.set(picture);
      target[0] = index + 20;
    },
    landmarks: () => face,
    close() {},
  };
}

const difference = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;

describe('a stage', () => {
  let engine: CpuEngine;
  before(async () => {
    engine = await CpuEngine.create({ modelsDir: 'models', log: silentLog });
  });
  after(() => engine.close());

  const opened = async (source: AvatarSource, loopFrom = 0): Promise<Opened> => ({
    avatar: source,
    stream: await engine.open(source, { fps: FPS, loopFrom }),
  });
  const stageOf = async (source: AvatarSource): Promise<Stage> =>
    new Stage(await opened(source), { fps: FPS });

  /** Lets a stage hear the speech from `from` to `to` (ms) as a worker does; `at` is called before each piece. */
  async function play(
    stage: Stage,
    [from, to]: readonly [number, number],
    at: (ms: number) => unknown = () => {},
  ): Promise<Uint8Array[]> {
    const pictures: Uint8Array[] = [];
    for (let ms = from; ms < to; ms += 20) {
      at(ms);
      // An entrance is prepared beside the drawing; here it is given its time, so that its place is known.
      await new Promise((resolve) => setTimeout(resolve, 5));
      for await (const { data } of stage.push(speech.slice(ms * 16, ms * 16 + PIECE)))
        pictures.push(data.slice());
    }
    return pictures;
  }

  it('shows the new face with the mouth that it would have had all along, after a fade of 200 ms', async () => {
    const [dark, light] = [avatar(-40), avatar(40)];
    const alone = await Promise.all([dark, light].map(async (one) => play(await stageOf(one), [0, 4000])));
    const stage = await stageOf(dark);
    let entrance: Promise<Entrance> | undefined;
    const pictures = await play(stage, [0, 4000], (ms) => {
      if (ms === 2000) entrance = stage.enter((first) => opened(light, first));
    });
    const { fromPicture, toPicture } = await entrance!;
    assert.equal(toPicture - fromPicture, 5);
    assert.ok(fromPicture >= 48 && fromPicture < 60, `from picture ${fromPicture} on`);
    assert.equal(pictures.length, alone[0]!.length, 'no picture is lost or doubled');
    const speaks = difference(pictures[40]!, pictures[42]!);
    for (const [index, picture] of pictures.entries()) {
      const [before, behind] = alone.map((one) => difference(picture, one[index]!)) as [number, number];
      if (index < fromPicture) assert.equal(before, 0, `picture ${index} is the old face`);
      else if (index >= toPicture) assert.ok(behind < 0.02, `picture ${index} is the new face (${behind})`);
      else {
        const share = (index - fromPicture + 1) / 6;
        assert.ok(Math.abs(before / (before + behind) - share) < 0.03, `picture ${index}: ${share}`);
      }
    }
    assert.ok(speaks > 0, 'it speaks');
    await stage.close();
  });

  it('knows how loud it was long before, so that a murmur after a shout does not move the new lips', async () => {
    const shout = speech.slice(0, 32_000).map((value) => Math.max(-1, Math.min(1, 3 * value)));
    const murmur = speech.slice(0, 64_000).map((value) => 0.02 * value);
    const sound = Float32Array.from([...shout, ...murmur]);
    const [dark, light] = [avatar(-40), avatar(40)];
    const alone: Uint8Array[] = [];
    const other = await stageOf(light);
    const stage = await stageOf(dark);
    const pictures: Uint8Array[] = [];
    let entrance: Promise<Entrance> | undefined;
    for (let at = 0; at < sound.length; at += PIECE) {
      if (at === 72_000) entrance = stage.enter((first) => opened(light, first));
      await new Promise((resolve) => setTimeout(resolve, 2));
      for await (const { data } of stage.push(sound.slice(at, at + PIECE))) pictures.push(data.slice());
      for await (const { data } of other.push(sound.slice(at, at + PIECE))) alone.push(data.slice());
    }
    const { toPicture } = await entrance!;
    const worst = Math.max(
      ...pictures.slice(toPicture).map((one, i) => difference(one, alone[toPicture + i]!)),
    );
    assert.ok(worst < 0.02, `its mouth differs by ${worst} from one that heard everything`);
    await Promise.all([stage.close(), other.close()]);
  });

  it('fits a face of another size into its own, between bars', async () => {
    const stage = await stageOf(avatar(0));
    const entering = { now: undefined as Promise<Entrance> | undefined };
    const pictures = await play(stage, [0, 1200], (ms) => {
      if (ms === 200) entering.now = stage.enter((first) => opened(avatar(0, [480, 280]), first));
    });
    const last = pictures.at(-1)!;
    assert.equal(last.length, 240 * 280 * 1.5);
    const row = (y: number): Uint8Array => last.subarray(y * 240, (y + 1) * 240);
    assert.ok(row(30).every((value) => value === 16) && row(250).every((value) => value === 16), 'bars');
    assert.ok(new Set(row(140)).size > 5, 'a picture between them');
    assert.ok(pictures.every(({ length }) => length === last.length));
    await stage.close();
  });

  it('lets the newest in, also out of the middle of a fade, and tells who had to give way', async () => {
    const [dark, middle, light] = [avatar(-60), avatar(0), avatar(60)];
    const stage = await stageOf(dark);
    const told: string[] = [];
    const enter = (source: AvatarSource, name: string): void => {
      stage
        .enter((first) => opened(source, first))
        .then(
          ({ fromPicture }) => told.push(`${name} from ${fromPicture}`),
          (error: Error & { code?: string }) => told.push(`${name} ${error.code}`),
        );
    };
    let pushed = 0;
    const pictures = await play(stage, [0, 1600], (ms) => {
      pushed = ms;
      if (ms === 400) enter(middle, 'middle');
      if (ms === 480) enter(light, 'light');
    });
    assert.equal(pushed, 1580);
    assert.equal(told.length, 2);
    const [first, second] = told.map((text) => Number(/\d+/.exec(text)?.[0]));
    assert.ok(
      second! > first! && second! < first! + 5,
      `the second comes within the first one's fade: ${told}`,
    );
    const mean = pictures.map(
      (picture) => picture.subarray(0, 240 * 280).reduce((a, b) => a + b, 0) / 67_200,
    );
    const steps = mean.slice(1).map((value, i) => value - mean[i]!);
    assert.ok(Math.min(...steps) > -1.5, 'it only gets lighter');
    assert.ok(Math.max(...steps) < 25, `without a jump: ${Math.max(...steps)}`);
    // Two at once, before a picture comes between them: the first gives way.
    enter(dark, 'dark');
    await new Promise((resolve) => setTimeout(resolve, 100));
    enter(middle, 'middle again');
    await until('the first to give way', () => told[2]);
    await play(stage, [1600, 2000]);
    assert.equal(told[2], 'dark superseded');
    assert.match(told[3] ?? '', /^middle again from/);
    await stage.close();
  });

  it('draws again what was interrupted, in the middle of a fade, too', async () => {
    const [dark, light] = [avatar(-40), avatar(40)];
    const stage = await stageOf(dark);
    const before = await play(stage, [0, 1000], (ms) => {
      if (ms === 840) void stage.enter((first) => opened(light, first));
    });
    assert.equal(stage.next, before.length);
    stage.rewind?.(2);
    stage.cut(1000);
    const again: Uint8Array[] = [];
    for await (const { data } of stage.push(new Float32Array(0))) again.push(data.slice());
    assert.equal(again.length, 2);
    for (const [i, picture] of again.entries()) {
      const shown = before.at(i - 2)!;
      const above = difference(picture.subarray(0, 240 * 60), shown.subarray(0, 240 * 60));
      assert.equal(above, 0, 'the same moment of the fade');
    }
    assert.ok(
      again.some((picture, i) => difference(picture, before.at(i - 2)!) > 0),
      'with another mouth',
    );
    await stage.close();
  });

  it('closes all that it was given, also what comes when it is closed', async () => {
    let open = 0;
    const counted = (source: AvatarSource): AvatarSource => {
      open += 1;
      return { ...source, close: () => void (open -= 1) };
    };
    const stage = await stageOf(counted(avatar(0)));
    await play(stage, [0, 200]);
    const isLate = deferred<void>();
    const late = stage.enter(async (first) => {
      await isLate.promise;
      return opened(counted(avatar(20)), first);
    });
    const waiting = stage.enter((first) => opened(counted(avatar(40)), first));
    const ended = Promise.allSettled([late, waiting]);
    await until('one to wait for its entrance', () => open === 2 || undefined);
    await stage.close();
    isLate.resolve();
    for (const result of await ended)
      assert.equal(
        result.status === 'rejected' && (result.reason as { code: string }).code,
        'session-closed',
      );
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(open, 0);
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CpuEngineStream } from '../../../../src/engine/cpu/cpu-stream.js';
import { isAppError } from '../../../../src/errors.js';
import type { AvatarSource } from '../../../../src/engine/engine.js';
import { LivingStill } from '../../../../src/engine/still/living-still.js';
import { REST_MOUTH } from '../../../../src/media/frame.js';
import type { MouthShape } from '../../../../src/media/frame.js';
import { patternedPicture, shippedBasis, syntheticLandmarks } from '../../../helpers/synthetic-face.js';

const [WIDTH, HEIGHT, IOD] = [240, 280, 70];
const basis = shippedBasis();
const face = syntheticLandmarks(120, 130, IOD);
const base = patternedPicture(WIDTH, HEIGHT);

/** Picture i carries i + 20 as its first luma value. */
function avatar(options: {
  frameCount: number;
  still?: boolean;
  fps?: number;
}): AvatarSource & { read: number[] } {
  const read: number[] = [];
  return {
    id: 'test',
    widthPx: WIDTH,
    heightPx: HEIGHT,
    frameCount: options.frameCount,
    fps: options.fps ?? 25,
    still: options.still ?? false,
    read,
    readFrame(index, target) {
      read.push(index);
      target.set(base);
      target[0] = index + 20;
    },
    landmarks: () => face,
    close() {},
  };
}

/** Hears loudness: a shape for each 160 samples, ten shapes late. */
class LoudnessEar {
  readonly lookaheadMs = 100;
  #samples: number[] = [];
  hearAs(other: LoudnessEar): void {
    this.#samples = [...other.#samples];
  }
  push(pcm: Float32Array): Promise<MouthShape[]> {
    this.#samples.push(...pcm);
    const shapes: MouthShape[] = [];
    while (this.#samples.length >= 160 * 11) {
      const open = Math.min(1, 2 * Math.max(...this.#samples.slice(0, 160).map(Math.abs)));
      this.#samples.splice(0, 160);
      shapes.push({ ...REST_MOUTH, open });
    }
    return Promise.resolve(shapes);
  }
}

const stream = (source: AvatarSource, fps = 25): CpuEngineStream =>
  new CpuEngineStream({
    avatar: source,
    still: source.still ? LivingStill.unprepared(source) : undefined,
    ear: new LoudnessEar(),
    basis,
    fps,
  });

async function pictures(engine: CpuEngineStream, pcm: Float32Array): Promise<Uint8Array[]> {
  const result: Uint8Array[] = [];
  for await (const frame of engine.push(pcm)) {
    assert.deepEqual([frame.widthPx, frame.heightPx], [WIDTH, HEIGHT]);
    result.push(frame.data.slice());
  }
  return result;
}

const second = (level: number): Float32Array =>
  Float32Array.from({ length: 16_000 }, (_, i) => level * Math.sin(i / 5));

test('pictures come out as soon as the lookahead allows, the same ones however the sound is cut', async () => {
  const engine = stream(avatar({ frameCount: 10 }));
  assert.equal(engine.lookaheadMs, 110);
  // Picture k needs the sound up to k / 25 s and 120 ms more.
  const dueAt = (k: number): number => ((k * 40 + 130) * 16_000) / 1000;
  assert.equal((await pictures(engine, second(0).subarray(0, dueAt(0)))).length, 1);
  assert.equal((await pictures(engine, second(0).subarray(0, dueAt(20) - dueAt(0)))).length, 20);

  const whole = await pictures(stream(avatar({ frameCount: 10 })), second(0.4));
  const cut = stream(avatar({ frameCount: 10 }));
  const parts: Uint8Array[] = [];
  for (let at = 0; at < 16_000; at += 333)
    parts.push(...(await pictures(cut, second(0.4).subarray(at, at + 333))));
  assert.equal(parts.length, whole.length);
  parts.forEach((part, k) => assert.deepEqual(part, whole[k], `picture ${k}`));
});

test('silence shows the footage itself, forward and backward', async () => {
  const source = avatar({ frameCount: 4 });
  const shown = await pictures(stream(source), second(0));
  assert.deepEqual(
    shown.slice(0, 9).map((data) => data[0]! - 20),
    [0, 1, 2, 3, 2, 1, 0, 1, 2],
  );
  for (const data of shown) assert.deepEqual(data.subarray(1), base.subarray(1));
});

test('footage keeps its own speed when the session has another frame rate', async () => {
  const source = avatar({ frameCount: 100, fps: 25 });
  await pictures(stream(source, 50), second(0));
  assert.deepEqual(source.read.slice(0, 6), [0, 0, 1, 1, 2, 2]);
});

test('loud sound moves the mouth, and only the lower face', async () => {
  const shown = await pictures(stream(avatar({ frameCount: 2 })), second(0.5));
  const last = shown.at(-1)!;
  const mouthRow = Math.round(face[14 * 3 + 1]! + 0.08 * IOD);
  const at = mouthRow * WIDTH + Math.round(face[14 * 3]!);
  assert.ok(Math.abs(last[at]! - base[at]!) > 30, `luma ${last[at]} against ${base[at]}`);
  const eyes = Math.round(face[33 * 3 + 1]!) * WIDTH;
  assert.deepEqual(last.subarray(WIDTH, eyes), base.subarray(WIDTH, eyes));
});

test('a photo lives: its head moves in silence, and its border stays', async () => {
  const engine = stream(avatar({ frameCount: 1, still: true }));
  const eye = Math.round(face[159 * 3 + 1]!) * WIDTH + Math.round(face[159 * 3]!);
  const eyes = new Set<string>();
  let first: Uint8Array | undefined;
  for (let s = 0; s < 7; s += 1) {
    for (const data of await pictures(engine, second(0))) {
      first ??= data;
      eyes.add(data.subarray(eye - 10, eye + 10).join());
      assert.deepEqual(data.subarray(1, WIDTH), base.subarray(1, WIDTH));
    }
  }
  assert.ok(eyes.size > 60, `only ${eyes.size} pictures of the eye in seven seconds`);
  assert.deepEqual(first!.subarray(WIDTH), base.subarray(WIDTH), 'the first picture is the photo itself');
});

test('footage is given no blinks, brows or turns: above the mouth its pictures stay themselves', async () => {
  const engine = stream(avatar({ frameCount: 3 }));
  const above = (Math.round(face[2 * 3 + 1]!) - 8) * WIDTH;
  for (let s = 0; s < 7; s += 1) {
    for (const data of await pictures(engine, second(s % 2 === 0 ? 0.5 : 0)))
      assert.deepEqual(data.subarray(1, above), base.subarray(1, above));
  }
});

test('a closed stream draws no more; impossible options are refused', async () => {
  const engine = stream(avatar({ frameCount: 2 }));
  await engine.close();
  assert.equal((await pictures(engine, second(0))).length, 0);
  assert.throws(
    () => stream(avatar({ frameCount: 2 }), 0),
    (error) => isAppError(error, 'invalid-argument'),
  );
  assert.throws(
    () => stream(avatar({ frameCount: 0 })),
    (error) => isAppError(error, 'avatar-not-ready'),
  );
});

test('cut off, the mouth shuts within two pictures whatever was heard, and speech behind it moves it again', async () => {
  const source = avatar({ frameCount: 1 });
  const engine = stream(source);
  const loud = (ms: number) => new Float32Array(ms * 16).fill(0.5);
  const spoken = await pictures(engine, loud(600));
  const shown = spoken.length;
  const [open, rest] = [spoken.at(-1)!, base];
  engine.rewind(2);
  engine.cut(600);
  const again = await pictures(engine, new Float32Array(0));
  assert.equal(again.length, 2, 'what was drawn already is drawn again, without more sound');
  const away = (picture: Uint8Array): number => difference(picture, rest);
  assert.ok(away(again[0]!) < away(open), 'the first is on its way');
  const silent = await pictures(engine, loud(200));
  assert.ok(away(again[1]!) < 0.3 * away(open), `${away(again[1]!)} of ${away(open)}`);
  assert.ok(away(silent[0]!) < 0.3 * away(open), 'also where the ear still hears what was cut off');
  const later = await pictures(engine, loud(400));
  assert.ok(away(later.at(-1)!) > 0.9 * away(open), 'new speech is seen');
  assert.equal(shown - 2 + again.length + silent.length + later.length, spoken.length + 15);
});

test('a mouth is tuned from the next picture on: further, less far, or more smoothly', async () => {
  const loud = (ms: number) => new Float32Array(ms * 16).fill(0.2);
  const opened = async (tuning?: { strength: number; smoothing: number }): Promise<number[]> => {
    const engine = stream(avatar({ frameCount: 1 }));
    if (tuning) engine.tune(tuning);
    const spoken = await pictures(engine, loud(600));
    return spoken.map((picture) => difference(picture, base));
  };
  const [plain, none, half, smooth] = [
    await opened(),
    await opened({ strength: 0, smoothing: 0 }),
    await opened({ strength: 0.5, smoothing: 0 }),
    await opened({ strength: 1, smoothing: 0.8 }),
  ];
  const last = (values: readonly number[]): number => values.at(-1) ?? NaN;
  assert.ok(last(none) < 0.4 * last(plain), `${last(none)} of ${last(plain)}`);
  assert.ok(last(half) > last(none) && last(half) < last(plain));
  assert.ok(smooth[1]! < plain[1]!, 'it takes longer');
  assert.ok(last(smooth) > 0.8 * last(plain), 'but comes as far');
});

function difference(one: Uint8Array, other: Uint8Array): number {
  return one.reduce((sum, value, at) => sum + Math.abs(value - other[at]!), 0);
}

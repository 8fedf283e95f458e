import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ensureFaceModels } from '../../src/face/models.js';
import { FaceTracker } from '../../src/face/tracker.js';
import { boxOf, overlap } from '../../src/face/roi.js';
import { silentLog } from '../../src/lib/log.js';
import { interOcularPx } from '../../src/media/face-topology.js';
import type { Landmarks, RgbImage } from '../../src/media/frame.js';
import { readPictures, testDataDir, testFfmpegPath } from '../helpers/face-media.js';

const dataDir = testDataDir();
const ffmpeg = testFfmpegPath();
const skip = !dataDir ? 'no test media' : !ffmpeg ? 'no ffmpeg for tests' : false;

/** The picture in a larger black one of the same or another size, at (left, top), its brightness times `gain`. */
function placed(
  image: RgbImage,
  widthPx: number,
  heightPx: number,
  left: number,
  top: number,
  gain = 1,
): RgbImage {
  const data = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < image.heightPx; y++) {
    const row = image.data.subarray(y * image.widthPx * 3, (y + 1) * image.widthPx * 3);
    data.set(gain === 1 ? row : row.map((value) => value * gain), ((y + top) * widthPx + left) * 3);
  }
  return { widthPx, heightPx, data };
}

describe('tracking a face', { skip }, () => {
  let modelsDir: string;
  let tracker: FaceTracker;
  let sun: RgbImage[];

  before(async () => {
    modelsDir = await mkdtemp(join(tmpdir(), 'face-tracker-'));
    tracker = await FaceTracker.create(await ensureFaceModels(modelsDir, silentLog));
    sun = await readPictures(ffmpeg!, join(dataDir!, 'video/sun.mp4'), 60);
  });

  after(async () => {
    await tracker?.close();
    if (modelsDir) await rm(modelsDir, { recursive: true });
  });

  async function landmarksIn(image: RgbImage): Promise<Landmarks> {
    const { face } = await tracker.track(image);
    assert.ok(face, 'a face is found');
    return face.landmarks;
  }

  test('sixty pictures of a smiling woman: never lost, no leaps', async () => {
    tracker.reset();
    let previous: Landmarks | undefined;
    for (const [k, image] of sun.entries()) {
      const landmarks = await landmarksIn(image);
      const eyes = interOcularPx(landmarks);
      assert.ok(eyes > 68 && eyes < 82, `picture ${k}: the eyes are ${eyes} px apart`);
      if (previous) assert.ok(overlap(boxOf(previous), boxOf(landmarks)) > 0.85, `picture ${k} leaps`);
      previous = landmarks;
    }
  });

  test('a still gives the same points in its first picture as after a while, to a twentieth of the eye distance', async () => {
    tracker.reset();
    const first = await landmarksIn(sun[0]!);
    for (let k = 0; k < 30; k++) await landmarksIn(sun[0]!);
    const last = await landmarksIn(sun[0]!);
    const limitPx = interOcularPx(first) / 20;
    let worst = 0;
    for (let i = 0; i < first.length; i += 3) {
      worst = Math.max(worst, Math.hypot(first[i]! - last[i]!, first[i + 1]! - last[i + 1]!));
    }
    assert.ok(worst < limitPx, `moved ${worst} px`);
  });

  test('the points go with the picture when it is moved', async () => {
    tracker.reset();
    const here = await landmarksIn(placed(sun[0]!, 900, 900, 0, 0));
    tracker.reset();
    const there = await landmarksIn(placed(sun[0]!, 900, 900, 200, 100));
    for (const index of [1, 33, 263, 61, 291, 13, 14, 152]) {
      assert.ok(Math.abs(there[index * 3]! - here[index * 3]! - 200) < 2, `x of point ${index}`);
      assert.ok(Math.abs(there[index * 3 + 1]! - here[index * 3 + 1]! - 100) < 2, `y of point ${index}`);
    }
  });

  test('a cut to black loses the face at once, a cut to another person finds it at once', async () => {
    tracker.reset();
    const black = placed({ widthPx: 1, heightPx: 1, data: new Uint8Array(3) }, 576, 768, 0, 0);
    await landmarksIn(sun[0]!);
    assert.deepEqual(await tracker.track(black), { face: undefined, reason: 'lost' });
    assert.deepEqual(await tracker.track(black), { face: undefined, reason: 'none-found' });
    const [person] = await readPictures(ffmpeg!, join(dataDir!, 'talking/talk-a.mp4'), 1);
    const direct = await landmarksIn(person!);
    tracker.reset();
    await landmarksIn(sun[0]!);
    const afterCut = await landmarksIn(person!);
    assert.deepEqual(afterCut, direct);
  });

  test('a slow fade to black loses the face within a second of the end', async () => {
    tracker.reset();
    let lostAt: number | undefined;
    for (let k = 0; k < 60 && lostAt === undefined; k++) {
      const image = placed(sun[0]!, 576, 768, 0, 0, Math.max(0, 1 - k / 30));
      if (!(await tracker.track(image)).face) lostAt = k;
    }
    assert.ok(lostAt !== undefined && lostAt <= 55, `lost at picture ${lostAt}`);
  });

  test('a head that tilts by a degree a picture is followed to the side', async () => {
    const path = join(dataDir!, 'talking/talk-a.mp4');
    const tilting = await readPictures(ffmpeg!, path, 80, 'rotate=n*PI/180:c=gray');
    tracker.reset();
    let last: Landmarks | undefined;
    for (const image of tilting) last = await landmarksIn(image);
    const tilt = Math.atan2(last![263 * 3 + 1]! - last![33 * 3 + 1]!, last![263 * 3]! - last![33 * 3]!);
    // She moves her head a little on her own, too.
    assert.ok(Math.abs((tilt * 180) / Math.PI - 79) < 10, `tilt ${tilt} rad`);
  });

  test('a face too small for the whole picture is found in a part of it', async () => {
    const [small] = await readPictures(ffmpeg!, join(dataDir!, 'video/sun.mp4'), 1, 'scale=288:384');
    tracker.reset();
    const landmarks = await landmarksIn(placed(small!, 1920, 1080, 700, 300));
    const box = boxOf(landmarks);
    assert.ok(box.left > 700 && box.right < 988 && box.top > 300 && box.bottom < 684, JSON.stringify(box));
  });
});

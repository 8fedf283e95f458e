import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { prepareAvatar } from '../../src/avatar/prepare.js';
import { AvatarStore } from '../../src/avatar/store.js';
import { lookAtEyes } from '../../src/compositor/eye-look.js';
import { Eyelids } from '../../src/compositor/eyelids.js';
import type { FacePhoto } from '../../src/compositor/face-photo.js';
import { HeadTurnWarp } from '../../src/compositor/head-turn.js';
import type { HeadTurn } from '../../src/compositor/head-turn.js';
import { findTurnableHead } from '../../src/compositor/turnable-head.js';
import { LivingStill } from '../../src/engine/still/living-still.js';
import { facePhotoOf } from '../../src/engine/still/still-material.js';
import { ensureFaceModels } from '../../src/face/models.js';
import { smoothLandmarks } from '../../src/face/smoothing.js';
import { FaceTracker } from '../../src/face/tracker.js';
import { silentLog } from '../../src/lib/log.js';
import { FACE_OVAL, interOcularPx } from '../../src/media/face-topology.js';
import type { Landmarks } from '../../src/media/frame.js';
import { i420ToRgb } from '../../src/media/yuv.js';
import { testFfmpeg } from '../helpers/media.js';

const FPS = 25;
const SHARED = path.resolve('../shared/data/portraits');
const PHOTOS = [
  path.resolve('web/public/demo/portrait.jpg'),
  ...['man.png', 'monalisa.png', 'sit.jpeg'].map((name) => path.join(SHARED, name)),
];
const REST: HeadTurn = { yawRad: 0, pitchRad: 0, rollRad: 0, dxPx: 0, dyPx: 0, brows: 0 };

/** Four syllables a second for two seconds, every fourth one wide, then a second of silence. */
function voiceAt(timeMs: number): { open: number; speaking: number } {
  const within = timeMs % 3000;
  if (within >= 2000) return { open: 0, speaking: 1 };
  const wide = Math.floor(within / 250) % 4 === 1 ? 0.7 : 0.25;
  return { open: wide * Math.sin((Math.PI * (within % 250)) / 250), speaking: 1 };
}

/** The face's middle and half its width and height. */
function faceBox(landmarks: Landmarks): { x: number; y: number; halfWidth: number; halfHeight: number } {
  const xs = FACE_OVAL.map((point) => landmarks[point * 3]!);
  const ys = FACE_OVAL.map((point) => landmarks[point * 3 + 1]!);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return {
    x: (left + right) / 2,
    y: (top + bottom) / 2,
    halfWidth: (right - left) / 2,
    halfHeight: (bottom - top) / 2,
  };
}

for (const file of PHOTOS) {
  const name = path.basename(file);
  describe(`${name} lives`, { skip: existsSync(file) ? false : 'shared/data is absent' }, () => {
    let folder: string;
    let tracker: FaceTracker;
    let avatar: Awaited<ReturnType<AvatarStore['open']>>;
    let face: FacePhoto;
    let photo: Uint8Array;

    before(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'musecast-still-'));
      tracker = await FaceTracker.create(await ensureFaceModels(path.resolve('models'), silentLog));
      await prepareAvatar({
        id: 'still',
        sourcePath: file,
        avatarsDir: folder,
        fps: FPS,
        ffmpeg: await testFfmpeg(),
        tracker,
        smooth: smoothLandmarks,
        log: silentLog,
      });
      avatar = await new AvatarStore(folder).open('still');
      face = facePhotoOf(avatar);
      photo = face.photo;
    });

    after(async () => {
      avatar?.close();
      await tracker?.close();
      await rm(folder, { recursive: true, force: true });
    });

    async function track(picture: Uint8Array): Promise<Landmarks> {
      const { widthPx, heightPx } = avatar;
      const data = new Uint8Array(widthPx * heightPx * 3);
      i420ToRgb(picture, widthPx, heightPx, data);
      const { face } = await tracker.track({ widthPx, heightPx, data });
      assert.ok(face, 'the face is found');
      return Float32Array.from(face.landmarks);
    }

    test('ten seconds: the head moves without jitter, and nothing around it changes by a single level', async () => {
      const { widthPx, heightPx } = avatar;
      const landmarks = avatar.landmarks(0);
      const iodPx = interOcularPx(landmarks);
      const box = faceBox(landmarks);
      const still = LivingStill.unprepared(avatar);
      const picture = new Uint8Array(photo.length);
      const most = new Uint8Array(widthPx * heightPx);
      const noses: [number, number][] = [];
      tracker.reset();
      for (let k = 0; k < 10 * FPS; k += 1) {
        const timeMs = (k * 1000) / FPS;
        still.draw(picture, timeMs, () => {}, voiceAt(timeMs));
        for (let at = 0; at < most.length; at += 1)
          most[at] = Math.max(most[at]!, Math.abs(picture[at]! - photo[at]!));
        const points = await track(picture);
        noses.push([points[3]! / iodPx, points[4]! / iodPx]);
      }
      let changed = 0;
      for (let y = 0; y < heightPx; y += 1) {
        for (let x = 0; x < widthPx; x += 1) {
          const away = Math.abs(x - box.x) / box.halfWidth;
          const down = (y - box.y) / box.halfHeight;
          // Hair and hats belong to the head, shoulders do not.
          const outside = down < -2.4 || down > 1.6 || away > (down > 1 ? 1.5 : 1.8);
          if (outside) assert.equal(most[y * widthPx + x], 0, `${x},${y} changed`);
          else if (most[y * widthPx + x]! > 8) changed += 1;
        }
      }
      const faceArea = Math.PI * box.halfWidth * box.halfHeight;
      assert.ok(changed > 0.2 * faceArea, `only ${changed} samples of the head change`);
      const xs = noses.map(([x]) => x);
      assert.ok(Math.max(...xs) - Math.min(...xs) > 0.02, 'the nose hardly moves');
      const jerks = noses.slice(2).map(([x, y], i) => {
        const [[x1, y1], [x0, y0]] = [noses[i + 1]!, noses[i]!];
        return Math.hypot(x - 2 * x1 + x0, y - 2 * y1 + y0);
      });
      jerks.sort((a, b) => a - b);
      assert.ok(jerks[jerks.length >> 1]! < 0.01, `median jerk ${jerks[jerks.length >> 1]} iod`);
      assert.ok(jerks.at(-1)! < 0.05, `greatest jerk ${jerks.at(-1)} iod`);
    });

    test('shut eyes show skin and no pupil, and nothing but the eyes changes', () => {
      const { widthPx } = avatar;
      const landmarks = avatar.landmarks(0);
      const lids = new Eyelids({ ...face, eyes: lookAtEyes(face) });
      const shut = photo.slice();
      lids.draw(shut, 1);
      const open = photo.slice();
      lids.draw(open, 0);
      assert.deepEqual(open, photo, 'open eyes are the photo itself');
      for (const [left, right, upper, lower] of [
        [33, 133, 159, 145],
        [362, 263, 386, 374],
      ] as const) {
        const between = (share: number): number =>
          landmarks[left * 3]! + (landmarks[right * 3]! - landmarks[left * 3]!) * share;
        const top = landmarks[upper * 3 + 1]!;
        const darkest = (picture: Uint8Array): number => {
          const values: number[] = [];
          // Between the lids, without the line of lashes at the bottom.
          for (let y = Math.ceil(top); y < top + 0.6 * (landmarks[lower * 3 + 1]! - top); y += 1)
            for (let x = Math.ceil(between(0.3)); x < between(0.7); x += 1)
              values.push(picture[y * widthPx + x]!);
          return Math.min(...values);
        };
        assert.ok(darkest(shut) > darkest(photo) + 20, `${darkest(shut)}, open ${darkest(photo)}`);
      }
      const iodPx = interOcularPx(landmarks);
      for (let at = 0; at < widthPx * avatar.heightPx; at += 1) {
        if (shut[at] === photo[at]) continue;
        const [x, y] = [at % widthPx, Math.floor(at / widthPx)];
        const near = [159, 386].some(
          (point) => Math.hypot(x - landmarks[point * 3]!, y - landmarks[point * 3 + 1]!) < 0.35 * iodPx,
        );
        assert.ok(near, `${x},${y} is no eye`);
      }
    });

    test('raised brows are seen raised by a tracker, the mouth stays', async () => {
      const landmarks = avatar.landmarks(0);
      const warp = new HeadTurnWarp({ ...face, head: findTurnableHead(face) });
      const raised = new Uint8Array(photo.length);
      warp.apply(photo, raised, { ...REST, brows: 1 });
      tracker.reset();
      const before = await track(photo);
      const after = await track(raised);
      const iodPx = interOcularPx(landmarks);
      const up = (point: number): number => (before[point * 3 + 1]! - after[point * 3 + 1]!) / iodPx;
      const brows = (up(105) + up(334) + up(52) + up(282)) / 4;
      assert.ok(brows > 0.008, `brows rise by ${brows} iod`);
      assert.ok(Math.abs(up(13)) < 0.01 && Math.abs(up(152)) < 0.015, 'mouth or chin moved');
    });
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadTurnWarp } from '../../../../src/compositor/head-turn.js';
import { beforeColour } from '../../../../src/engine/still/still-background.js';
import { stillMaterialOf } from '../../../../src/engine/still/still-material.js';
import { yuvOf } from '../../../../src/media/colour.js';
import { rgbToI420 } from '../../../../src/media/yuv.js';
import { headBeforeWallpaper, syntheticLandmarks } from '../../../helpers/synthetic-face.js';

const [widthPx, heightPx] = [320, 400];
const landmarks = syntheticLandmarks(160, 160, 80);
const { picture: photo, isHead } = headBeforeWallpaper(landmarks, widthPx, heightPx);
const face = { widthPx, heightPx, photo, landmarks };
const green = yuvOf('#00b140');
const PLANE = widthPx * heightPx;

/** Blueness (Cb), by which the wallpaper differs from skin and green. */
const cb = (picture: Uint8Array, x: number, y: number): number =>
  picture[PLANE + (y >> 1) * (widthPx >> 1) + (x >> 1)]!;
/** How far inside (negative) or outside a place is, seen in steps of 6 pixels. */
const isFarFrom = (x: number, y: number, head: boolean): boolean => {
  for (let j = -12; j <= 12; j += 6)
    for (let i = -12; i <= 12; i += 6) if (isHead(x + i, y + j) === head) return false;
  return true;
};

test('a colour is what the pictures hold of it', () => {
  for (const [hex, rgb] of [
    ['#000000', [0, 0, 0]],
    ['#ffffff', [255, 255, 255]],
    ['#00B140', [0, 0xb1, 0x40]],
    ['#c04020', [0xc0, 0x40, 0x20]],
  ] as const) {
    const data = new Uint8Array(6);
    rgbToI420(Uint8Array.from([...rgb, ...rgb, ...rgb, ...rgb]), 2, 2, data);
    const { y, u, v } = yuvOf(hex);
    assert.deepEqual([data[0], data[4], data[5]], [y, u, v]);
  }
});

test('the person stays, the wallpaper becomes the colour, also where the head has been', () => {
  const own = stillMaterialOf(face)!;
  const before = beforeColour(face, own, green);
  let [kept, gone] = [0, 0];
  for (let y = 4; y < heightPx; y += 4)
    for (let x = 0; x < widthPx; x += 4) {
      const value = before.face.photo[y * widthPx + x]!;
      if (isFarFrom(x, y, false)) {
        assert.equal(value, photo[y * widthPx + x], `${x},${y} is the person`);
        kept += 1;
      } else if (isFarFrom(x, y, true) && y < 250) {
        assert.equal(value, green.y, `${x},${y} is background`);
        gone += 1;
      }
    }
  assert.ok(kept > 1000 && gone > 1000, `${kept} places of the person, ${gone} of the background`);
  assert.equal(face.photo, photo, 'the photo itself is not touched');

  const warp = new HeadTurnWarp({ widthPx, heightPx, head: before.material.head });
  const target = new Uint8Array(photo.length);
  for (const dxPx of [-6, 6]) {
    warp.apply(before.face.photo, target, { yawRad: 0, pitchRad: 0, rollRad: 0, dxPx, dyPx: 0, brows: 0 });
    let blue = 0;
    for (let y = 4; y < 220; y += 2)
      for (let x = 0; x < widthPx; x += 2) if (cb(target, x, y) > cb(photo, 10, 10) - 10) blue += 1;
    assert.ok(blue < 20, `${blue} places show the wallpaper when the head moves by ${dxPx} px`);
  }
});

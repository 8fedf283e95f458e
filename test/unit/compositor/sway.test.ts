import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SwayWarp } from '../../../src/compositor/sway.js';
import { patternedPicture, syntheticLandmarks } from '../../helpers/synthetic-face.js';

const [WIDTH, HEIGHT] = [320, 400];
const landmarks = syntheticLandmarks(160, 190, 80);
const picture = patternedPicture(WIDTH, HEIGHT);
const warp = new SwayWarp({ widthPx: WIDTH, heightPx: HEIGHT, landmarks });

test('no sway is the picture itself', () => {
  const target = new Uint8Array(picture.length);
  warp.apply(picture, target, { dxPx: 0, dyPx: 0, angleRad: 0 });
  assert.deepEqual(target, picture);
});

test('the head moves by whole pixels exactly and the border not at all', () => {
  const target = new Uint8Array(picture.length);
  warp.apply(picture, target, { dxPx: 2, dyPx: 1, angleRad: 0 });
  for (let y = 175; y < 205; y += 1) {
    for (let x = 140; x < 180; x += 1) {
      const expected = picture[(y - 1) * WIDTH + x - 2]!;
      assert.ok(Math.abs(target[y * WIDTH + x]! - expected) <= 1, `${x},${y}`);
    }
  }
  for (let x = 0; x < WIDTH; x += 1) {
    assert.equal(target[x], picture[x]);
    assert.equal(target[(HEIGHT - 1) * WIDTH + x], picture[(HEIGHT - 1) * WIDTH + x]);
  }
  for (let y = 0; y < HEIGHT; y += 1) {
    assert.equal(target[y * WIDTH], picture[y * WIDTH]);
    assert.equal(target[y * WIDTH + WIDTH - 1], picture[y * WIDTH + WIDTH - 1]);
  }
});

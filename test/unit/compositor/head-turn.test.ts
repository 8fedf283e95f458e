import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadTurnWarp } from '../../../src/compositor/head-turn.js';
import type { HeadTurn } from '../../../src/compositor/head-turn.js';
import { findTurnableHead } from '../../../src/compositor/turnable-head.js';
import { seededRandom } from '../../../src/engine/still/seeded-random.js';
import { i420SizeBytes } from '../../../src/media/frame.js';
import { headBeforeWallpaper, patternedPicture, syntheticLandmarks } from '../../helpers/synthetic-face.js';

const [WIDTH, HEIGHT, IOD] = [400, 480, 80];
const [X, Y] = [200, 210];
const landmarks = syntheticLandmarks(X, Y, IOD);
const REST: HeadTurn = { yawRad: 0, pitchRad: 0, rollRad: 0, dxPx: 0, dyPx: 0, brows: 0 };
const TURNS: HeadTurn[] = [
  { ...REST, yawRad: 0.06 },
  { ...REST, yawRad: -0.06, dxPx: -1 },
  { ...REST, pitchRad: 0.06, dyPx: 1 },
  { ...REST, pitchRad: -0.04, rollRad: 0.02 },
  { ...REST, brows: 1 },
];

/** Soft noise, in which every place is found again. */
function noise(): Uint8Array {
  const random = seededRandom(5);
  const rough = Float32Array.from({ length: WIDTH * HEIGHT }, () => 40 + 175 * random());
  const picture = new Uint8Array(i420SizeBytes(WIDTH, HEIGHT)).fill(128);
  for (let at = 2 * WIDTH; at < rough.length - 2 * WIDTH; at += 1) {
    let sum = 0;
    for (let j = -2 * WIDTH; j <= 2 * WIDTH; j += WIDTH)
      for (let i = -2; i <= 2; i += 1) sum += rough[at + i + j]!;
    picture[at] = sum / 25;
  }
  return picture;
}

function warpOf(photo: Uint8Array, points = landmarks): HeadTurnWarp {
  const size = { widthPx: WIDTH, heightPx: HEIGHT };
  return new HeadTurnWarp({ ...size, head: findTurnableHead({ ...size, photo, landmarks: points }) });
}

function turned(picture: Uint8Array, turn: HeadTurn): Uint8Array {
  const target = new Uint8Array(picture.length);
  warpOf(picture).apply(picture, target, turn);
  return target;
}

/** By how many whole pixels the patch around a point moved to the right and down. */
function motionAt(before: Uint8Array, after: Uint8Array, x: number, y: number): [number, number] {
  let best: [number, number] = [0, 0];
  let least = Infinity;
  for (let dy = -10; dy <= 10; dy += 1) {
    for (let dx = -10; dx <= 10; dx += 1) {
      let sum = 0;
      for (let j = -8; j <= 8; j += 1)
        for (let i = -8; i <= 8; i += 1)
          sum += Math.abs(after[(y + dy + j) * WIDTH + x + dx + i]! - before[(y + j) * WIDTH + x + i]!);
      if (sum < least) {
        least = sum;
        best = [dx, dy];
      }
    }
  }
  return best;
}

const point = (index: number): [number, number] => [
  Math.round(landmarks[index * 3]!),
  Math.round(landmarks[index * 3 + 1]!),
];

test('a head that is not turned is the picture itself, to the bit', () => {
  for (const picture of [
    patternedPicture(WIDTH, HEIGHT),
    headBeforeWallpaper(landmarks, WIDTH, HEIGHT).picture,
  ])
    assert.deepEqual(turned(picture, REST), picture);
});

test('what is near goes farther: the nose more than the eyes, the cheeks hardly', () => {
  const picture = noise();
  const depth = (index: number): number =>
    (landmarks[234 * 3 + 2]! + landmarks[454 * 3 + 2]!) / 2 - landmarks[index * 3 + 2]!;
  const after = turned(picture, { ...REST, yawRad: 0.08 });
  const [nose] = motionAt(picture, after, ...point(4));
  const [eye] = motionAt(picture, after, ...point(133));
  const [cheek] = motionAt(picture, after, ...point(234));
  // The tip itself is sharper than the moved patch around it.
  const rigid = Math.sin(0.08) * depth(4);
  assert.ok(nose > 0.7 * rigid && nose <= rigid + 0.5, `nose ${nose} px, a rigid head ${rigid}`);
  assert.ok(nose > eye && eye > cheek && Math.abs(cheek) <= 1, `nose ${nose}, eye ${eye}, cheek ${cheek}`);
  const [, down] = motionAt(picture, turned(picture, { ...REST, pitchRad: 0.08 }), ...point(4));
  assert.ok(down >= nose - 1, `a nod takes the nose ${down} px down`);
});

test('the wallpaper beside a turning head stays to the bit, and the head does turn', () => {
  const { picture, isHead } = headBeforeWallpaper(landmarks, WIDTH, HEIGHT);
  for (const turn of TURNS) {
    const after = turned(picture, turn);
    let changed = 0;
    for (let y = 0; y < HEIGHT; y += 1) {
      for (let x = 0; x < WIDTH; x += 1) {
        if (after[y * WIDTH + x] === picture[y * WIDTH + x]) continue;
        changed += 1;
        let near = false;
        for (let j = -10; j <= 10 && !near; j += 5)
          for (let i = -10; i <= 10 && !near; i += 5) near = isHead(x + i, y + j);
        assert.ok(near, `${x},${y} changed, far from the head, at ${JSON.stringify(turn)}`);
      }
    }
    assert.ok(changed > 500, `only ${changed} pixels changed at ${JSON.stringify(turn)}`);
  }
});

test('the border and the shoulders never move', () => {
  const picture = patternedPicture(WIDTH, HEIGHT);
  const chin = landmarks[152 * 3 + 1]!;
  const shoulders = Math.ceil(chin + 0.6 * (chin - landmarks[10 * 3 + 1]!));
  for (const turn of TURNS) {
    const after = turned(picture, turn);
    assert.deepEqual(after.subarray(0, WIDTH), picture.subarray(0, WIDTH));
    assert.deepEqual(
      after.subarray(shoulders * WIDTH, HEIGHT * WIDTH),
      picture.subarray(shoulders * WIDTH, HEIGHT * WIDTH),
    );
    for (let y = 0; y < HEIGHT; y += 1) {
      assert.equal(after[y * WIDTH], picture[y * WIDTH]);
      assert.equal(after[y * WIDTH + WIDTH - 1], picture[y * WIDTH + WIDTH - 1]);
    }
  }
});

test('raised brows take the brows up and leave the eyes and the mouth where they are', () => {
  const picture = noise();
  const after = turned(picture, { ...REST, brows: 1 });
  const [, brow] = motionAt(picture, after, ...point(105));
  assert.ok(brow <= -2, `brow ${brow} px`);
  for (const still of [145, 374, 13, 4]) {
    const [x, y] = point(still);
    assert.equal(after[y * WIDTH + x], picture[y * WIDTH + x], `point ${still}`);
  }
});

test('faces at the border, tilted and turned away are moved without harm', () => {
  const picture = patternedPicture(WIDTH, HEIGHT);
  for (const [x, y, angle] of [
    [10, 200, 0],
    [390, 470, 0.3],
    [200, 10, -0.5],
  ] as const) {
    const face = syntheticLandmarks(0, 0, IOD);
    for (let i = 0; i < face.length; i += 3) {
      const [px, py] = [face[i]!, face[i + 1]!];
      face[i] = x + px * Math.cos(angle) - py * Math.sin(angle);
      face[i + 1] = y + px * Math.sin(angle) + py * Math.cos(angle);
    }
    const warp = warpOf(picture, face);
    for (const turn of TURNS) {
      const target = new Uint8Array(picture.length);
      warp.apply(picture, target, turn);
      assert.ok(target.subarray(0, WIDTH * HEIGHT).every((value) => value >= 16 && value <= 235));
    }
  }
});

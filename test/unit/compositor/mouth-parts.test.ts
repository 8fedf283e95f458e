import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FaceRenderer } from '../../../src/compositor/face-renderer.js';
import { HeadFrame } from '../../../src/compositor/head-frame.js';
import { LipRim } from '../../../src/compositor/lip-rim.js';
import { fitMouth } from '../../../src/compositor/mouth-fit.js';
import { TeethRow, UPPER_TEETH } from '../../../src/compositor/teeth-row.js';
import { INNER_LIP_LOWER, INNER_LIP_UPPER } from '../../../src/media/face-topology.js';
import { i420SizeBytes, REST_MOUTH } from '../../../src/media/frame.js';
import { rgbToI420 } from '../../../src/media/yuv.js';
import { openedLandmarks, shippedBasis, syntheticLandmarks } from '../../helpers/synthetic-face.js';

const [WIDTH, HEIGHT, IOD] = [480, 560, 150];
const basis = shippedBasis();
const shut = syntheticLandmarks(240, 260, IOD);
const smiling = openedLandmarks(shut, basis, 0.09, IOD);

/** The face turned about its vertical axis, the nose to the picture's right. */
function turned(points: Float32Array, yawDeg: number): Float32Array {
  const yaw = (yawDeg * Math.PI) / 180;
  return points.map((value, i) => {
    const [x, z] = [points[i - (i % 3)]! - 240, points[i - (i % 3) + 2]!];
    if (i % 3 === 0) return 240 + x * Math.cos(yaw) - z * Math.sin(yaw);
    return i % 3 === 2 ? z * Math.cos(yaw) + x * Math.sin(yaw) : value;
  });
}

/** Skin everywhere, white inside the inner lips and `beyondPx` below their landmarks. */
function teethPicture(points: Float32Array, beyondPx = 0): Uint8Array {
  const rgb = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let i = 0; i < rgb.length; i += 3) rgb.set([190, 100, 95], i);
  for (let column = 0; column < 10; column += 1) {
    const [from, to] = [points[INNER_LIP_UPPER[column]! * 3]!, points[INNER_LIP_UPPER[column + 1]! * 3]!];
    for (let x = Math.round(from); x < Math.round(to); x += 1) {
      const t = (x - from) / (to - from);
      const edge = (lip: readonly number[]): number =>
        points[lip[column]! * 3 + 1]! * (1 - t) + points[lip[column + 1]! * 3 + 1]! * t;
      for (let y = Math.round(edge(INNER_LIP_UPPER)); y < edge(INNER_LIP_LOWER) + beyondPx; y += 1)
        rgb.set([230, 228, 220], (y * WIDTH + x) * 3);
    }
  }
  const data = new Uint8Array(i420SizeBytes(WIDTH, HEIGHT));
  rgbToI420(rgb, WIDTH, HEIGHT, data);
  return data;
}

function draw(picture: Uint8Array, points: Float32Array, mouth: Partial<typeof REST_MOUTH>): Uint8Array {
  const fit = fitMouth({ frameCount: 1, landmarks: () => points });
  const drawn = picture.slice();
  new FaceRenderer({ basis, fit, widthPx: WIDTH, heightPx: HEIGHT }).render(drawn, points, {
    mouth: { ...REST_MOUTH, ...mouth },
    speaking: 1,
  });
  return drawn;
}

test('a smile that is shut shows no tooth and no cavity', () => {
  const picture = teethPicture(smiling, 3);
  const drawn = draw(picture, smiling, { open: 0 });
  const skin = picture[0]!;
  const pixels = Array.from(drawn.subarray(0, WIDTH * HEIGHT));
  const white = pixels.filter((light) => light > skin + 40).length;
  const before = Array.from(picture.subarray(0, WIDTH * HEIGHT)).filter((light) => light > skin + 40).length;
  assert.ok(white < 0.01 * before, `${white} of ${before} white pixels left`);
  // The line between the lips is dark, but nothing like the inside of a mouth.
  assert.ok(pixels.every((light) => light > 0.55 * skin));
});

test('the inside of a mouth on a head turned by 30 degrees stays between the lips', () => {
  const points = turned(shut, 30);
  const picture = teethPicture(points);
  const drawn = draw(picture, points, { open: 1 });
  const corners = [points[78 * 3]!, points[308 * 3]!];
  let dark = 0;
  for (let y = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1) {
      if (drawn[y * WIDTH + x]! > 0.6 * picture[0]!) continue;
      dark += 1;
      assert.ok(x > Math.min(...corners) - 3 && x < Math.max(...corners) + 3, `dark pixel at ${x},${y}`);
      const lip = points[13 * 3 + 1]!;
      assert.ok(y > lip - 0.1 * IOD && y < lip + 0.24 * IOD, `dark pixel at ${x},${y}`);
    }
  }
  assert.ok(dark > 300, `only ${dark} dark pixels`);
});

test('a raised tongue fills the dark behind the teeth', () => {
  const picture = teethPicture(shut);
  const darkOf = (tongue: number): number => {
    const drawn = draw(picture, shut, { open: 0.5, tongue });
    return drawn.subarray(0, WIDTH * HEIGHT).filter((light) => light < 60).length;
  };
  const [down, up] = [darkOf(0), darkOf(1)];
  assert.ok(up < 0.85 * down, `${up} dark pixels with the tongue up, ${down} without`);
});

test('the far side of a turned row of teeth is narrower, a frontal row is even', () => {
  const halves = (yawDeg: number): [number, number] => {
    const head = new HeadFrame();
    assert.ok(head.update(turned(shut, yawDeg)));
    const row = new TeethRow(UPPER_TEETH, 400);
    row.fill(head, 201, -100, 0, 0, 0, 1, 1);
    const shown = (k: number): boolean => row.shade[k]! > 0.2;
    const count = (from: number, to: number): number =>
      Array.from({ length: to - from }, (_, i) => from + i).filter(shown).length;
    return [count(0, 100), count(101, 201)];
  };
  const [left, right] = halves(0);
  assert.ok(Math.abs(left - right) <= 2 && left > 20, `${left} and ${right}`);
  const [near, far] = halves(25);
  assert.ok(far < 0.8 * near, `near ${near}, far ${far}`);
});

test('the rim finds teeth below the landmarks of the lower lip, and nothing on a lip without', () => {
  const head = new HeadFrame();
  head.update(smiling);
  const tooth = Float32Array.of(230, 228, 220);
  const found = (beyondPx: number): number => {
    const rim = new LipRim();
    rim.look(teethPicture(smiling, beyondPx), WIDTH, HEIGHT, smiling, head, tooth);
    return rim.lowerIod[4]! * IOD;
  };
  assert.ok(Math.abs(found(5) - 5) < 2, `${found(5)} px`);
  assert.ok(found(0) < 2, `${found(0)} px`);
});

test('footage that talks is told from a lasting smile, and sets its own range', () => {
  const smile = fitMouth({ frameCount: 50, landmarks: () => smiling });
  const talk = fitMouth({
    frameCount: 50,
    landmarks: (index) => openedLandmarks(shut, basis, 0.08 + 0.08 * Math.sin(index), IOD),
  });
  assert.equal(smile.talks, 0);
  assert.equal(talk.talks, 1);
  assert.ok(talk.openIod > 0.15 && talk.openIod < 0.24, `opens by ${talk.openIod}`);
  assert.ok(Math.abs(talk.lipRest[1] - smile.lipRest[1]) < 0.02, 'the teeth stay on the skull');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FaceRenderer } from '../../../src/compositor/face-renderer.js';
import { fitMouth } from '../../../src/compositor/mouth-fit.js';
import { REST_MOUTH } from '../../../src/media/frame.js';
import { patternedPicture, shippedBasis, syntheticLandmarks } from '../../helpers/synthetic-face.js';

const [WIDTH, HEIGHT, IOD] = [480, 560, 150];
const basis = shippedBasis();
const landmarks = syntheticLandmarks(240, 260, IOD);
const picture = patternedPicture(WIDTH, HEIGHT);
const fit = fitMouth({ frameCount: 1, landmarks: () => landmarks });
const renderer = (): FaceRenderer => new FaceRenderer({ basis, fit, widthPx: WIDTH, heightPx: HEIGHT });
const wide = { mouth: { open: 1, spread: 0.3, round: 0, tuck: 0, tongue: 0 }, speaking: 1 };

test('a resting mouth in silence leaves the picture byte for byte', () => {
  const drawn = picture.slice();
  const roi = renderer().render(drawn, landmarks, { mouth: REST_MOUTH, speaking: 0 });
  assert.equal(roi, undefined);
  assert.deepEqual(drawn, picture);
});

test('a wide mouth is dark between the lips, with bright teeth above that are not the colour of skin', () => {
  const drawn = picture.slice();
  assert.ok(renderer().render(drawn, landmarks, wide));
  // Beside the middle, where two teeth meet.
  const x = Math.round(landmarks[13 * 3]! + 0.04 * IOD);
  const lip = Math.round(landmarks[13 * 3 + 1]!);
  const light = (y: number): number => drawn[y * WIDTH + x]!;
  const redness = (y: number): number =>
    drawn[WIDTH * HEIGHT * 1.25 + Math.floor(y / 2) * (WIDTH / 2) + Math.floor(x / 2)]!;
  let y = lip + Math.round(0.08 * IOD);
  assert.ok(light(y) < 90, `cavity ${light(y)}`);
  while (light(y) < 130 && y > lip - 0.3 * IOD) y -= 1;
  const skin = redness(lip - Math.round(0.3 * IOD));
  assert.ok(redness(y - 2) < skin - 6, `teeth ${redness(y - 2)}, skin ${skin}`);
});

test('nothing outside the returned rectangle changes, and the rectangle stays off the border', () => {
  const drawn = picture.slice();
  const roi = renderer().render(drawn, landmarks, wide)!;
  assert.ok(roi.x > 0 && roi.y > landmarks[1 * 3 + 1]! - 0.3 * IOD && roi.y + roi.heightPx < HEIGHT);
  for (let y = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1) {
      if (x >= roi.x && x < roi.x + roi.widthPx && y >= roi.y && y < roi.y + roi.heightPx) continue;
      if (drawn[y * WIDTH + x] !== picture[y * WIDTH + x]) assert.fail(`pixel ${x},${y} changed`);
    }
  }
});

test('a picture without a usable face stays as it is', () => {
  for (const points of [new Float32Array(1404), new Float32Array(1404).fill(NaN)]) {
    const drawn = picture.slice();
    assert.equal(renderer().render(drawn, points, wide), undefined);
    assert.deepEqual(drawn, picture);
  }
});

test('faces that reach over the border, tilt or turn are drawn without harm', () => {
  for (const [x, y, angle] of [
    [20, 260, 0],
    [460, 540, 0],
    [240, 20, 0.5],
    [240, 260, -0.6],
  ] as const) {
    const turned = syntheticLandmarks(0, 0, IOD);
    for (let i = 0; i < turned.length; i += 3) {
      const [px, py] = [turned[i]!, turned[i + 1]!];
      turned[i] = x + px * Math.cos(angle) - py * Math.sin(angle);
      turned[i + 1] = y + px * Math.sin(angle) + py * Math.cos(angle);
    }
    const drawn = picture.slice();
    renderer().render(drawn, turned, wide);
  }
});

test('the same pose gives the same picture, whatever was drawn in between', () => {
  const one = renderer();
  const first = picture.slice();
  one.render(first, landmarks, wide);
  one.render(picture.slice(), landmarks, {
    ...wide,
    mouth: { open: 0.2, spread: 0.1, round: 1, tuck: 0, tongue: 0 },
  });
  const again = picture.slice();
  one.render(again, landmarks, wide);
  let largest = 0;
  for (let i = 0; i < again.length; i += 1) largest = Math.max(largest, Math.abs(again[i]! - first[i]!));
  assert.ok(largest <= 2, `differs by ${largest}`);
});

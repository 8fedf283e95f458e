import assert from 'node:assert/strict';
import { test } from 'node:test';
import { smoothLandmarks } from '../../../src/face/smoothing.js';
import { LANDMARK_COUNT } from '../../../src/media/frame.js';
import type { Landmarks } from '../../../src/media/frame.js';

/** A face of 100 px eye distance, all other points at its place x. */
function faceAt(x: number): Landmarks {
  const landmarks = new Float32Array(LANDMARK_COUNT * 3);
  for (let i = 0; i < landmarks.length; i += 3) landmarks[i] = x;
  landmarks[33 * 3] = x - 50;
  landmarks[263 * 3] = x + 50;
  return landmarks;
}

const NOSE_TIP = 1;
const UPPER_LIP = 13;
const placeOf = (landmarks: Landmarks | undefined, point = NOSE_TIP): number => landmarks![point * 3]!;

test('steady motion stays exactly in place, also at both ends: no delay', () => {
  const frames = Array.from({ length: 20 }, (_, k) => faceAt(3 * k));
  smoothLandmarks(frames).forEach((landmarks, k) => assert.ok(Math.abs(placeOf(landmarks) - 3 * k) < 1e-4));
});

test('one twitch spreads evenly to both sides as a Gaussian of the given width', () => {
  const frames = Array.from({ length: 21 }, (_, k) => faceAt(k === 10 ? 10 : 0));
  const places = smoothLandmarks(frames, 1.2).map((points) => placeOf(points));
  for (let d = 1; d <= 4; d++) assert.ok(Math.abs(places[10 - d]! - places[10 + d]!) < 1e-6);
  assert.ok(Math.abs(places[10]! - 10 * 0.3324) < 0.02, `peak ${places[10]}`);
  assert.ok(Math.abs(places[11]! / places[10]! - Math.exp(-1 / (2 * 1.2 * 1.2))) < 1e-4);
  assert.equal(placeOf(frames[10]), 10, 'the input is left alone');
});

test('a lip keeps more of a quick motion than the rest of the face', () => {
  const frames = Array.from({ length: 21 }, (_, k) => faceAt(k === 10 ? 10 : 0));
  const peak = smoothLandmarks(frames)[10];
  assert.ok(
    placeOf(peak, UPPER_LIP) > 1.4 * placeOf(peak),
    `${placeOf(peak, UPPER_LIP)} of ${placeOf(peak)}`,
  );
  assert.ok(placeOf(peak, UPPER_LIP) < 8);
});

test('noise shrinks', () => {
  const frames = Array.from({ length: 200 }, (_, k) => faceAt(((k * 7919) % 13) - 6));
  const energy = (values: number[]): number => values.reduce((sum, value) => sum + value * value, 0);
  const before = energy(frames.map((points) => placeOf(points)));
  const after = energy(smoothLandmarks(frames).map((points) => placeOf(points)));
  assert.ok(after < 0.5 * before, `${after} of ${before}`);
});

test('nothing passes across a missing picture', () => {
  const frames = [faceAt(0), faceAt(0), undefined, faceAt(20), faceAt(20)];
  assert.deepEqual(
    smoothLandmarks(frames).map((landmarks) => landmarks && placeOf(landmarks)),
    [0, 0, undefined, 20, 20],
  );
});

test('nothing passes across a jump of half the eye distance', () => {
  const frames = [faceAt(0), faceAt(0), faceAt(0), faceAt(80), faceAt(80), faceAt(80)];
  assert.deepEqual(
    smoothLandmarks(frames).map((points) => placeOf(points)),
    [0, 0, 0, 80, 80, 80],
  );
});

test('no pictures and a single picture are fine', () => {
  assert.deepEqual(smoothLandmarks([]), []);
  assert.equal(placeOf(smoothLandmarks([faceAt(7)])[0]), 7);
});

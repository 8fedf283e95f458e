import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FACE_OVAL,
  INNER_LIP_LOWER,
  INNER_LIP_UPPER,
  LOWER_LIP_RINGS,
  TRIANGLES,
  TRIANGLE_COUNT,
  UPPER_LIP_RINGS,
  headYawDeg,
  interOcularPx,
  mouthOpening,
  mouthWidth,
} from '../../../src/media/face-topology.js';
import { LANDMARK_COUNT } from '../../../src/media/frame.js';

/** Closed border loops of the mesh, each as a set of points. */
function borderLoops(): Set<number>[] {
  const uses = new Map<string, [number, number, number]>();
  for (let t = 0; t < TRIANGLES.length; t += 3) {
    for (let corner = 0; corner < 3; corner++) {
      const a = TRIANGLES[t + corner]!;
      const b = TRIANGLES[t + ((corner + 1) % 3)]!;
      const key = `${Math.min(a, b)}-${Math.max(a, b)}`;
      const use = uses.get(key) ?? [a, b, 0];
      use[2]++;
      uses.set(key, use);
    }
  }
  const loops: Set<number>[] = [];
  const border = [...uses.values()].filter((use) => use[2] === 1);
  for (const [a, b] of border) {
    const touching = loops.filter((loop) => loop.has(a) || loop.has(b));
    const merged = new Set([a, b, ...touching.flatMap((loop) => [...loop])]);
    for (const loop of touching) loops.splice(loops.indexOf(loop), 1);
    loops.push(merged);
  }
  assert.ok(
    [...uses.values()].every((use) => use[2] <= 2),
    'an edge belongs to two triangles at most',
  );
  return loops;
}

test('the mesh has 852 triangles, uses every point and winds every triangle the same way', () => {
  assert.equal(TRIANGLES.length, TRIANGLE_COUNT * 3);
  assert.equal(new Set(TRIANGLES).size, LANDMARK_COUNT);
  const directed = new Set<string>();
  for (let t = 0; t < TRIANGLES.length; t += 3) {
    for (let corner = 0; corner < 3; corner++) {
      const edge = `${TRIANGLES[t + corner]}>${TRIANGLES[t + ((corner + 1) % 3)]}`;
      assert.ok(!directed.has(edge), `edge ${edge} appears twice in the same direction`);
      directed.add(edge);
    }
  }
});

test('the borders of the mesh are the face oval, the inner lips and the two eyes', () => {
  const loops = borderLoops();
  assert.deepEqual(
    loops.map((loop) => loop.size).sort((a, b) => a - b),
    [16, 16, 20, 36],
  );
  const oval = loops.find((loop) => loop.size === 36)!;
  assert.deepEqual([...oval].sort(), [...FACE_OVAL].sort());
  const mouth = loops.find((loop) => loop.size === 20)!;
  assert.deepEqual([...mouth].sort(), [...new Set([...INNER_LIP_UPPER, ...INNER_LIP_LOWER])].sort());
});

test('the innermost lip ring is the inner lip without its corners, and rings do not share points', () => {
  assert.deepEqual(UPPER_LIP_RINGS[0], INNER_LIP_UPPER.slice(1, -1));
  assert.deepEqual(LOWER_LIP_RINGS[0], INNER_LIP_LOWER.slice(1, -1));
  const points = [...UPPER_LIP_RINGS.flat(), ...LOWER_LIP_RINGS.flat()];
  assert.equal(points.length, 72);
  assert.equal(new Set(points).size, 72);
});

test('measures read a face of known size', () => {
  const face = new Float32Array(LANDMARK_COUNT * 3);
  const put = (index: number, x: number, y: number, z = 0): void => face.set([x, y, z], index * 3);
  put(33, 100, 100);
  put(263, 200, 100);
  put(10, 150, 50);
  put(152, 150, 250);
  put(61, 125, 200);
  put(291, 175, 200);
  for (const [upper, lower] of [
    [13, 14],
    [312, 317],
    [82, 87],
  ] as const) {
    put(upper, 150, 190);
    put(lower, 150, 210);
  }
  assert.equal(interOcularPx(face), 100);
  assert.equal(mouthOpening(face), 0.1);
  assert.equal(mouthWidth(face), 0.5);
  assert.ok(Math.abs(headYawDeg(face)) < 1e-6);

  // The nose goes to the picture's right when the right eye recedes from the camera.
  const turn = (30 * Math.PI) / 180;
  put(33, 150 - 50 * Math.cos(turn), 100, -50 * Math.sin(turn));
  put(263, 150 + 50 * Math.cos(turn), 100, 50 * Math.sin(turn));
  assert.ok(Math.abs(headYawDeg(face) - 30) < 1e-4);
});

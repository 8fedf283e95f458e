import { REFINED_LIPS } from '../../../src/face/mesh-runner.js';
import type { Landmarks } from '../../../src/media/frame.js';

/** Points that speech does not move: eyes, brow, bridge of the nose. */
const STEADY = [33, 133, 362, 263, 168, 6, 197, 10, 151, 9, 8];

/**
 * How much lip points tremble: root mean square of their second difference from picture to picture, in thousandths of
 * the distance of the eyes, after the head's own motion was taken out. NaN without three pictures in a row.
 */
export function landmarkFlicker(pictures: readonly (Landmarks | undefined)[]): number {
  const first = pictures.find((landmarks) => landmarks !== undefined);
  if (first === undefined) return Number.NaN;
  return 1000 * secondDifference(pictures.map((landmarks) => landmarks && lipsAtHead(landmarks, first)));
}

/** The same for pixels, in levels of 0..255. Each picture is one array of the same length. */
export function pixelFlicker(pictures: readonly Float64Array[]): number {
  return secondDifference(pictures);
}

function secondDifference(series: readonly (Float64Array | undefined)[]): number {
  let [sum, count] = [0, 0];
  for (let k = 1; k + 1 < series.length; k += 1) {
    const [before, now, after] = [series[k - 1], series[k], series[k + 1]];
    if (before === undefined || now === undefined || after === undefined) continue;
    for (let at = 0; at < now.length; at += 1) sum += (before[at]! - 2 * now[at]! + after[at]!) ** 2;
    count += now.length;
  }
  return count === 0 ? Number.NaN : Math.sqrt(sum / count);
}

/** Lip points x, y in distances of the eyes, moved, turned and scaled so that the steady points lie as in `first`. */
function lipsAtHead(landmarks: Landmarks, first: Landmarks): Float64Array {
  const [fromX, fromY] = middle(landmarks);
  const [toX, toY] = middle(first);
  let [along, across, size] = [0, 0, 0];
  for (const index of STEADY) {
    const [x, y] = [landmarks[3 * index]! - fromX, landmarks[3 * index + 1]! - fromY];
    const [u, v] = [first[3 * index]! - toX, first[3 * index + 1]! - toY];
    along += x * u + y * v;
    across += x * v - y * u;
    size += x * x + y * y;
  }
  const eyes = Math.hypot(first[263 * 3]! - first[33 * 3]!, first[263 * 3 + 1]! - first[33 * 3 + 1]!);
  const [cos, sin] = [along / size / eyes, across / size / eyes];
  return Float64Array.from(
    REFINED_LIPS.flatMap((index) => {
      const [x, y] = [landmarks[3 * index]! - fromX, landmarks[3 * index + 1]! - fromY];
      return [cos * x - sin * y, sin * x + cos * y];
    }),
  );
}

function middle(landmarks: Landmarks): [number, number] {
  let [x, y] = [0, 0];
  for (const index of STEADY) {
    x += landmarks[3 * index]! / STEADY.length;
    y += landmarks[3 * index + 1]! / STEADY.length;
  }
  return [x, y];
}

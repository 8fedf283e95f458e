import {
  interOcularPx,
  LEFT_CORNER_RINGS,
  LOWER_LIP_RINGS,
  RIGHT_CORNER_RINGS,
  UPPER_LIP_RINGS,
} from '../media/face-topology.js';
import { LANDMARK_COUNT } from '../media/frame.js';
import type { Landmarks } from '../media/frame.js';

/** A mean move of the points between two pictures beyond this part of the eye distance is a cut, not a motion. */
const JUMP_INTER_OCULARS = 0.5;

/**
 * Lips move faster than heads. Where they talk, points smoothed like the rest lie beside them, and a mouth that is to
 * be shut stays open by as much.
 */
const LIP_SIGMA_SHARE = 0.6;
const IS_LIP = lipPoints();

/**
 * Smooths each coordinate over time with a Gaussian, without delay. Never mixes across a missing picture or a jump;
 * near an end the window narrows on both sides alike, so that steady motion stays where it is. Lips
 * have a narrower one. Inputs are not changed.
 */
export function smoothLandmarks(
  frames: readonly (Landmarks | undefined)[],
  sigmaFrames = 1.2,
): (Landmarks | undefined)[] {
  const weights = gaussian(sigmaFrames);
  const lipWeights = gaussian(LIP_SIGMA_SHARE * sigmaFrames);
  const smoothed: (Landmarks | undefined)[] = new Array<Landmarks | undefined>(frames.length).fill(undefined);
  for (const [first, last] of unbrokenRuns(frames)) {
    for (let k = first; k <= last; k++) {
      const reach = Math.min(k - first, last - k) + 1;
      const points = weightedMean(frames, k, weights.slice(0, reach));
      const lips = weightedMean(frames, k, lipWeights.slice(0, reach));
      for (let i = 0; i < points.length; i++) if (IS_LIP[Math.floor(i / 3)] === 1) points[i] = lips[i]!;
      smoothed[k] = points;
    }
  }
  return smoothed;
}

/** Weights of distance 0, 1, 2, ... up to three sigma. */
function gaussian(sigmaFrames: number): number[] {
  if (!(sigmaFrames > 0)) return [1];
  const reach = Math.ceil(3 * sigmaFrames);
  return Array.from({ length: reach + 1 }, (_, d) => Math.exp(-(d * d) / (2 * sigmaFrames * sigmaFrames)));
}

/** First and last index of each stretch without a missing picture and without a jump. */
function unbrokenRuns(frames: readonly (Landmarks | undefined)[]): [number, number][] {
  const runs: [number, number][] = [];
  let run: [number, number] | undefined;
  frames.forEach((landmarks, k) => {
    const before = frames[k - 1];
    if (!landmarks) {
      run = undefined;
    } else if (run && before && !jumps(before, landmarks)) {
      run[1] = k;
    } else {
      run = [k, k];
      runs.push(run);
    }
  });
  return runs;
}

function jumps(a: Landmarks, b: Landmarks): boolean {
  let sum = 0;
  for (let i = 0; i < a.length; i += 3) sum += Math.hypot(a[i]! - b[i]!, a[i + 1]! - b[i + 1]!);
  return sum / (a.length / 3) > JUMP_INTER_OCULARS * Math.max(interOcularPx(a), 1);
}

function weightedMean(
  frames: readonly (Landmarks | undefined)[],
  k: number,
  weights: readonly number[],
): Landmarks {
  const length = frames[k]!.length;
  const sums = new Float64Array(length);
  let total = 0;
  weights.forEach((weight, distance) => {
    for (const index of distance === 0 ? [k] : [k - distance, k + distance]) {
      const landmarks = frames[index]!;
      for (let i = 0; i < length; i++) sums[i] = sums[i]! + landmarks[i]! * weight;
      total += weight;
    }
  });
  return Float32Array.from(sums, (sum) => sum / total);
}

function lipPoints(): Uint8Array {
  const flags = new Uint8Array(LANDMARK_COUNT);
  for (const point of [...UPPER_LIP_RINGS, ...LOWER_LIP_RINGS].flat()) flags[point] = 1;
  for (const point of [...LEFT_CORNER_RINGS, ...RIGHT_CORNER_RINGS]) flags[point] = 1;
  return flags;
}

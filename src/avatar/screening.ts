import { headYawDeg, interOcularPx, distancePx, FOREHEAD, NOSE_TIP } from '../media/face-topology.js';
import type { Landmarks } from '../media/frame.js';

/** Below this distance of the outer eye corners a mouth is too few pixels to be drawn. */
export const MIN_INTER_OCULAR_PX = 32;
/** Beyond this turn of the head half of the mouth is hidden. */
export const MAX_YAW_DEG = 40;
/** A nose that moves by more than this share of the eye distance from one picture to the next means a cut. */
const CUT_SHARE = 0.75;

export type Verdict = 'usable' | 'no-face' | 'too-small' | 'turned-away';

/** Whether a picture with this face (or none) can be made to speak. */
export function judge(landmarks: Landmarks | undefined): Verdict {
  if (landmarks === undefined) return 'no-face';
  const faceHeightPx = distancePx(landmarks, FOREHEAD, 152);
  // A face in profile has its eye corners close together, so its size is also judged by its height.
  if (interOcularPx(landmarks) < MIN_INTER_OCULAR_PX && faceHeightPx < 2 * MIN_INTER_OCULAR_PX)
    return 'too-small';
  if (Math.abs(headYawDeg(landmarks)) > MAX_YAW_DEG) return 'turned-away';
  return interOcularPx(landmarks) < MIN_INTER_OCULAR_PX ? 'too-small' : 'usable';
}

/** True if the footage was cut between two neighbouring pictures, judged by the face alone. */
export function isCut(before: Landmarks, after: Landmarks): boolean {
  const dx = (after[3 * NOSE_TIP] as number) - (before[3 * NOSE_TIP] as number);
  const dy = (after[3 * NOSE_TIP + 1] as number) - (before[3 * NOSE_TIP + 1] as number);
  return Math.hypot(dx, dy) > CUT_SHARE * Math.max(interOcularPx(before), 1);
}

/** Smallest, middle and largest value; zeros for an empty list. */
export function spreadOf(values: readonly number[]): { min: number; median: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  return { min: sorted[0] ?? 0, median: sorted[sorted.length >> 1] ?? 0, max: sorted.at(-1) ?? 0 };
}

import { LANDMARK_COUNT } from '../media/frame.js';
import type { Landmarks } from '../media/frame.js';
import { LEFT_EYE_OUTER, RIGHT_EYE_OUTER } from '../media/face-topology.js';
import type { SquareRoi } from './image-crop.js';

/** An upright box in picture pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** How much larger than the face the mesh model's square is (face_landmark graphs of MediaPipe, Apache-2.0). */
const ROI_SCALE = 1.5;

/** The mesh model's square for a detected face: its box, turned so that the eyes lie level. */
export function roiFromDetection(
  box: Box,
  leftEye: readonly [number, number],
  rightEye: readonly [number, number],
): SquareRoi {
  return {
    centreX: (box.left + box.right) / 2,
    centreY: (box.top + box.bottom) / 2,
    sidePx: Math.max(box.right - box.left, box.bottom - box.top) * ROI_SCALE,
    angleRad: Math.atan2(rightEye[1] - leftEye[1], rightEye[0] - leftEye[0]),
  };
}

/** The mesh model's square for the next picture: the box around the points, measured along the eyes' line. */
export function roiFromLandmarks(landmarks: Landmarks): SquareRoi {
  const eyeX = landmarks[RIGHT_EYE_OUTER * 3]! - landmarks[LEFT_EYE_OUTER * 3]!;
  const eyeY = landmarks[RIGHT_EYE_OUTER * 3 + 1]! - landmarks[LEFT_EYE_OUTER * 3 + 1]!;
  const angleRad = Math.atan2(eyeY, eyeX);
  const cos = Math.cos(angleRad);
  const sin = Math.sin(angleRad);
  let minAlong = Infinity;
  let maxAlong = -Infinity;
  let minDown = Infinity;
  let maxDown = -Infinity;
  for (let i = 0; i < LANDMARK_COUNT; i++) {
    const x = landmarks[i * 3]!;
    const y = landmarks[i * 3 + 1]!;
    const along = cos * x + sin * y;
    const down = cos * y - sin * x;
    minAlong = Math.min(minAlong, along);
    maxAlong = Math.max(maxAlong, along);
    minDown = Math.min(minDown, down);
    maxDown = Math.max(maxDown, down);
  }
  const along = (minAlong + maxAlong) / 2;
  const down = (minDown + maxDown) / 2;
  return {
    centreX: cos * along - sin * down,
    centreY: sin * along + cos * down,
    sidePx: Math.max(maxAlong - minAlong, maxDown - minDown) * ROI_SCALE,
    angleRad,
  };
}

/** The upright box around all points. */
export function boxOf(landmarks: Landmarks): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < LANDMARK_COUNT; i++) {
    left = Math.min(left, landmarks[i * 3]!);
    right = Math.max(right, landmarks[i * 3]!);
    top = Math.min(top, landmarks[i * 3 + 1]!);
    bottom = Math.max(bottom, landmarks[i * 3 + 1]!);
  }
  return { left, top, right, bottom };
}

/** Intersection over union, 0..1. */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / (areaOf(a) + areaOf(b) - both);
}

export function areaOf(box: Box): number {
  return Math.max(0, box.right - box.left) * Math.max(0, box.bottom - box.top);
}

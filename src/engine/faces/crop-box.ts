/**
 * The box that is cut out of a footage picture and drawn anew: from 68 face points by the MuseTalk reference's formula,
 * or from the face mesh by the same formula on the mesh points that stand for the same places.
 */
import { AppError } from '../../errors.js';
import { CHIN, FACE_OVAL, LEFT_CHEEK_EDGE, RIGHT_CHEEK_EDGE } from '../../media/face-topology.js';
import type { Box, Landmarks } from '../../media/frame.js';
import type { FaceParameters } from './face-material.js';

/** What the formula needs of a face, in whole picture pixels; the points are numbered as in iBUG 68. */
export interface FaceExtents {
  readonly xMin: number;
  readonly xMax: number;
  /** Lowest of all points but 29. */
  readonly yMax: number;
  /** Heights of points 28, 29 and 30: the nose's bridge, its lower third and its tip. */
  readonly y28: number;
  readonly y29: number;
  readonly y30: number;
}

export type BoxParameters = Pick<FaceParameters, 'version' | 'bboxShiftPx' | 'extraMarginPx'>;

interface PictureSize {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Extents of 68 points, x and y interleaved, whole pixels. */
export function extentsOfPoints68(points: ArrayLike<number>): FaceExtents {
  if (points.length !== 136) throw new AppError('internal', `a face has 68 points, not ${points.length / 2}`);
  let [xMin, xMax, yMax] = [Infinity, -Infinity, -Infinity];
  for (let j = 0; j < 68; j++) {
    xMin = Math.min(xMin, points[2 * j]!);
    xMax = Math.max(xMax, points[2 * j]!);
    if (j !== 29) yMax = Math.max(yMax, points[2 * j + 1]!);
  }
  return { xMin, xMax, yMax, y28: points[57]!, y29: points[59]!, y30: points[61]! };
}

/** Below this width or height a box is a mistake rather than a face. */
const MIN_BOX_PX = 16;

/** The face oval from ear level over the chin to the other ear: what the jaw points 0..16 trace. */
const LOWER_OVAL = lowerOval();
const BETWEEN_EYES = 168;
const NOSE_TIP_FRONT = 4;

function lowerOval(): number[] {
  const [from, to] = [FACE_OVAL.indexOf(RIGHT_CHEEK_EDGE), FACE_OVAL.indexOf(LEFT_CHEEK_EDGE)];
  return FACE_OVAL.slice(from, to + 1);
}

/**
 * Extents of the 468-point mesh, fractions cut off. Points 27 and 30 are the mesh's points between the eyes and on the
 * nose tip, 28 and 29 lie at thirds between them. Not calibrated against DWPose; on photos of nine faces point 29 lay on
 * average at 0.46 of the way from the eyes to the nose's base, where the mean shape of 68-point annotation has 0.48.
 */
export function extentsOfMesh(landmarks: Landmarks): FaceExtents {
  const xs = LOWER_OVAL.map((point) => landmarks[point * 3]!);
  const ys = [...LOWER_OVAL, CHIN].map((point) => landmarks[point * 3 + 1]!);
  const y27 = landmarks[BETWEEN_EYES * 3 + 1]!;
  const y30 = landmarks[NOSE_TIP_FRONT * 3 + 1]!;
  return {
    xMin: Math.trunc(Math.min(...xs)),
    xMax: Math.trunc(Math.max(...xs)),
    yMax: Math.trunc(Math.max(...ys)),
    y28: Math.trunc(y27 + (y30 - y27) / 3),
    y29: Math.trunc(y27 + ((y30 - y27) * 2) / 3),
    y30: Math.trunc(y30),
  };
}

/**
 * The reference's box, kept inside the picture. v1: the middle moves down by bboxShiftPx (and counts among the points);
 * v15: extraMarginPx is added below. Where the points give no box or leave the picture's left edge, `fallback` (a face
 * detector's box) takes its place; without one the box is cut at the edge. Undefined where nothing is left.
 */
export function boxFromExtents(
  extents: FaceExtents,
  parameters: BoxParameters,
  picture: PictureSize,
  fallback?: Box,
): Box | undefined {
  const middle = extents.y29 + (parameters.version === 'v1' ? parameters.bboxShiftPx : 0);
  const bottom = Math.max(extents.yMax, middle);
  const top = Math.max(0, 2 * middle - bottom);
  const ofPoints: Box = { x1: extents.xMin, y1: top, x2: extents.xMax, y2: bottom };
  const box = isBox(ofPoints) && (ofPoints.x1 >= 0 || fallback === undefined) ? ofPoints : fallback;
  if (box === undefined) return undefined;
  const margin = parameters.version === 'v15' ? parameters.extraMarginPx : 0;
  const inside = insideOf({ ...box, y2: box.y2 + margin }, picture);
  return inside.x2 - inside.x1 >= MIN_BOX_PX && inside.y2 - inside.y1 >= MIN_BOX_PX ? inside : undefined;
}

function isBox(box: Box): boolean {
  return box.x2 > box.x1 && box.y2 > box.y1;
}

/** The part of a box that lies inside the picture, in whole pixels. */
export function insideOf(box: Box, picture: PictureSize): Box {
  const x = (value: number): number => Math.min(picture.widthPx, Math.max(0, Math.round(value)));
  const y = (value: number): number => Math.min(picture.heightPx, Math.max(0, Math.round(value)));
  return { x1: x(box.x1), y1: y(box.y1), x2: x(box.x2), y2: y(box.y2) };
}

/** A bbox_shift from -up to down moves the box's middle at most to the neighbouring nose points. */
export interface ShiftAdvice {
  readonly minPx: number;
  readonly maxPx: number;
}

/**
 * The range of bbox_shift that the reference prints: the mean steps from nose point 29 to 30 and from 28 to 29, fractions
 * cut off. Undefined without a face (the reference divides by zero).
 */
export function shiftAdvice(faces: readonly FaceExtents[]): ShiftAdvice | undefined {
  if (faces.length === 0) return undefined;
  const mean = (step: (face: FaceExtents) => number): number =>
    Math.trunc(faces.reduce((sum, face) => sum + step(face), 0) / faces.length);
  return { minPx: 0 - mean((face) => face.y30 - face.y29), maxPx: mean((face) => face.y29 - face.y28) };
}

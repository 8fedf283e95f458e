import {
  FACE_OVAL,
  INNER_LIP_LOWER,
  INNER_LIP_UPPER,
  OUTER_LIP_LOWER,
  OUTER_LIP_UPPER,
} from '../media/face-topology.js';
import type { Box, Landmarks } from '../media/frame.js';
import { LABEL_SIDE_PX, LOWER_LIP, MOUTH_INTERIOR, NOSE, SKIN, UPPER_LIP } from './face-mask.js';

/** The outline of the nose, closed, from between the eyes down its picture-right side and up the left one. */
const NOSE_OUTLINE: readonly number[] = [
  168, 417, 412, 399, 420, 429, 358, 327, 326, 2, 97, 98, 129, 209, 198, 174, 188, 193,
];

/** Later ones cover earlier ones. */
const PARTS: readonly { readonly label: number; readonly outline: readonly number[] }[] = [
  { label: SKIN, outline: FACE_OVAL },
  { label: NOSE, outline: NOSE_OUTLINE },
  { label: UPPER_LIP, outline: [...OUTER_LIP_UPPER, ...INNER_LIP_UPPER.toReversed()] },
  { label: LOWER_LIP, outline: [...OUTER_LIP_LOWER, ...INNER_LIP_LOWER.toReversed()] },
  { label: MOUTH_INTERIOR, outline: [...INNER_LIP_UPPER, ...INNER_LIP_LOWER.toReversed()] },
];

/**
 * A label map of `square` (picture pixels, faceSquare of the box), 512 x 512 class numbers, drawn from the face mesh:
 * what a face parsing network would say, for where there is none. It knows skin, nose, lips and the inside of the
 * mouth. The skin ends at the face oval and has no hair, hands or glasses cut out of it; there is no neck, so that
 * neck mode gives what raw mode gives.
 */
export function meshLabels(landmarks: Landmarks, square: Box): Uint8Array {
  const labels = new Uint8Array(LABEL_SIDE_PX * LABEL_SIDE_PX);
  const side = square.x2 - square.x1;
  if (side === 0) return labels;
  const scale = LABEL_SIDE_PX / side;
  for (const { label, outline } of PARTS) {
    const xs = outline.map((point) => (landmarks[point * 3]! - square.x1) * scale);
    const ys = outline.map((point) => (landmarks[point * 3 + 1]! - square.y1) * scale);
    fillPolygon(labels, xs, ys, label);
  }
  return labels;
}

/** Paints the pixels whose middles lie in the closed outline; an outline that crosses itself leaves no holes. */
function fillPolygon(labels: Uint8Array, xs: readonly number[], ys: readonly number[], label: number): void {
  const top = Math.max(0, Math.ceil(Math.min(...ys) - 0.5));
  const bottom = Math.min(LABEL_SIDE_PX, Math.ceil(Math.max(...ys) - 0.5));
  for (let y = top; y < bottom; y += 1) {
    const crossings = crossingsOf(xs, ys, y + 0.5);
    let winding = 0;
    for (let i = 0; i < crossings.length - 1; i += 1) {
      winding += crossings[i]!.turn;
      if (winding === 0) continue;
      const left = Math.max(0, Math.ceil(crossings[i]!.x - 0.5));
      const right = Math.min(LABEL_SIDE_PX, Math.ceil(crossings[i + 1]!.x - 0.5));
      if (left < right) labels.fill(label, y * LABEL_SIDE_PX + left, y * LABEL_SIDE_PX + right);
    }
  }
}

/** Where the outline crosses the line at height `y`, from left to right, and whether downwards (1) or upwards (-1). */
function crossingsOf(
  xs: readonly number[],
  ys: readonly number[],
  y: number,
): readonly { readonly x: number; readonly turn: 1 | -1 }[] {
  const crossings: { x: number; turn: 1 | -1 }[] = [];
  for (let i = 0; i < xs.length; i += 1) {
    const next = (i + 1) % xs.length;
    const fromY = ys[i]!;
    const toY = ys[next]!;
    if (fromY <= y === toY <= y) continue;
    const x = xs[i]! + ((y - fromY) / (toY - fromY)) * (xs[next]! - xs[i]!);
    crossings.push({ x, turn: fromY < toY ? 1 : -1 });
  }
  return crossings.sort((a, b) => a.x - b.x);
}

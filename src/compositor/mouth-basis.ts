import { AppError } from '../errors.js';
import { LANDMARK_COUNT } from '../media/frame.js';

/**
 * How each of the 468 points moves, per unit of inner-lip opening and per unit of mouth width. Everything is in
 * inter-ocular distances (iod) in the head frame: X from the left to the right eye corner, Y down the face, Z = X x Y.
 * Each array holds 1404 values, x, y, z interleaved.
 */
export interface MouthBasis {
  readonly open: Float32Array;
  readonly width: Float32Array;
}

/** Checks parsed JSON and turns it into a basis; AppError model-invalid with the reason otherwise. */
export function parseMouthBasis(json: unknown): MouthBasis {
  if (typeof json !== 'object' || json === null)
    throw new AppError('model-invalid', 'mouth basis: not an object');
  const fields = json as Record<string, unknown>;
  if (fields['version'] !== 1) {
    throw new AppError('model-invalid', `mouth basis: version ${String(fields['version'])}, expected 1`);
  }
  return { open: values(fields['open'], 'open'), width: values(fields['width'], 'width') };
}

function values(field: unknown, name: string): Float32Array {
  const expected = LANDMARK_COUNT * 3;
  if (!Array.isArray(field) || field.length !== expected) {
    throw new AppError('model-invalid', `mouth basis: "${name}" must be a list of ${expected} numbers`);
  }
  const result = Float32Array.from(field as number[]);
  if (!result.every(Number.isFinite))
    throw new AppError('model-invalid', `mouth basis: "${name}" holds a non-number`);
  return result;
}

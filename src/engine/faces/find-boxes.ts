import { AppError } from '../../errors.js';
import type { DWPose } from '../../face/dwpose.js';
import type { S3FD } from '../../face/s3fd.js';
import type { Log } from '../../lib/log.js';
import type { Box, RgbImage } from '../../media/frame.js';
import type { AvatarSource } from '../engine.js';
import { boxFromExtents, extentsOfMesh, extentsOfPoints68, insideOf, shiftAdvice } from './crop-box.js';
import type { FaceExtents, ShiftAdvice } from './crop-box.js';
import type { FaceParameters } from './face-material.js';
import { smoothBoxes } from './smooth-boxes.js';

/** A landmark model's box that overlaps the tracked face less shows another person. */
const SAME_FACE_OVERLAP = 0.2;

export interface FindBoxesOptions {
  readonly avatar: AvatarSource;
  readonly landmarker?: Pick<DWPose, 'face68'> | undefined;
  readonly faceFinder?: Pick<S3FD, 'bestFace'> | undefined;
  readonly parameters: FaceParameters;
  /** Picture `index` as RGB, valid until the next call. */
  readonly read: (index: number) => RgbImage;
  /** Called before each picture; throws to stop. */
  readonly onPicture: (index: number) => void;
  readonly log: Log;
}

/** Pixels by which each edge of a box lies further right or down. */
export type EdgeDifference = Readonly<Record<keyof Box, number>>;

export interface FoundBoxes {
  /** One a picture, inside the picture, smoothed if asked for. */
  readonly boxes: readonly Box[];
  /** Whose points the boxes come from. */
  readonly landmarks: 'dwpose' | 'mesh';
  /** Whether picture k shows the face by its own landmarks; false: its box is that of the nearest picture that does. */
  readonly found: readonly boolean[];
  /** Whether the avatar's mesh of picture k is a face. */
  readonly meshFound: readonly boolean[];
  readonly shiftAdvice: ShiftAdvice;
  /** Mesh less DWPose, mean of each edge over the pictures where both see the face. */
  readonly meshDifferencePx?: EdgeDifference;
}

/** A box and what it was made of. */
interface Sighting {
  readonly box: Box;
  readonly extents: FaceExtents;
}

/**
 * The crop box of every picture of an avatar: by the landmark model if there is one and it sees the tracked face
 * anywhere, else by the avatar's mesh. Pictures without a face hold the box of the nearest picture that has one.
 * @throws AppError no-face when no picture shows a face
 */
export async function findBoxes(options: FindBoxesOptions): Promise<FoundBoxes> {
  const { avatar, landmarker, faceFinder, parameters } = options;
  const byModel: (Sighting | undefined)[] = [];
  const byMesh: (Sighting | undefined)[] = [];
  const meshFound: boolean[] = [];
  for (let k = 0; k < avatar.frameCount; k++) {
    options.onPicture(k);
    const image = landmarker || faceFinder ? options.read(k) : undefined;
    const seen = image && faceFinder ? await faceFinder.bestFace(image) : undefined;
    const mesh = sighting(extentsOfMesh(avatar.landmarks(k)));
    meshFound.push(mesh !== undefined);
    const none = faceFinder !== undefined && seen === undefined;
    byMesh.push(none ? undefined : mesh);
    if (!image || !landmarker) continue;
    const model = none ? undefined : sighting(extentsOfPoints68(await landmarker.face68(image)), seen);
    const other = model && mesh && overlapOf(model.box, mesh.box) < SAME_FACE_OVERLAP;
    byModel.push(other ? undefined : model);
  }

  const landmarks = byModel.some((each) => each !== undefined) ? 'dwpose' : 'mesh';
  if (landmarker && landmarks === 'mesh') {
    options.log.warn(
      { avatar: avatar.id },
      'the landmark model does not see the face; the face mesh is used',
    );
  }
  const sightings = landmarks === 'dwpose' ? byModel : byMesh;
  const advice = shiftAdvice(sightings.flatMap((each) => each?.extents ?? []));
  if (advice === undefined) {
    throw new AppError(
      'no-face',
      `none of the ${avatar.frameCount} pictures of avatar ${avatar.id} shows a face of at least 16 pixels; prepare the avatar from footage with a larger face`,
    );
  }
  const held = holdNearest(sightings.map((each) => each?.box));
  const difference = landmarks === 'dwpose' ? meanDifference(byMesh, byModel) : undefined;
  return {
    boxes: parameters.smoothBoxes ? smoothBoxes(held).map((box) => insideOf(box, avatar)) : held,
    landmarks,
    found: sightings.map((each) => each !== undefined),
    meshFound,
    shiftAdvice: advice,
    ...(difference && { meshDifferencePx: difference }),
  };

  function sighting(extents: FaceExtents, fallback?: Box): Sighting | undefined {
    const box = boxFromExtents(extents, parameters, avatar, fallback);
    return box && { box, extents };
  }
}

/** Each gap takes the nearest entry, the earlier of two as near. At least one entry is there. */
export function holdNearest<T>(entries: readonly (T | undefined)[]): T[] {
  const there = entries.flatMap((entry, index) => (entry === undefined ? [] : [{ entry, index }]));
  let at = 0;
  return entries.map((_, k) => {
    while (at + 1 < there.length && Math.abs(there[at + 1]!.index - k) < Math.abs(there[at]!.index - k)) at++;
    return there[at]!.entry;
  });
}

function overlapOf(a: Box, b: Box): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  const both = Math.max(0, width) * Math.max(0, height);
  return both / ((a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both);
}

function meanDifference(
  a: readonly (Sighting | undefined)[],
  b: readonly (Sighting | undefined)[],
): EdgeDifference | undefined {
  const pairs = a.flatMap((one, k) => {
    const other = b[k];
    return one && other ? [[one.box, other.box] as const] : [];
  });
  if (pairs.length === 0) return undefined;
  const mean = (edge: keyof Box): number =>
    pairs.reduce((sum, [one, other]) => sum + one[edge] - other[edge], 0) / pairs.length;
  return { x1: mean('x1'), y1: mean('y1'), x2: mean('x2'), y2: mean('y2') };
}

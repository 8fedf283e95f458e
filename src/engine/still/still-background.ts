import type { FacePhoto } from '../../compositor/face-photo.js';
import { plateOf } from '../../compositor/head-matte.js';
import { HeadShape } from '../../compositor/head-shape.js';
import type { YuvColour } from '../../media/colour.js';
import type { StillMaterial } from './still-material.js';

/**
 * A photo, and what was found in it, with another background: the person before one colour. What lies behind the moving head
 * changes with it. Costs some 40 ms for 720x1080; pictures cost no more than with the photo's own.
 */
export function beforeColour(
  face: FacePhoto,
  material: StillMaterial,
  colour: YuvColour,
): { face: FacePhoto; material: StillMaterial } {
  const { widthPx, heightPx } = face;
  const photo = face.photo.slice();
  const { person, head } = material;
  const plane = widthPx * heightPx;
  for (const [from, to, value] of [
    [0, plane, colour.y],
    [plane, plane * 1.25, colour.u],
    [plane * 1.25, plane * 1.5, colour.v],
  ] as const)
    for (let at = from; at < to; at += 1)
      photo[at] = Math.round((photo[at]! * person[at]! + value * (255 - person[at]!)) / 255);
  const { area } = new HeadShape(face);
  const plate = plateOf(photo, head.matte.alpha, widthPx, heightPx, area);
  return {
    face: { ...face, photo },
    material: { ...material, head: { ...head, matte: { ...head.matte, plate } } },
  };
}

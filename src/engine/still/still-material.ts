import { lookAtEyes } from '../../compositor/eye-look.js';
import type { EyeLook } from '../../compositor/eye-look.js';
import type { FacePhoto } from '../../compositor/face-photo.js';
import { findPerson } from '../../compositor/person-matte.js';
import { HeadFrame } from '../../compositor/head-frame.js';
import { findTurnableHead } from '../../compositor/turnable-head.js';
import type { TurnableHead } from '../../compositor/turnable-head.js';
import { i420SizeBytes } from '../../media/frame.js';
import type { AvatarSource } from '../engine.js';

/** To be increased with every change of what is found in a photo: what was kept before is then made anew. */
export const STILL_VERSION = 2;

/** What a photo's life is drawn from. Only numbers and arrays, so that it can be kept; five photos large. */
export interface StillMaterial {
  readonly head: TurnableHead;
  /** Left to right in the picture. */
  readonly eyes: readonly EyeLook[];
  /** See findPerson. */
  readonly person: Uint8Array;
}

/** Takes some 0.2 s for a photo of 720x1080; undefined where the landmarks are no face. */
export function stillMaterialOf(face: FacePhoto): StillMaterial | undefined {
  if (!new HeadFrame().update(face.landmarks)) return undefined;
  return { head: findTurnableHead(face), eyes: lookAtEyes(face), person: findPerson(face) };
}

/** An avatar's first picture, read into memory of its own. */
export function facePhotoOf(avatar: AvatarSource): FacePhoto {
  const { widthPx, heightPx } = avatar;
  const photo = new Uint8Array(i420SizeBytes(widthPx, heightPx));
  avatar.readFrame(0, photo);
  return { widthPx, heightPx, photo, landmarks: avatar.landmarks(0) };
}

import type { AvatarStore } from '../avatar/store.js';
import { facePhotoOf } from '../engine/still/still-material.js';
import { openStillMaterial } from '../engine/still/still-store.js';
import type { Log } from '../lib/log.js';

/** Finds out now what the streams of a photo avatar need, so that none has to. Nothing to do for footage. */
export async function prepareStill(store: AvatarStore, id: string, log: Log): Promise<void> {
  const avatar = await store.open(id);
  try {
    if (avatar.still) await openStillMaterial(avatar, facePhotoOf(avatar), log);
  } finally {
    avatar.close();
  }
}

import { createHash, randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FacePhoto } from '../../compositor/face-photo.js';
import type { Log } from '../../lib/log.js';
import type { AvatarSource } from '../engine.js';
import { packArrays, unpackArrays } from './packed-arrays.js';
import { STILL_VERSION, stillMaterialOf } from './still-material.js';
import type { StillMaterial } from './still-material.js';

/** In the avatar's folder. */
export const STILL_FILE = 'still.bin';

interface StillFile {
  /** See keyOf. */
  readonly key: string;
  readonly material: StillMaterial;
}

/**
 * Reads what was prepared of a photo. What is absent, damaged or made by another version is made, on this thread, and
 * kept for the next time; an avatar that cannot keep it is shown all the same. Undefined where there is no face.
 */
export async function openStillMaterial(
  avatar: Pick<AvatarSource, 'id' | 'folder'>,
  face: FacePhoto,
  log: Log,
): Promise<StillMaterial | undefined> {
  if (avatar.folder === undefined) return stillMaterialOf(face);
  const file = path.join(avatar.folder, STILL_FILE);
  const key = keyOf(face);
  const kept = await read(file, key);
  if (kept !== undefined) return kept;
  const material = stillMaterialOf(face);
  if (material !== undefined) {
    await write(file, { key, material }).catch((error: unknown) => {
      log.warn({ err: error, avatar: avatar.id }, 'what was found in the photo cannot be kept');
    });
  }
  return material;
}

/** Everything that the material depends on: the same key, the same material. */
function keyOf({ photo, widthPx, heightPx, landmarks }: FacePhoto): string {
  return createHash('sha256')
    .update(`${STILL_VERSION} ${widthPx}x${heightPx} `)
    .update(landmarks)
    .update(photo)
    .digest('hex');
}

async function read(file: string, key: string): Promise<StillMaterial | undefined> {
  try {
    const { key: found, material } = unpackArrays(await readFile(file)) as StillFile;
    return found === key ? material : undefined;
  } catch {
    return undefined; // Absent or damaged: nothing is lost but time.
  }
}

/** In its place at one stroke: others may read it, or write the same, meanwhile. */
async function write(file: string, content: StillFile): Promise<void> {
  const fresh = `${file}.${randomUUID()}`;
  try {
    await writeFile(fresh, packArrays(content));
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  FRAMES_FILE,
  LANDMARKS_FILE,
  MANIFEST_FILE,
  type AvatarManifest,
} from '../../src/avatar/manifest.js';
import { i420SizeBytes } from '../../src/media/frame.js';

/** Puts a whole avatar of dark pictures (4x2 if not told) into a store's folder, as a job that prepared it would. */
export async function storeAvatar(
  avatarsDir: string,
  id: string,
  facts: {
    sourcePath?: string;
    createdAtUnixS?: number;
    frameCount?: number;
    widthPx?: number;
    heightPx?: number;
  } = {},
): Promise<AvatarManifest> {
  const { sourcePath = '/nowhere.mp4', createdAtUnixS = Date.now() / 1000, frameCount = 2 } = facts;
  const { widthPx = 4, heightPx = 2 } = facts;
  const folder = path.join(avatarsDir, id);
  await mkdir(folder, { recursive: true });
  await writeFile(
    path.join(folder, FRAMES_FILE),
    new Uint8Array(frameCount * i420SizeBytes(widthPx, heightPx)),
  );
  await writeFile(path.join(folder, LANDMARKS_FILE), new Uint8Array(frameCount * 1404 * 4));
  const manifest: AvatarManifest = {
    version: 1,
    id,
    createdAtUnixS,
    widthPx,
    heightPx,
    fps: 25,
    frameCount,
    still: false,
    source: { name: path.basename(sourcePath), sizeBytes: 1, mtimeMs: 1, path: sourcePath },
    quality: {
      framesUsed: frameCount,
      framesWithoutFace: 0,
      framesTooSmall: 0,
      framesTurnedAway: 0,
      mouthOpening: { min: 0, median: 0, max: 0 },
      notes: [],
    },
  };
  await writeFile(path.join(folder, MANIFEST_FILE), JSON.stringify(manifest));
  return manifest;
}

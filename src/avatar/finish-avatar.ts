import { open, writeFile } from 'node:fs/promises';
import type { Ffmpeg } from '../adapters/ffmpeg.js';
import { i420SizeBytes, LANDMARK_COUNT, type Landmarks } from '../media/frame.js';
import { writePreview } from './footage.js';
import {
  FRAMES_FILE,
  LANDMARKS_FILE,
  MANIFEST_FILE,
  MANIFEST_VERSION,
  PREVIEW_FILE,
  type AvatarManifest,
} from './manifest.js';
import type { Workspace } from './workspace.js';

/**
 * Writes what an avatar holds besides its pictures, which lie in the workspace already: landmarks (one entry a
 * picture), preview and manifest. Then the workspace can be published.
 */
export async function finishAvatar(
  workspace: Workspace,
  ffmpeg: Ffmpeg,
  landmarks: readonly Landmarks[],
  facts: Omit<AvatarManifest, 'version' | 'createdAtUnixS' | 'frameCount'>,
): Promise<AvatarManifest> {
  const { widthPx, heightPx } = facts;
  const { id, ...rest } = facts;
  const manifest: AvatarManifest = {
    version: MANIFEST_VERSION,
    id,
    createdAtUnixS: Date.now() / 1000,
    ...rest,
    frameCount: landmarks.length,
  };
  await writeFile(workspace.file(LANDMARKS_FILE), packLandmarks(landmarks));
  const data = await firstPicture(workspace.file(FRAMES_FILE), i420SizeBytes(widthPx, heightPx));
  await writePreview(ffmpeg, { widthPx, heightPx, data }, workspace.file(PREVIEW_FILE));
  await writeFile(workspace.file(MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

function packLandmarks(frames: readonly Landmarks[]): Uint8Array {
  const values = new Float32Array(frames.length * LANDMARK_COUNT * 3);
  frames.forEach((points, index) => values.set(points, index * LANDMARK_COUNT * 3));
  return new Uint8Array(values.buffer);
}

async function firstPicture(filePath: string, sizeBytes: number): Promise<Uint8Array> {
  const handle = await open(filePath, 'r');
  try {
    const picture = new Uint8Array(sizeBytes);
    await handle.read(picture, 0, picture.length, 0);
    return picture;
  } finally {
    await handle.close();
  }
}

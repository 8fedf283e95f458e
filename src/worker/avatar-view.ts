import type { AvatarManifest } from '../avatar/manifest.js';

/** An avatar as clients see it. */
export interface AvatarView {
  id: string;
  state: 'preparing' | 'ready' | 'failed';
  progress: number;
  createdAtUnixS: number;
  error?: { code: string; message: string };
  widthPx?: number;
  heightPx?: number;
  fps?: number;
  frameCount?: number;
  still?: boolean;
  quality?: AvatarManifest['quality'];
  faces?: NonNullable<AvatarManifest['faces']>;
}

/** One that is on disk. */
export function viewOf(manifest: AvatarManifest): AvatarView {
  const { id, createdAtUnixS, widthPx, heightPx, fps, frameCount, still, quality, faces } = manifest;
  return {
    id,
    state: 'ready',
    progress: 1,
    createdAtUnixS,
    widthPx,
    heightPx,
    fps,
    frameCount,
    still,
    quality,
    ...(faces === undefined ? {} : { faces }),
  };
}

import { AppError } from '../errors.js';

/** What preparation thought of the footage. Counts are of decoded pictures. */
export interface QualityReport {
  readonly framesUsed: number;
  readonly framesWithoutFace: number;
  readonly framesTooSmall: number;
  readonly framesTurnedAway: number;
  /** Gap of the lips over the height of the face in the pictures used: 0 shut, about 0.13 wide open. */
  readonly mouthOpening: { readonly min: number; readonly median: number; readonly max: number };
  /** Sentences for the person who gave the footage. */
  readonly notes: readonly string[];
}

export const MANIFEST_VERSION = 1;

/** Pictures a second that footage is prepared at. */
export const AVATAR_FPS = 25;

/**
 * `manifest.json` of a prepared avatar; beside it lie frames.i420, landmarks.f32 and preview.jpg, and what the engines
 * found out about it (engine/still, engine/faces), which can be made anew.
 */
export interface AvatarManifest {
  readonly version: number;
  readonly id: string;
  readonly createdAtUnixS: number;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly fps: number;
  readonly frameCount: number;
  /** Made from a photo (or only one usable picture). */
  readonly still: boolean;
  readonly source: {
    readonly name: string;
    readonly sizeBytes: number;
    readonly mtimeMs: number;
    readonly path: string;
  };
  readonly quality: QualityReport;
  /** How this avatar's faces are cut out, where that differs from the server's settings; names as in FaceParameters. */
  readonly faceParameters?: Readonly<Record<string, number | string | boolean>>;
  /** The engines of generated faces that it was prepared for, by name, with sentences for the person who asked. */
  readonly faces?: Readonly<Record<string, { readonly notes: readonly string[] }>>;
}

export const MANIFEST_FILE = 'manifest.json';
/** Pictures one after the other, I420, row-packed: widthPx * heightPx * 3 / 2 bytes each. */
export const FRAMES_FILE = 'frames.i420';
/** 1404 little-endian 32-bit floats a picture (media/frame.ts Landmarks). */
export const LANDMARKS_FILE = 'landmarks.f32';
export const PREVIEW_FILE = 'preview.jpg';
/** Holds the avatar's actions, a folder each. */
export const ACTIONS_FOLDER = 'actions';

/** A folder of this name is in the making, or on its way out; `<prefix><process id>-<random>`. */
export const HIDDEN_PREFIX = '.making-';

/** Checks a manifest read from disk, as far as reading the avatar depends on it. */
export function parseManifest(text: string, id: string): AvatarManifest {
  const damaged = (what: string): AppError =>
    new AppError('avatar-not-found', `avatar ${id} is damaged: ${what}; prepare it again`);
  let manifest: AvatarManifest;
  try {
    manifest = JSON.parse(text) as AvatarManifest;
  } catch {
    throw damaged('its manifest is not JSON');
  }
  if (manifest === null || typeof manifest !== 'object') throw damaged('its manifest is not an object');
  if (manifest.version !== MANIFEST_VERSION)
    throw damaged(`its manifest has version ${String(manifest.version)}, not ${MANIFEST_VERSION}`);
  if (manifest.id !== id) throw damaged(`its manifest names ${String(manifest.id)}`);
  const { widthPx, heightPx, frameCount, fps } = manifest;
  const evenSize = (value: unknown): boolean =>
    Number.isInteger(value) && (value as number) > 0 && (value as number) % 2 === 0;
  if (!evenSize(widthPx) || !evenSize(heightPx))
    throw damaged(`its picture size is ${String(widthPx)}x${String(heightPx)}`);
  if (!Number.isInteger(frameCount) || frameCount < 1) throw damaged(`it has ${String(frameCount)} pictures`);
  if (!(typeof fps === 'number' && fps > 0)) throw damaged(`its rate is ${String(fps)}`);
  return manifest;
}

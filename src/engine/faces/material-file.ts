import { createHash } from 'node:crypto';
import type { Box } from '../../media/frame.js';
import type { FaceParameters } from './face-material.js';

/** The folder of prepared face material: three files, and the key that says what they were made from. */

export const MATERIAL_VERSION = 1;
export const MATERIAL_FILE = 'material.json';
/** FaceGenerator.inputValues little-endian 32-bit floats a picture. */
export const INPUTS_FILE = 'inputs.f32';
/** The alpha bytes of each picture, one behind the other. */
export const MASKS_FILE = 'masks.u8';
/** In place of what found the face and its parts: the MuseTalk reference prepared them, with models unknown here. */
export const BY_REFERENCE = 'reference';

/** Everything that the prepared numbers depend on, besides the footage. */
export interface MaterialOrigin {
  readonly family: string;
  readonly parameters: FaceParameters;
  /** SHA-256 of the files that were used, by role. */
  readonly modelHashes: Readonly<Record<string, string>>;
  /** How a face is put into numbers, where no file's hash tells: a side in pixels, an order of the channels. */
  readonly encoding?: Readonly<Record<string, string | number>>;
  /**
   * What there was to find the face: `dwpose`, `mesh` or `reference`. Where the landmark model that is there does not
   * see this face, the mesh is used all the same; the avatar's notes say so.
   */
  readonly landmarks: string;
  /** What there was to find its parts: `parsing`, `mesh` or `reference`. */
  readonly parsing: string;
}

export interface MaterialHeader extends MaterialOrigin {
  readonly faceSidePx: number;
  readonly inputValues: number;
}

/** `material.json`. */
export interface MaterialFile extends MaterialHeader {
  readonly version: number;
  readonly key: string;
  readonly pictures: readonly PictureEntry[];
}

export interface PictureEntry {
  readonly box: Box;
  readonly mask: { readonly area: Box; readonly offset: number };
}

/** What an engine asks of an avatar's material. */
export interface ExpectedMaterial {
  /** The avatar's pictures. */
  readonly frameCount: number;
  /** The key of what would be prepared now. */
  readonly key: string;
}

/**
 * Whether material may be used, or has to be prepared anew. What the MuseTalk reference prepared cannot be prepared
 * anew, nor are its models known: it may be used by MuseTalk as long as it is for the same pictures.
 */
export function isCurrent(file: MaterialFile, expected: ExpectedMaterial): boolean {
  if (file.version !== MATERIAL_VERSION) return false;
  if (file.key === expected.key) return true;
  const { family, landmarks, pictures } = file;
  return (
    family === 'musetalk' &&
    landmarks === BY_REFERENCE &&
    Array.isArray(pictures) &&
    pictures.length === expected.frameCount
  );
}

/**
 * SHA-256 (hex) over the origin with its keys in alphabetical order: any other value gives another key, except of a
 * parameter that has no effect beside the others.
 */
export function materialKey(origin: MaterialOrigin): string {
  const { family, modelHashes, encoding, landmarks, parsing } = origin;
  const parameters = effective(origin.parameters);
  const canonical = {
    version: MATERIAL_VERSION,
    family,
    parameters,
    modelHashes,
    encoding,
    landmarks,
    parsing,
  };
  return createHash('sha256').update(canonicalJson(canonical)).digest('hex');
}

/** Only what boxes and masks are made by: v1 takes the shift and raw masks, v15 the margin and the mode. */
function effective(parameters: FaceParameters): Partial<FaceParameters> {
  const { version, bboxShiftPx, extraMarginPx, parsingMode, smoothBoxes } = parameters;
  if (version === 'v1') return { version, smoothBoxes, bboxShiftPx };
  const { leftCheekWidthPx, rightCheekWidthPx } = parameters;
  return {
    ...{ version, smoothBoxes, extraMarginPx, parsingMode },
    ...(parsingMode === 'jaw' ? { leftCheekWidthPx, rightCheekWidthPx } : {}),
  };
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) =>
    entry !== null && typeof entry === 'object' && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : entry,
  );
}

/** Checks what reading depends on; a sentence about the first fault. */
export function whatIsWrong(file: MaterialFile, frameCount: number): string | undefined {
  const { inputValues, pictures } = file;
  if (!Number.isInteger(inputValues) || inputValues < 1)
    return `it has ${String(inputValues)} values a picture`;
  if (!Array.isArray(pictures)) return 'it lists no pictures';
  if (pictures.length !== frameCount)
    return `it has ${pictures.length} pictures where the avatar has ${frameCount}`;
  let offset = 0;
  for (const [index, entry] of (pictures as readonly (Partial<PictureEntry> | null)[]).entries()) {
    if (!isBox(entry?.box) || !isBox(entry.mask?.area))
      return `the box or mask of picture ${index} is no rectangle`;
    if (entry.mask.offset !== offset) return `the mask of picture ${index} is not where it should be`;
    offset += pixelsOf(entry.mask.area);
  }
  return undefined;
}

function isBox(box: Box | undefined): box is Box {
  return (
    typeof box === 'object' &&
    box !== null &&
    [box.x1, box.y1, box.x2, box.y2].every((side) => Number.isInteger(side)) &&
    box.x1 <= box.x2 &&
    box.y1 <= box.y2
  );
}

/** Also the bytes of a mask. */
export function pixelsOf(area: Box): number {
  return (area.x2 - area.x1) * (area.y2 - area.y1);
}

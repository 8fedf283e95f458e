/** The data that flows: raw pictures, encoded frames, landmarks, mouth shapes. Types and layout only. */

/**
 * A raw picture, planar I420 (Y, then U, then V, each row-packed without padding), BT.601 limited range.
 * `widthPx` and `heightPx` are even; `data.length === widthPx * heightPx * 3 / 2`.
 */
export interface I420Frame {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly data: Uint8Array;
}

/** Bytes of one I420 picture. */
export function i420SizeBytes(widthPx: number, heightPx: number): number {
  return (widthPx * heightPx * 3) / 2;
}

/**
 * A half-open rectangle of whole pixels: x1 <= x < x2, y1 <= y < y2. It may leave the picture where its owner says so
 * (a face box near the edge); a `Rect` (media/yuv.ts) never does.
 */
export interface Box {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

/**
 * A soft mask over a picture: alpha 0..255, row-packed, of the box `area`, which lies inside the picture and may be
 * empty; 0 everywhere else.
 */
export interface AlphaMask {
  readonly area: Box;
  readonly alpha: Uint8Array;
}

/** A packed RGB picture, 3 bytes a pixel, R first, row-packed. */
export interface RgbImage {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly data: Uint8Array;
}

/**
 * 468 face points of the MediaPipe topology: x, y, z interleaved (length 1404), x and y in picture pixels
 * (origin top left of the picture), z in the same scale with smaller = nearer to the camera.
 */
export type Landmarks = Float32Array;

export const LANDMARK_COUNT = 468;

/**
 * What the mouth does at one moment, each value 0..1.
 * open: inner lips shut .. wide open; spread: 0.2 is rest, 1 a broad grin ("ee");
 * round: 0 rest .. 1 pursed ("oo"); tuck: 0 .. 1 lower lip under the upper teeth ("f", "v");
 * tongue: 0 out of sight .. 1 its tip up behind or between the teeth ("th", "l", "n").
 */
export interface MouthShape {
  open: number;
  spread: number;
  round: number;
  tuck: number;
  tongue: number;
}

export const REST_MOUTH: Readonly<MouthShape> = { open: 0, spread: 0.2, round: 0, tuck: 0, tongue: 0 };

/** A session's picture in VP8, coded for fast (`high`) or slower links, or in H.264 for viewers that know no VP8. */
export type RenditionName = 'high' | 'mid' | 'low' | 'h264';

/** One encoded picture: a whole VP8 frame (no IVF header), NAL units (media/nal-units.ts), or a whole JPEG. */
export interface EncodedPicture {
  /** Frame number since the session began; media time is `index / fps`. */
  readonly index: number;
  readonly key: boolean;
  readonly data: Uint8Array;
  /** Which of the session's streams it belongs to; a JPEG has none. Absent means `high`. */
  readonly rendition?: RenditionName;
  /** Counts the cuts of the session's speech; a picture of an earlier epoch must not be shown. Absent means 0. */
  readonly epoch?: number;
}

import type { AlphaMask, Box } from '../../media/frame.js';

/** How faces are cut out and pasted back; names and defaults are the reference's (musetalk real-time script). */
export interface FaceParameters {
  /** Which MuseTalk weights the material is for: v1 uses bboxShiftPx and raw masks, v15 the margin and the mode. */
  readonly version: 'v1' | 'v15';
  /** v1 only: moves the box's middle down (positive: the mouth opens more). */
  readonly bboxShiftPx: number;
  /** v15 only: added below the chin. */
  readonly extraMarginPx: number;
  readonly parsingMode: 'jaw' | 'raw' | 'neck';
  /** Half widths of the cheek stripes that jaw mode treats apart, in pixels of the 512-pixel parsing picture. */
  readonly leftCheekWidthPx: number;
  readonly rightCheekWidthPx: number;
  /** Takes the tremor out of the boxes; off is the reference's behaviour. */
  readonly smoothBoxes: boolean;
}

export const DEFAULT_FACE_PARAMETERS: FaceParameters = {
  version: 'v15',
  bboxShiftPx: 0,
  extraMarginPx: 10,
  parsingMode: 'jaw',
  leftCheekWidthPx: 90,
  rightCheekWidthPx: 90,
  smoothBoxes: true,
};

/** What a family prepared for one avatar, opened for reading: as many entries as the avatar has footage pictures. */
export interface FaceMaterial {
  readonly frameCount: number;
  /** Where the face sits in picture `index`; inside the picture. */
  box(index: number): Box;
  /** Valid until the next call; not to be written to. */
  mask(index: number): AlphaMask;
  /** FaceGenerator.inputValues numbers in an array of the caller's own, which stays as it is whatever is asked next. */
  inputs(index: number): Float32Array;
  close(): void;
}

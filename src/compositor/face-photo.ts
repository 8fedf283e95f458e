/** A photo and the face in it. */
export interface FacePhoto {
  readonly widthPx: number;
  readonly heightPx: number;
  /** I420. */
  readonly photo: Uint8Array;
  /** 1404 values (media/frame.ts Landmarks). */
  readonly landmarks: Float32Array;
}

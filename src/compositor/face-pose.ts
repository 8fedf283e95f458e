import type { MouthShape } from '../media/frame.js';

/** What the face in one picture shall do. */
export interface FacePose {
  readonly mouth: Readonly<MouthShape>;
  /**
   * 0: nobody speaks, so a mouth that the picture shows as good as shut stays exactly as it is; 1: speech, where the
   * lips meet exactly at `open` 0. A picture's open mouth (a smile) is closed either way.
   */
  readonly speaking: number;
}

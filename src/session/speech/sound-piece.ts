/** 20 ms of a session's sound on its way to be coded. It is coded when it leaves, so that what waits can still change. */
export interface SoundPiece {
  /** Interleaved stereo, 48 kHz. */
  readonly pcm: Int16Array;
  readonly epoch: number;
}

/** Speech that is cut off falls to nothing within this: a hard edge is heard as a click. */
const FADE_SAMPLES = 240;

/** The piece in which speech ends that was cut off: it belongs to the epoch that begins. */
export function fadedOut({ pcm }: SoundPiece, epoch: number): SoundPiece {
  const faded = new Int16Array(pcm.length);
  for (let index = 0; index < 2 * FADE_SAMPLES; index++) {
    const share = 1 - (index >> 1) / FADE_SAMPLES;
    faded[index] = (pcm[index] ?? 0) * share;
  }
  return { pcm: faded, epoch };
}

export function silentPiece(values: number, epoch: number): SoundPiece {
  return { pcm: new Int16Array(values), epoch };
}

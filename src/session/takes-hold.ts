/** When a changed setting takes hold: so many ms after it was asked for; null where that cannot be said. */
export interface TakesHold {
  ms: number | null;
  /** Why it is not at once, or not certain. */
  why?: string;
}

const ENCODER: TakesHold = {
  ms: null,
  why: 'another encoder is warmed up beside the present one and takes over at a key picture, a quarter to half a second later',
};

/** @param drawnAheadMs how long before it leaves a picture is drawn */
export function whenHeld(settings: readonly string[], drawnAheadMs: number): Record<string, TakesHold> {
  const drawn = { ms: Math.round(drawnAheadMs) };
  const all: Record<string, TakesHold> = {
    maxBitrateBps: ENCODER,
    quality: ENCODER,
    mouthStrength: drawn,
    mouthSmoothing: drawn,
    fps: drawn,
    idleActions: { ms: 0 },
    playoutDelayMs: { ms: null, why: 'viewers are told when they join' },
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => settings.includes(name)));
}

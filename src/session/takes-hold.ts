/** When a changed setting takes hold: so many ms after it was asked for; null where that cannot be said. */
export interface TakesHold {
  ms: number | null;
  /** Why it is not at once, or not certain. */
  why?: string;
}

/** @param times ms: how long before it leaves a picture is drawn; and until another encoder took over, if one did */
export function whenHeld(
  settings: readonly string[],
  times: { drawnAheadMs: number; codedAnewMs: number | undefined },
): Record<string, TakesHold> {
  const drawn = { ms: Math.round(times.drawnAheadMs) };
  const all: Record<string, TakesHold> = {
    maxBitrateBps: {
      ms: times.codedAnewMs === undefined ? null : Math.round(times.codedAnewMs + times.drawnAheadMs),
      why:
        times.codedAnewMs === undefined
          ? 'nothing that is watched is coded otherwise for it'
          : 'another encoder was warmed up beside the one before, and took over at a key picture',
    },
    quality: { ms: null, why: 'each viewer moves with the next key picture of the rendition that it gets' },
    mouthStrength: drawn,
    mouthSmoothing: drawn,
    fps: drawn,
    idleActions: { ms: 0 },
    playoutDelayMs: { ms: null, why: 'viewers are told when they join' },
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => settings.includes(name)));
}

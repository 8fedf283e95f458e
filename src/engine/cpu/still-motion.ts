import type { HeadSway } from '../../compositor/sway.js';

/** A small fast generator (mulberry32), 0 <= value < 1: the same seed gives the same life. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A stable 32-bit seed of a text (FNV-1a). */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

const BLINK_PAUSE_MS = { least: 2000, most: 6000 };
const CLOSING_MS = 80;
const SHUT_MS = 40;
const OPENING_MS = 150;
const BLINK_MS = CLOSING_MS + SHUT_MS + OPENING_MS;

/** Periods (s) that never line up, and the greatest motion each adds: shifts in iod, turns in radians. */
const WAVES = {
  x: [
    [7.3, 0.014],
    [3.9, 0.005],
  ],
  y: [
    [5.7, 0.008],
    [3.1, 0.004],
  ],
  angle: [
    [8.9, 0.009],
    [4.7, 0.004],
  ],
} as const;
const FADE_IN_MS = 1500;

/** Life for a photo: blinks every 2 to 6 s and a slow sway of the head. Time must not run backwards. */
export class StillMotion {
  #random: () => number;
  #blinkAtMs: number;
  #phases: number[];
  #iodPx: number;
  #sway: HeadSway = { dxPx: 0, dyPx: 0, angleRad: 0 };

  constructor(options: { seed: number; iodPx: number }) {
    this.#random = seededRandom(options.seed);
    this.#iodPx = options.iodPx;
    this.#phases = Array.from({ length: 6 }, () => this.#random() * 2 * Math.PI);
    this.#blinkAtMs = this.#pauseMs();
  }

  /** How far the lids are shut at `timeMs`, 0..1. */
  blink(timeMs: number): number {
    while (timeMs >= this.#blinkAtMs + BLINK_MS) this.#blinkAtMs += BLINK_MS + this.#pauseMs();
    const since = timeMs - this.#blinkAtMs;
    if (since <= 0) return 0;
    if (since < CLOSING_MS) return ease(since / CLOSING_MS);
    if (since < CLOSING_MS + SHUT_MS) return 1;
    return ease((BLINK_MS - since) / OPENING_MS);
  }

  /** Where the head is at `timeMs`; starts from rest. The object is reused. */
  sway(timeMs: number): Readonly<HeadSway> {
    const fade = ease(Math.min(1, timeMs / FADE_IN_MS));
    this.#sway.dxPx = fade * this.#iodPx * this.#wave(WAVES.x, 0, timeMs);
    this.#sway.dyPx = fade * this.#iodPx * this.#wave(WAVES.y, 2, timeMs);
    this.#sway.angleRad = fade * this.#wave(WAVES.angle, 4, timeMs);
    return this.#sway;
  }

  #wave(waves: readonly (readonly [number, number])[], phase: number, timeMs: number): number {
    let sum = 0;
    for (let i = 0; i < waves.length; i += 1) {
      const [periodS, amplitude] = waves[i]!;
      sum += amplitude * Math.sin((2 * Math.PI * timeMs) / (periodS * 1000) + this.#phases[phase + i]!);
    }
    return sum;
  }

  #pauseMs(): number {
    return BLINK_PAUSE_MS.least + this.#random() * (BLINK_PAUSE_MS.most - BLINK_PAUSE_MS.least);
  }
}

function ease(t: number): number {
  return t <= 0 ? 0 : t >= 1 ? 1 : t * t * (3 - 2 * t);
}

import { REST_MOUTH, type MouthShape } from '../../../src/media/frame.js';

/** A mouth that is known at every moment. */
export type KnownCurve = (timeMs: number) => MouthShape;

const turn = (hz: number, timeMs: number): number => Math.sin((2 * Math.PI * hz * timeMs) / 1000);

/** Talk-like: openings of up to 3 a second that differ in height and shut between, width on its own way. */
export const talkLike: KnownCurve = (timeMs) => {
  const wish = 0.35 + 0.3 * turn(1.1, timeMs) + 0.3 * turn(2.3, timeMs) + 0.12 * turn(3.1, timeMs);
  return {
    ...REST_MOUTH,
    open: Math.min(1, Math.max(0, wish)),
    spread: 0.4 + 0.4 * turn(0.83, timeMs),
    round: Math.max(0, 0.4 * turn(0.61, timeMs + 300)),
  };
};

/** So slow that hardly anything may change from picture to picture. */
export const slow: KnownCurve = (timeMs) => ({
  ...REST_MOUTH,
  open: 0.5 - 0.5 * Math.cos((2 * Math.PI * timeMs) / 4000),
});

/** Three steady mouths: shut, half, wide. */
export const HELD: readonly KnownCurve[] = [0, 0.4, 0.8].map((open) => () => ({ ...REST_MOUTH, open }));

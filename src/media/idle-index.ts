/**
 * Which picture of the footage stands at step `k` (0, 1, 2, ...) of the endless idle loop: forward, then backward,
 * then forward again, so that neighbouring steps are never more than one picture apart.
 */
export function idleIndex(k: number, frameCount: number): number {
  if (frameCount <= 1) return 0;
  const period = 2 * (frameCount - 1);
  const phase = ((k % period) + period) % period;
  return phase < frameCount ? phase : period - phase;
}

import type { Figures } from './whep-player.js';

/** One line of live figures, with what is not known left out. */
export function figuresLine(figures: Figures): string {
  const parts = [`${figures.widthPx}×${figures.heightPx}`, `${Math.round(figures.fps)} fps`];
  if (figures.bitrateBps > 0) parts.push(`${Math.round(figures.bitrateBps / 1000)} kbit/s`);
  if (figures.delayMs !== undefined) parts.push(`delay ${Math.round(figures.delayMs)} ms`);
  if (figures.rttMs !== undefined) parts.push(`round trip ${Math.round(figures.rttMs)} ms`);
  if (figures.jitterMs !== undefined) parts.push(`jitter ${Math.round(figures.jitterMs)} ms`);
  if (figures.lostPackets > 0) parts.push(`${figures.lostPackets} lost`);
  return parts.join(' · ');
}

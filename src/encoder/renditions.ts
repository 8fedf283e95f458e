import type { RenditionName } from '../media/frame.js';

/** What one rendition of a session shall be: the even size of its pictures and their bit rate, all at full frame rate. */
export interface RenditionRequest {
  readonly name: RenditionName;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly bitrateBps: number;
}

const MID_SIDE = 2 / 3;
/** For 512x512 with its sound and heads below 340 kbit/s: what libwebrtc thinks of a link of 400 whose queue grew. */
const MID_RATE = 0.33;
/** `mid` pays only when it takes this many times the bits of `low`. */
const MID_OVER_LOW = 1.8;

/**
 * With 24 kbit/s of sound and 22 kbit/s of packet heads this fits a link of 150 kbit/s with a third to spare, which
 * key pictures and quick movement need: the busiest second measured took 1.4 times the rate.
 */
const LOW_BPS = 70_000;
const LOW_SHARE = 0.2;
/** Less than this shows no mouth any more. */
const LOW_FLOOR_BPS = 60_000;
/** So many pixels a picture LOW_BPS can show at 25 fps; with twice as many, libvpx overshoots at its coarsest. */
const LOW_PIXELS = 112_000;
const LOW_MAX_SIDE = 1 / 2;
/** A face needs so many pixels across: a small avatar is coded coarser instead of smaller. */
const MIN_SIDE_PX = 128;

/**
 * The renditions of a session, best first. `high` is always there; the others only where they are clearly cheaper.
 * @param size even sides of the avatar's pictures
 * @param ceilingBps the bit rate of `high`
 */
export function renditionsOf(
  size: { readonly widthPx: number; readonly heightPx: number },
  ceilingBps: number,
): RenditionRequest[] {
  const { widthPx, heightPx } = size;
  const high: RenditionRequest = { name: 'high', widthPx, heightPx, bitrateBps: ceilingBps };
  const lowBps = Math.max(LOW_FLOOR_BPS, Math.min(LOW_BPS, Math.round(LOW_SHARE * ceilingBps)));
  if (ceilingBps < MID_OVER_LOW * lowBps) return [high];
  const lowSide = Math.min(LOW_MAX_SIDE, Math.sqrt(LOW_PIXELS / (widthPx * heightPx)));
  const low: RenditionRequest = { name: 'low', ...scaled(size, lowSide), bitrateBps: lowBps };
  const midBps = Math.round(MID_RATE * ceilingBps);
  if (midBps < MID_OVER_LOW * lowBps) return [high, low];
  return [high, { name: 'mid', ...scaled(size, MID_SIDE), bitrateBps: midBps }, low];
}

/** Even sides that keep the aspect to a pixel or two; the shorter one is not made smaller than MIN_SIDE_PX. */
function scaled(
  { widthPx, heightPx }: { readonly widthPx: number; readonly heightPx: number },
  side: number,
): { widthPx: number; heightPx: number } {
  const factor = Math.min(1, Math.max(side, MIN_SIDE_PX / Math.min(widthPx, heightPx)));
  const even = (px: number): number => Math.max(2, 2 * Math.round((px * factor) / 2));
  return { widthPx: even(widthPx), heightPx: even(heightPx) };
}

import type { Box } from '../../media/frame.js';

const MEDIAN_PICTURES = 5;
const SIGMA_PICTURES = 2;
const REACH = 3 * SIGMA_PICTURES;
/** A middle that moves by more than this part of the box from one picture to the next is a cut, not a motion. */
const JUMP_SHARE = 0.5;

type Track = readonly number[];

/**
 * Takes the tremor out of boxes, one a picture: on middle, width and height first the median of 5 pictures (a slip of the
 * landmark model), then a Gaussian of 2 pictures, which looks forwards and backwards alike and so delays nothing. Never
 * mixes across a jump; near an end the window narrows on both sides alike, so that steady motion stays where it is.
 * Whole pixels again; where sizes change at a picture's edge a box may come out a little beyond it.
 */
export function smoothBoxes(boxes: readonly Box[]): Box[] {
  const tracks = [
    boxes.map(({ x1, x2 }) => (x1 + x2) / 2),
    boxes.map(({ y1, y2 }) => (y1 + y2) / 2),
    boxes.map(({ x1, x2 }) => x2 - x1),
    boxes.map(({ y1, y2 }) => y2 - y1),
  ].map(medians);
  const [x, y, width, height] = tracks as [Track, Track, Track, Track];
  const jumps = (k: number): boolean =>
    Math.abs(x[k]! - x[k - 1]!) > JUMP_SHARE * width[k - 1]! ||
    Math.abs(y[k]! - y[k - 1]!) > JUMP_SHARE * height[k - 1]!;

  const smoothed: Box[] = [];
  let first = 0;
  for (let next = 1; next <= boxes.length; next++) {
    if (next < boxes.length && !jumps(next)) continue;
    for (let k = first; k < next; k++) {
      const reach = Math.min(REACH, k - first, next - 1 - k);
      const mean = (track: Track): number => gaussianMean(track, k, reach);
      const [halfWidth, halfHeight] = [mean(width) / 2, mean(height) / 2];
      smoothed.push({
        x1: Math.round(mean(x) - halfWidth),
        y1: Math.round(mean(y) - halfHeight),
        x2: Math.round(mean(x) + halfWidth),
        y2: Math.round(mean(y) + halfHeight),
      });
    }
    first = next;
  }
  return smoothed;
}

function medians(track: Track): Track {
  return track.map((_, k) => {
    const reach = Math.min((MEDIAN_PICTURES - 1) / 2, k, track.length - 1 - k);
    return track.slice(k - reach, k + reach + 1).sort((a, b) => a - b)[reach]!;
  });
}

function gaussianMean(track: Track, k: number, reach: number): number {
  let sum = track[k]!;
  let total = 1;
  for (let distance = 1; distance <= reach; distance++) {
    const weight = Math.exp((-distance * distance) / (2 * SIGMA_PICTURES * SIGMA_PICTURES));
    sum += weight * (track[k - distance]! + track[k + distance]!);
    total += 2 * weight;
  }
  return sum / total;
}

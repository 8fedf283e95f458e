import { NOSE_BASE } from '../media/face-topology.js';
import { HeadFrame } from './head-frame.js';
import { smoothstep } from './smooth.js';

/** How wide one avatar's mouth opens and what its footage shows of it. */
export interface MouthFit {
  /** Gap of the inner lips at `open` 1, in inter-ocular distances (iod). */
  readonly openIod: number;
  /** Size of its teeth against the average. */
  readonly toothSize: number;
  /** 1: the footage talks, so its open mouths are never the same twice; 0: a photo, or one lasting expression. */
  readonly talks: number;
  /**
   * Where the upper lip's inner edge hangs with the mouth shut, from the nose base, along the head's X, Y and Z (iod).
   * The teeth are fixed to the skull there, however the lips move.
   */
  readonly lipRest: readonly [number, number, number];
}

const AVERAGE: MouthFit = { openIod: 0.21, toothSize: 1, talks: 0, lipRest: [0, 0.26, 0] };

/** How much of the lips' gap is the upper lip's. */
export const LIP_RISE = 0.2;
/** The average mouth's width in iod. */
const AVERAGE_WIDTH_IOD = 0.53;
/** Looking at more pictures changes nothing. */
const MAX_PICTURES = 250;

/** Learns an avatar's mouth from the landmarks of its pictures. Pictures without a usable face are passed over. */
export function fitMouth(avatar: { frameCount: number; landmarks(index: number): Float32Array }): MouthFit {
  const head = new HeadFrame();
  const gaps: number[] = [];
  const widths: number[] = [];
  const rests: [number[], number[], number[]] = [[], [], []];
  const step = Math.max(1, avatar.frameCount / MAX_PICTURES);
  for (let at = 0; at < avatar.frameCount; at += step) {
    const points = avatar.landmarks(Math.floor(at));
    if (!head.update(points)) continue;
    const gap = sourceGapIod(points, head);
    gaps.push(gap);
    for (let axis = 0; axis < 3; axis += 1) {
      let along = 0;
      for (let i = 0; i < 3; i += 1)
        along += (points[13 * 3 + i]! - points[NOSE_BASE * 3 + i]!) * head.axes[axis * 3 + i]!;
      rests[axis]!.push(along / head.iodPx + (axis === 1 ? LIP_RISE * gap : 0));
    }
    widths.push(distance(points, 61, 291) / head.iodPx);
  }
  if (gaps.length === 0) return AVERAGE;
  for (const values of [gaps, widths, ...rests]) values.sort((a, b) => a - b);
  const share = (sorted: readonly number[], part: number): number =>
    sorted[Math.round(part * (sorted.length - 1))]!;
  // Spreading stretches a mouth more than rounding narrows it, so the middle says what is its own.
  const width = Math.min(1.15, Math.max(0.85, share(widths, 0.5) / AVERAGE_WIDTH_IOD));
  const range = share(gaps, 0.97) - share(gaps, 0.05);
  const talks = smoothstep(0.04, 0.09, range);
  const bySize = AVERAGE.openIod * (0.4 + 0.6 * width);
  const byRange = Math.min(0.24, Math.max(0.16, 1.15 * share(gaps, 0.97)));
  const lipRest = [share(rests[0], 0.5), share(rests[1], 0.5), share(rests[2], 0.5)] as const;
  return { openIod: bySize + talks * (byRange - bySize), toothSize: 0.5 + 0.5 * width, talks, lipRest };
}

/** Mean gap of the picture's inner lips at the three middle columns, in iod. */
export function sourceGapIod(points: Float32Array, head: HeadFrame): number {
  const gap = (a: number, b: number): number =>
    (points[b * 3]! - points[a * 3]!) * head.downX + (points[b * 3 + 1]! - points[a * 3 + 1]!) * head.downY;
  return Math.max(0, (gap(13, 14) + gap(312, 317) + gap(82, 87)) / 3 / head.iodPx);
}

function distance(points: Float32Array, a: number, b: number): number {
  return Math.hypot(
    points[a * 3]! - points[b * 3]!,
    points[a * 3 + 1]! - points[b * 3 + 1]!,
    points[a * 3 + 2]! - points[b * 3 + 2]!,
  );
}

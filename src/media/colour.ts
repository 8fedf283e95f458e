/** A colour as I420 pictures hold it: BT.601, limited range. */
export interface YuvColour {
  readonly y: number;
  readonly u: number;
  readonly v: number;
}

/** `#rrggbb` in any case; the caller has checked that it is. The arithmetic is that of media/yuv.ts. */
export function yuvOf(hex: string): YuvColour {
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as [
    number,
    number,
    number,
  ];
  return {
    y: ((66 * r + 129 * g + 25 * b + 128) >> 8) + 16,
    u: ((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128,
    v: ((112 * r - 94 * g - 18 * b + 128) >> 8) + 128,
  };
}

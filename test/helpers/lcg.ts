import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RgbImage } from '../../src/media/frame.js';

/** The repeatable noise that the golden numbers were made from: the high byte of a linear congruential generator. */
export function lcgBytes(seed: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  let state = seed >>> 0;
  for (let i = 0; i < count; i += 1) {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export function lcgImage(seed: number, widthPx: number, heightPx: number): RgbImage {
  return { widthPx, heightPx, data: lcgBytes(seed, widthPx * heightPx * 3) };
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The golden numbers of the image arithmetic, made with OpenCV and Pillow; read from the project's root. */
export interface PixelGoldens {
  readonly lcg: { readonly seed1_first8: number[]; readonly seed7_first8: number[] };
  readonly lanczos4_256: readonly {
    readonly seed: number;
    readonly src_hw: readonly [number, number];
    readonly sha256: string;
    readonly row0_first4px: number[][];
    readonly row128_px100_103: number[][];
  }[];
  readonly linear: readonly {
    readonly seed: number;
    readonly src_hw: readonly [number, number];
    readonly dst_wh: readonly [number, number];
    readonly sha256: string;
    readonly row0_first4px: number[][];
  }[];
  readonly pil_bilinear_512: readonly {
    readonly seed: number;
    readonly src: number;
    readonly sha256: string;
    readonly row0_first4px: number[][];
  }[];
  readonly gauss: readonly {
    readonly ksize: number;
    readonly kernel_256ths: number[];
    readonly sha256: string;
  }[];
  readonly labelmap: { readonly sha256_uint8: string; readonly counts: Readonly<Record<string, number>> };
  readonly seg: readonly {
    readonly mode: 'raw' | 'neck' | 'jaw';
    readonly left: number;
    readonly right: number;
    readonly sha256: string;
    readonly white: number;
  }[];
  readonly prep: readonly {
    readonly face_box: readonly [number, number, number, number];
    readonly mode: 'raw' | 'jaw';
    readonly blur?: string;
    readonly crop_box?: readonly [number, number, number, number];
    readonly ksize: number;
    readonly sha256: string;
    readonly sum?: number;
    readonly center_col?: number[];
  }[];
  readonly blend: readonly {
    readonly face_box: readonly [number, number, number, number];
    readonly mode: 'raw' | 'jaw';
    readonly sha256: string;
    readonly changed_px: number;
  }[];
}

export function pixelGoldens(): PixelGoldens {
  const text = readFileSync(join(process.cwd(), 'test/fixtures/musetalk/goldens.json'), 'utf8');
  return JSON.parse(text) as PixelGoldens;
}

/** `count` pixels of an RGB picture from (x, y) on, one list a pixel. */
export function pixelsAt(image: RgbImage, x: number, y: number, count: number): number[][] {
  return Array.from({ length: count }, (_, i) => {
    const at = (y * image.widthPx + x + i) * 3;
    return [...image.data.subarray(at, at + 3)];
  });
}

/** The label map of the goldens, which stands in for the answer of a face parsing network. */
export function goldenLabels(): Uint8Array {
  const labels = new Uint8Array(512 * 512);
  for (let y = 0; y < 512; y += 1) {
    for (let x = 0; x < 512; x += 1) {
      let label = 0;
      if (y > 430 && Math.abs(x - 256) < 90) label = 14;
      if (((x - 256) / 150) ** 2 + ((y - 270) / 190) ** 2 <= 1) label = 1;
      if (Math.abs(x - 256) <= 22 && y >= 230 && y <= 310) label = 10;
      if (((x - 256) / 50) ** 2 + ((y - 360) / 22) ** 2 <= 1) label = y < 352 ? 12 : y <= 366 ? 11 : 13;
      labels[y * 512 + x] = label;
    }
  }
  return labels;
}

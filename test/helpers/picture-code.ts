import type { I420Frame } from '../../src/media/frame.js';

/**
 * What a test picture says about itself, in black and white blocks that survive any encoder and any scaling: 4 rows of
 * 16 blocks over the whole width, at the top. sync-page.ts reads them back from what a browser shows.
 */
export interface PictureFacts {
  /** Wall clock at drawing, Unix ms modulo 2^24 (4.6 hours). */
  readonly drawnMs: number;
  /** Picture number since the stream began, modulo 2^20. */
  readonly index: number;
  /** Where a beep begins within this picture's time, ms; undefined if none does. */
  readonly onsetMs: number | undefined;
}

export const CODE_COLUMNS = 16;
export const CODE_ROWS = 4;
export const DRAWN_MODULO_MS = 2 ** 24;
const INDEX_MODULO = 2 ** 20;
/** Onsets are told in sixteenths of a ms, in 12 bits, of which 0 is kept for "none". */
const ONSET_STEPS_PER_MS = 16;
const BLACK = 16;
const WHITE = 235;

/** Bits, the highest first: drawnMs 24, index 20, onset 12, check 8. */
export function codeBits(facts: PictureFacts): number[] {
  const onset = facts.onsetMs === undefined ? 0 : 1 + Math.round(facts.onsetMs * ONSET_STEPS_PER_MS);
  const bits = [
    ...bitsOf(facts.drawnMs % DRAWN_MODULO_MS, 24),
    ...bitsOf(facts.index % INDEX_MODULO, 20),
    ...bitsOf(Math.min(onset, 2 ** 12 - 1), 12),
  ];
  return [...bits, ...bitsOf(checkOf(bits), 8)];
}

/** undefined where the check does not fit: no such picture, or one that was spoiled. */
export function readBits(bits: readonly number[]): PictureFacts | undefined {
  const body = bits.slice(0, 56);
  if (bits.length !== CODE_COLUMNS * CODE_ROWS || numberOf(bits.slice(56)) !== checkOf(body))
    return undefined;
  const onset = numberOf(body.slice(44));
  return {
    drawnMs: numberOf(body.slice(0, 24)),
    index: numberOf(body.slice(24, 44)),
    onsetMs: onset === 0 ? undefined : (onset - 1) / ONSET_STEPS_PER_MS,
  };
}

/** Draws the blocks into the luma of a picture; a block is a sixteenth of the width wide and high. */
export function drawCode(frame: I420Frame, bits: readonly number[]): void {
  const { widthPx, data } = frame;
  const side = Math.floor(widthPx / CODE_COLUMNS);
  bits.forEach((bit, at) => {
    const x = (at % CODE_COLUMNS) * side;
    const top = Math.floor(at / CODE_COLUMNS) * side;
    for (let y = top; y < top + side; y += 1)
      data.fill(bit === 1 ? WHITE : BLACK, y * widthPx + x, y * widthPx + x + side);
  });
}

function bitsOf(value: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => Math.floor(value / 2 ** (count - 1 - at)) % 2);
}

function numberOf(bits: readonly number[]): number {
  return bits.reduce((sum, bit) => sum * 2 + bit, 0);
}

/** CRC-8 (polynomial 0x07), begun with ones so that an all-black picture does not fit. */
function checkOf(bits: readonly number[]): number {
  return bits.reduce((crc, bit) => ((crc << 1) ^ (((crc >> 7) ^ bit) === 1 ? 0x07 : 0)) & 0xff, 0xff);
}

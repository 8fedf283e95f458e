import type { Span } from './scores.js';

/** One phone of the recogniser's set (ARPAbet, lower case, `sil` for quiet), on the sound's clock. */
export interface Phone extends Span {
  readonly name: string;
}

/** Opening, strength with which the phone insists on it, reach in ms. */
type Row = readonly [open: number, strength: number, reachMs: number];

/**
 * The hand-made table of models/training/phones.py, its opening column only. It serves to find a clip's offset
 * without asking the network.
 */
const CLASSES = {
  sil: [0, 1, 60],
  PB: [0, 6, 50],
  M: [0, 6, 50],
  FV: [0.1, 3, 55],
  TH: [0.22, 1.2, 55],
  TD: [0.22, 0.8, 50],
  N: [0.22, 0.8, 55],
  L: [0.3, 0.8, 55],
  SZ: [0.14, 1.4, 55],
  SH: [0.2, 1.4, 60],
  KG: [0.28, 0.5, 50],
  H: [0.35, 0.3, 50],
  R: [0.25, 0.9, 60],
  W: [0.12, 2, 65],
  Y: [0.2, 0.9, 55],
  AA: [0.95, 1.6, 80],
  AE: [0.78, 1.5, 80],
  AH: [0.5, 0.9, 65],
  EH: [0.55, 1.2, 75],
  IY: [0.26, 1.2, 75],
  IH: [0.32, 1, 65],
  AO: [0.65, 1.4, 80],
  UW: [0.2, 1.4, 75],
  ER: [0.32, 1, 70],
} as const satisfies Record<string, Row>;

type ClassName = keyof typeof CLASSES;

/** A phone of two classes takes them one after the other. */
const PHONE_CLASSES: Readonly<Record<string, readonly ClassName[]>> = {
  ...{
    sil: ['sil'],
    p: ['PB'],
    b: ['PB'],
    m: ['M'],
    f: ['FV'],
    v: ['FV'],
    th: ['TH'],
    dh: ['TH'],
    t: ['TD'],
  },
  ...{ d: ['TD'], n: ['N'], l: ['L'], s: ['SZ'], z: ['SZ'], sh: ['SH'], zh: ['SH'], ch: ['SH'], jh: ['SH'] },
  ...{ k: ['KG'], g: ['KG'], ng: ['KG'], hh: ['H'], r: ['R'], w: ['W'], y: ['Y'], aa: ['AA'], ae: ['AE'] },
  ...{ ah: ['AH'], eh: ['EH'], iy: ['IY'], ih: ['IH'], ao: ['AO'], uw: ['UW'], uh: ['UW'], er: ['ER'] },
  ...{ ow: ['AO', 'UW'], oy: ['AO', 'IH'], ay: ['AA', 'IH'], aw: ['AA', 'UW'], ey: ['EH', 'IY'] },
};

export const PHONE_NAMES: readonly string[] = Object.keys(PHONE_CLASSES).filter((name) => name !== 'sil');

const BILABIAL = new Set(['p', 'b', 'm']);

export function bilabials(phones: readonly Phone[]): Phone[] {
  return phones.filter(({ name }) => BILABIAL.has(name));
}

/** The opening that the table wants at these moments, 0..1. */
export function tableOpening(phones: readonly Phone[], timesMs: readonly number[]): Float64Array {
  const parts = phones.flatMap(({ name, startMs, endMs }) => {
    const classes = PHONE_CLASSES[name] ?? ['sil'];
    // The first of two sounds lasts a little longer.
    const cut = classes.length === 1 ? endMs : startMs + 0.6 * (endMs - startMs);
    return classes.map((of, k) => ({
      row: CLASSES[of],
      startMs: k === 0 ? startMs : cut,
      endMs: k === 0 ? cut : endMs,
    }));
  });
  return Float64Array.from(timesMs, (timeMs) => {
    let [above, below] = [0, 1e-4];
    for (const { row, startMs, endMs } of parts) {
      const [open, strength, reachMs] = row;
      const half = (endMs - startMs) / 4;
      const middle = (startMs + endMs) / 2;
      // Lips start before the sound and let go faster: a little more reach to the left.
      const distance =
        timeMs < middle
          ? Math.max(0, middle - half - timeMs) / (reachMs * 1.15)
          : Math.max(0, timeMs - middle - half) / reachMs;
      const weight = strength * Math.exp(-(distance ** 1.3));
      above += weight * open;
      below += weight;
    }
    return above / below;
  });
}

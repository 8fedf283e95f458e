import type { FloatTensor } from '../adapters/onnx.js';
import { AppError } from '../errors.js';
import type { Box, RgbImage } from '../media/frame.js';
import { runOne } from './network.js';
import type { Network } from './network.js';

/** A face in picture pixels, not rounded, with its score 0..1. */
export interface ScoredBox extends Box {
  readonly score: number;
}

const LEVELS = 6;
/** Subtracted from R, G, B: the caffe means in the MuseTalk reference's order (they were meant for B, G, R). */
const MEAN_RGB = [104, 117, 123] as const;
/** The reference weeds out overlaps from 0.05 on and keeps those above 0.5, which gives the same boxes. */
const MIN_SCORE = 0.5;
const MAX_OVERLAP = 0.3;
const CENTRE_VARIANCE = 0.1;
const SIZE_VARIANCE = 0.2;
/** A prior's side is this many strides. */
const PRIOR_STRIDES = 4;
const PROBE_PX = 128;

/** Face presence by S3FD as the MuseTalk reference uses it: the whole picture in full resolution. */
export class S3FD {
  readonly #network: Network;

  private constructor(network: Network) {
    this.#network = network;
  }

  /**
   * The network belongs to the S3FD from then on.
   * @throws AppError model-invalid when it does not answer with six pairs of face scores and box offsets
   */
  static async create(network: Network): Promise<S3FD> {
    const data = new Float32Array(3 * PROBE_PX * PROBE_PX);
    pairLevels(await runOne(network, { data, dims: [1, 3, PROBE_PX, PROBE_PX] }));
    return new S3FD(network);
  }

  /** The surest face of the picture in whole pixels, cut off at 0 but not at the far edges; undefined without one. */
  async bestFace(image: RgbImage): Promise<Box | undefined> {
    const dims = [1, 3, image.heightPx, image.widthPx];
    const [best] = decodeS3fd(await runOne(this.#network, { data: s3fdInput(image), dims }));
    if (best === undefined) return undefined;
    const whole = (value: number): number => Math.trunc(Math.max(0, value));
    return { x1: whole(best.x1), y1: whole(best.y1), x2: whole(best.x2), y2: whole(best.y2) };
  }

  close(): Promise<void> {
    return this.#network.close();
  }
}

/** Planes R, G, B of the bytes less the means, not divided. */
export function s3fdInput(image: RgbImage): Float32Array {
  const plane = image.widthPx * image.heightPx;
  const input = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let channel = 0; channel < 3; channel++) {
      input[channel * plane + i] = image.data[i * 3 + channel]! - MEAN_RGB[channel]!;
    }
  }
  return input;
}

/** Faces with a score above 0.5, surest first, from the 12 outputs in the order (scores, offsets) by rising stride. */
export function decodeS3fd(outputs: readonly FloatTensor[]): ScoredBox[] {
  const candidates = pairLevels(outputs).flatMap(({ scores, offsets }, level) =>
    decodeLevel(scores, offsets, 4 << level),
  );
  return withoutOverlaps(candidates);
}

interface Level {
  readonly scores: FloatTensor;
  readonly offsets: FloatTensor;
}

/** Six levels in the file's order, each the face scores (2 or 4 channels) followed by the offsets (4 channels). */
function pairLevels(outputs: readonly FloatTensor[]): Level[] {
  const levels = Array.from({ length: LEVELS }, (_, k): Level | undefined => {
    const [scores, offsets] = [outputs[2 * k], outputs[2 * k + 1]];
    if (scores?.dims.length !== 4 || offsets?.dims.length !== 4) return undefined;
    const channels = scores.dims[1];
    const fits =
      (channels === 2 || (k === 0 && channels === 4)) &&
      offsets.dims[1] === 4 &&
      scores.dims[2] === offsets.dims[2] &&
      scores.dims[3] === offsets.dims[3];
    return fits ? { scores, offsets } : undefined;
  }).filter((level) => level !== undefined);
  if (outputs.length !== 2 * LEVELS || levels.length !== LEVELS) {
    const found = outputs.map(({ dims }) => `[${dims.join(',')}]`).join(' ');
    throw new AppError(
      'model-invalid',
      `not an S3FD with 12 outputs, six times scores [1,2,h,w] (the first may have 4 channels) and offsets [1,4,h,w]: it has ${outputs.length}: ${found}`,
    );
  }
  return levels;
}

function decodeLevel(scores: FloatTensor, offsets: FloatTensor, stride: number): ScoredBox[] {
  const rows = scores.dims[2] ?? 0;
  const columns = scores.dims[3] ?? 0;
  const plane = rows * columns;
  const background = scores.dims[1] === 4 ? [0, 1, 2] : [0];
  const prior = PRIOR_STRIDES * stride;
  const boxes: ScoredBox[] = [];
  for (let cell = 0; cell < plane; cell++) {
    const none = Math.max(...background.map((channel) => scores.data[channel * plane + cell]!));
    const face = scores.data[background.length * plane + cell]!;
    const score = 1 / (1 + Math.exp(none - face));
    if (!(score > MIN_SCORE)) continue;
    const offset = (channel: number): number => offsets.data[channel * plane + cell]!;
    const centreX = stride / 2 + (cell % columns) * stride + offset(0) * CENTRE_VARIANCE * prior;
    const centreY = stride / 2 + Math.floor(cell / columns) * stride + offset(1) * CENTRE_VARIANCE * prior;
    const width = prior * Math.exp(offset(2) * SIZE_VARIANCE);
    const height = prior * Math.exp(offset(3) * SIZE_VARIANCE);
    boxes.push({
      x1: centreX - width / 2,
      y1: centreY - height / 2,
      x2: centreX + width / 2,
      y2: centreY + height / 2,
      score,
    });
  }
  return boxes;
}

/** Greedy: the surest box stays and takes those that overlap it along. Surest first. */
function withoutOverlaps(boxes: readonly ScoredBox[]): ScoredBox[] {
  let rest = [...boxes].sort((a, b) => b.score - a.score);
  const kept: ScoredBox[] = [];
  for (let best = rest[0]; best !== undefined; best = rest[0]) {
    const surest = best;
    kept.push(surest);
    rest = rest.slice(1).filter((box) => overlapOf(surest, box) <= MAX_OVERLAP);
  }
  return kept;
}

/** Intersection over union with the reference's areas, which count both edges. */
function overlapOf(a: Box, b: Box): number {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1) + 1;
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1) + 1;
  const both = Math.max(0, width) * Math.max(0, height);
  return both / (areaOf(a) + areaOf(b) - both);
}

function areaOf(box: Box): number {
  return (box.x2 - box.x1 + 1) * (box.y2 - box.y1 + 1);
}

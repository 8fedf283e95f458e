import { OnnxModel } from '../adapters/onnx.js';
import { AppError } from '../errors.js';
import type { RgbImage } from '../media/frame.js';
import { cropSquare } from './image-crop.js';
import type { SquareRoi } from './image-crop.js';
import { areaOf, overlap } from './roi.js';
import type { Box } from './roi.js';

export interface DetectedFace {
  readonly box: Box;
  /** x, y in picture pixels; left and right as seen in the picture. */
  readonly leftEye: readonly [number, number];
  readonly rightEye: readonly [number, number];
  /** 0..1 */
  readonly score: number;
}

const INPUT_PX = 128;
const ANCHOR_COUNT = 896;
const VALUES_PER_ANCHOR = 16;
const MIN_SCORE = 0.5;
/** In parts of the picture there is more to mistake for a face. */
const MIN_TILE_SCORE = 0.65;
/** Smaller parts would be searched at more than the picture's own scale. */
const MIN_TILE_PX = 160;
const MERGE_OVERLAP = 0.3;

/**
 * The short-range face detector of MediaPipe. Decoding follows its face_detection graph (Apache-2.0): 896 anchors,
 * values in input pixels around the anchor, faces that overlap merged with their scores as weights.
 */
export class FaceDetector {
  readonly #model: OnnxModel;
  readonly #input = new Float32Array(3 * INPUT_PX * INPUT_PX);
  readonly #anchors = makeAnchors();

  private constructor(model: OnnxModel) {
    this.#model = model;
  }

  static async create(modelPath: string, options: { threads?: number } = {}): Promise<FaceDetector> {
    return new FaceDetector(await OnnxModel.load(modelPath, options));
  }

  /** Best first. Where the whole picture shows no face, its parts are searched, ever smaller ones. */
  async detect(image: RgbImage): Promise<DetectedFace[]> {
    const longPx = Math.max(image.widthPx, image.heightPx);
    const whole = { centreX: image.widthPx / 2, centreY: image.heightPx / 2, sidePx: longPx, angleRad: 0 };
    const faces = await this.detectIn(image, whole, MIN_SCORE);
    for (
      let sidePx = longPx / 2;
      faces.length === 0 && sidePx >= MIN_TILE_PX && sidePx >= longPx / 4;
      sidePx /= 2
    ) {
      for (const tile of tilesOf(image, sidePx))
        faces.push(...(await this.detectIn(image, tile, MIN_TILE_SCORE)));
    }
    return mergeFaces(faces);
  }

  /**
   * Faces in one square of the picture; parts of the square outside the picture count as black. In a turned square
   * heads of the same turn are found; their boxes stay upright.
   */
  async detectIn(image: RgbImage, square: SquareRoi, minScore: number): Promise<DetectedFace[]> {
    cropSquare(image, square, INPUT_PX, { low: -1, high: 1, outside: 'zero' }, this.#input);
    const results = await this.#model.run({ image: { data: this.#input, dims: [1, 3, INPUT_PX, INPUT_PX] } });
    const regressors = results['regressors']?.data;
    const scores = results['classificators']?.data;
    if (regressors?.length !== ANCHOR_COUNT * VALUES_PER_ANCHOR || scores?.length !== ANCHOR_COUNT) {
      throw new AppError('model-invalid', 'the face detector has outputs of an unexpected size');
    }
    return mergeFaces(this.#decode(regressors, scores, square, minScore));
  }

  close(): Promise<void> {
    return this.#model.close();
  }

  #decode(
    regressors: Float32Array,
    scores: Float32Array,
    square: SquareRoi,
    minScore: number,
  ): DetectedFace[] {
    const scale = square.sidePx / INPUT_PX;
    const cos = Math.cos(square.angleRad) * scale;
    const sin = Math.sin(square.angleRad) * scale;
    const minLogit = Math.log(minScore / (1 - minScore));
    const faces: DetectedFace[] = [];
    for (let i = 0; i < ANCHOR_COUNT; i++) {
      const logit = scores[i]!;
      if (logit < minLogit) continue;
      const base = i * VALUES_PER_ANCHOR;
      const point = (offset: number): [number, number] => {
        const x = regressors[base + offset]! + this.#anchors[2 * i]! - INPUT_PX / 2;
        const y = regressors[base + offset + 1]! + this.#anchors[2 * i + 1]! - INPUT_PX / 2;
        return [square.centreX + cos * x - sin * y, square.centreY + sin * x + cos * y];
      };
      const [x, y] = point(0);
      const halfWidth = (regressors[base + 2]! * scale) / 2;
      const halfHeight = (regressors[base + 3]! * scale) / 2;
      faces.push({
        box: { left: x - halfWidth, right: x + halfWidth, top: y - halfHeight, bottom: y + halfHeight },
        leftEye: point(4),
        rightEye: point(6),
        score: 1 / (1 + Math.exp(-logit)),
      });
    }
    return faces;
  }
}

/** Anchor middles in input pixels: two for each cell of 16 x 16, then six for each cell of 8 x 8. */
function makeAnchors(): Float32Array {
  const anchors: number[] = [];
  for (const [cells, perCell] of [
    [16, 2],
    [8, 6],
  ] as const) {
    const cellPx = INPUT_PX / cells;
    for (let row = 0; row < cells; row++) {
      for (let column = 0; column < cells; column++) {
        for (let k = 0; k < perCell; k++) anchors.push((column + 0.5) * cellPx, (row + 0.5) * cellPx);
      }
    }
  }
  return Float32Array.from(anchors);
}

/** Squares that cover the picture, each overlapping its neighbours by at least half. */
function tilesOf(image: RgbImage, sidePx: number): SquareRoi[] {
  return middlesOf(image.heightPx, sidePx).flatMap((centreY) =>
    middlesOf(image.widthPx, sidePx).map((centreX) => ({ centreX, centreY, sidePx, angleRad: 0 })),
  );
}

function middlesOf(lengthPx: number, sidePx: number): number[] {
  if (lengthPx <= sidePx) return [lengthPx / 2];
  const steps = Math.ceil((lengthPx - sidePx) / (sidePx / 2));
  return Array.from({ length: steps + 1 }, (_, k) => sidePx / 2 + (k * (lengthPx - sidePx)) / steps);
}

/** Each group of faces that overlap its best one becomes one face, the mean weighted by score. Best first. */
export function mergeFaces(faces: readonly DetectedFace[]): DetectedFace[] {
  let rest = [...faces].sort((a, b) => b.score - a.score);
  const merged: DetectedFace[] = [];
  while (rest[0]) {
    const best = rest[0];
    const group = rest.filter((face) => face === best || overlap(face.box, best.box) > MERGE_OVERLAP);
    rest = rest.filter((face) => !group.includes(face));
    const total = group.reduce((sum, face) => sum + face.score, 0);
    const mean = (read: (face: DetectedFace) => number): number =>
      group.reduce((sum, face) => sum + read(face) * face.score, 0) / total;
    merged.push({
      box: {
        left: mean((face) => face.box.left),
        top: mean((face) => face.box.top),
        right: mean((face) => face.box.right),
        bottom: mean((face) => face.box.bottom),
      },
      leftEye: [mean((face) => face.leftEye[0]), mean((face) => face.leftEye[1])],
      rightEye: [mean((face) => face.rightEye[0]), mean((face) => face.rightEye[1])],
      score: best.score,
    });
  }
  return merged;
}

/** The face to follow: the one that overlaps `previous` most, else the largest among the clear ones. */
export function chooseFace(faces: readonly DetectedFace[], previous?: Box): DetectedFace | undefined {
  const [best] = [...faces].sort((a, b) => rank(b) - rank(a));
  return best;

  function rank(face: DetectedFace): number {
    const same = previous ? overlap(face.box, previous) : 0;
    return same > 0.1 ? 1e12 + same : areaOf(face.box) * face.score;
  }
}

import { AppError } from '../errors.js';
import type { RgbImage } from '../media/frame.js';
import { runOne } from './network.js';
import type { Network } from './network.js';
import {
  averageWithMirrored,
  decodeSimcc,
  normalisedInput,
  SPLIT_RATIO,
  warpToInput,
  wholePictureGeometry,
} from './simcc.js';
import type { SimccPoints, SimccVectors } from './simcc.js';

/** x, y interleaved of the 68 face points (iBUG order) in whole picture pixels, which may lie outside the picture. */
export type FacePoints68 = Int32Array;

const WHOLE_BODY_POINTS = 133;
const FIRST_FACE_POINT = 23;
const FACE_POINTS = 68;
/** Height and width of the input: DWPose and RTMPose-l, then the smaller RTMPose models. */
const INPUT_SIZES = [
  [384, 288],
  [256, 192],
] as const;

export interface DWPoseOptions {
  /**
   * Asks the model a second time about the mirrored picture and takes the mean, as the MuseTalk reference's own
   * configuration does; doubles the time. On unless told otherwise.
   */
  readonly flipTest?: boolean;
}

/**
 * Whole-body landmarks of the person that the picture shows (DWPose or RTMPose, 133 points, SimCC outputs); there is no
 * person detector, the whole picture is the person's box, as in the MuseTalk reference.
 */
export class DWPose {
  readonly inputWidthPx: number;
  readonly inputHeightPx: number;
  readonly #network: Network;
  readonly #flipTest: boolean;

  private constructor(network: Network, input: readonly [number, number], flipTest: boolean) {
    this.#network = network;
    [this.inputHeightPx, this.inputWidthPx] = input;
    this.#flipTest = flipTest;
  }

  /**
   * Finds the input size by trying the known ones; the network belongs to the DWPose from then on.
   * @throws AppError model-invalid when no size gives two outputs of 133 points with two bins a pixel
   */
  static async create(network: Network, options: DWPoseOptions = {}): Promise<DWPose> {
    let found = 'no outputs';
    for (const size of INPUT_SIZES) {
      const [height, width] = size;
      const input = { data: new Float32Array(3 * height * width), dims: [1, 3, height, width] };
      const outputs = await runOne(network, input).catch((error: unknown) => {
        found = error instanceof Error ? error.message : String(error);
        return undefined;
      });
      if (outputs === undefined) continue;
      found = `outputs ${outputs.map(({ dims }) => `[${dims.join(',')}]`).join(' and ')}`;
      if (isAxis(outputs[0]?.dims, width * SPLIT_RATIO) && isAxis(outputs[1]?.dims, height * SPLIT_RATIO))
        return new DWPose(network, size, options.flipTest ?? true);
    }
    throw new AppError(
      'model-invalid',
      `not a whole-body SimCC model with input [1,3,384,288] or [1,3,256,192] and outputs [1,133,2*width] and [1,133,2*height]: ${found}`,
    );
  }

  /** All 133 points of the picture with their scores. */
  async wholeBody(image: RgbImage): Promise<SimccPoints> {
    const geometry = wholePictureGeometry(image, {
      widthPx: this.inputWidthPx,
      heightPx: this.inputHeightPx,
    });
    const warped = warpToInput(image, geometry);
    let vectors = await this.#vectors(normalisedInput(warped));
    if (this.#flipTest) {
      vectors = averageWithMirrored(vectors, await this.#vectors(normalisedInput(warped, true)), mirrorOf);
    }
    return decodeSimcc(vectors, geometry);
  }

  /** The 68 face points of the picture, fractions cut off as the reference does. */
  async face68(image: RgbImage): Promise<FacePoints68> {
    const { points } = await this.wholeBody(image);
    return Int32Array.from(
      points.subarray(FIRST_FACE_POINT * 2, (FIRST_FACE_POINT + FACE_POINTS) * 2),
      Math.trunc,
    );
  }

  close(): Promise<void> {
    return this.#network.close();
  }

  async #vectors(input: Float32Array): Promise<SimccVectors> {
    const dims = [1, 3, this.inputHeightPx, this.inputWidthPx];
    const [x, y] = await runOne(this.#network, { data: input, dims });
    if (x === undefined || y === undefined)
      throw new AppError('internal', 'the landmark model lost its outputs');
    return { pointCount: WHOLE_BODY_POINTS, x: x.data, y: y.data };
  }
}

function isAxis(dims: readonly number[] | undefined, bins: number): boolean {
  return dims?.length === 3 && dims[0] === 1 && dims[1] === WHOLE_BODY_POINTS && dims[2] === bins;
}

/** Left and right of the body and, from 0, of the face: point a is the mirror image of point b. */
// prettier-ignore
const BODY_PAIRS = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12], [13, 14], [15, 16], [17, 20], [18, 21], [19, 22]];
// prettier-ignore
const FACE_PAIRS = [
  [0, 16], [1, 15], [2, 14], [3, 13], [4, 12], [5, 11], [6, 10], [7, 9], // jaw
  [17, 26], [18, 25], [19, 24], [20, 23], [21, 22], [31, 35], [32, 34], // brows, nostrils
  [36, 45], [37, 44], [38, 43], [39, 42], [40, 47], [41, 46], // eyes
  [48, 54], [49, 53], [50, 52], [55, 59], [56, 58], [60, 64], [61, 63], [65, 67], // lips
];
const LEFT_HAND = 91;
const HAND_POINTS = 21;

const MIRROR = makeMirror();

/** COCO-WholeBody's left/right map. */
function makeMirror(): Uint8Array {
  const mirror = Uint8Array.from({ length: WHOLE_BODY_POINTS }, (_, point) => point);
  const swap = (a: number, b: number): void => {
    mirror[a] = b;
    mirror[b] = a;
  };
  for (const [a, b] of BODY_PAIRS) swap(a!, b!);
  for (const [a, b] of FACE_PAIRS) swap(FIRST_FACE_POINT + a!, FIRST_FACE_POINT + b!);
  for (let k = 0; k < HAND_POINTS; k++) swap(LEFT_HAND + k, LEFT_HAND + HAND_POINTS + k);
  return mirror;
}

/** The point of the whole body that `point` becomes in a mirror. */
export function mirrorOf(point: number): number {
  return MIRROR[point]!;
}

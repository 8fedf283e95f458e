import { OnnxModel } from '../adapters/onnx.js';
import { AppError } from '../errors.js';
import { LANDMARK_COUNT } from '../media/frame.js';
import type { Landmarks, RgbImage } from '../media/frame.js';
import { cropSquare } from './image-crop.js';
import type { SquareRoi } from './image-crop.js';

/** Side of the mesh model's input. */
export const MESH_INPUT_PX = 192;

/** Mesh index of each refined lip point, in the order of the model's `lips` output. */
export const REFINED_LIPS: readonly number[] = [
  61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409, 78, 95, 88, 178,
  87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415, 76, 77, 90, 180, 85, 16, 315, 404,
  320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408, 62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292,
  183, 42, 41, 38, 12, 268, 271, 272, 407,
];

export interface MeshResult {
  /** Picture pixels, refined lips in place; a new array each time. */
  readonly landmarks: Landmarks;
  /** 0..1, how surely the square shows a face. */
  readonly score: number;
}

/** The dense face mesh with refined lips, run on one square of a picture. */
export class MeshRunner {
  readonly #model: OnnxModel;
  readonly #input = new Float32Array(3 * MESH_INPUT_PX * MESH_INPUT_PX);

  private constructor(model: OnnxModel) {
    this.#model = model;
  }

  static async create(modelPath: string, options: { threads?: number } = {}): Promise<MeshRunner> {
    return new MeshRunner(await OnnxModel.load(modelPath, options));
  }

  async run(image: RgbImage, roi: SquareRoi): Promise<MeshResult> {
    cropSquare(image, roi, MESH_INPUT_PX, { low: 0, high: 1, outside: 'edge' }, this.#input);
    const results = await this.#model.run({
      image: { data: this.#input, dims: [1, 3, MESH_INPUT_PX, MESH_INPUT_PX] },
    });
    const mesh = results['mesh']?.data;
    const lips = results['lips']?.data;
    const flag = results['faceflag']?.data[0];
    if (
      mesh?.length !== LANDMARK_COUNT * 3 ||
      lips?.length !== REFINED_LIPS.length * 2 ||
      flag === undefined
    ) {
      throw new AppError('model-invalid', 'the face mesh has outputs of an unexpected size');
    }
    REFINED_LIPS.forEach((index, k) => {
      mesh[index * 3] = lips[k * 2]!;
      mesh[index * 3 + 1] = lips[k * 2 + 1]!;
    });
    return { landmarks: toPicture(mesh, roi), score: 1 / (1 + Math.exp(-flag)) };
  }

  close(): Promise<void> {
    return this.#model.close();
  }
}

/** From input pixels of the square to picture pixels, in place. */
function toPicture(mesh: Float32Array, roi: SquareRoi): Landmarks {
  const scale = roi.sidePx / MESH_INPUT_PX;
  const cos = Math.cos(roi.angleRad) * scale;
  const sin = Math.sin(roi.angleRad) * scale;
  for (let i = 0; i < mesh.length; i += 3) {
    const x = mesh[i]! - MESH_INPUT_PX / 2;
    const y = mesh[i + 1]! - MESH_INPUT_PX / 2;
    mesh[i] = roi.centreX + cos * x - sin * y;
    mesh[i + 1] = roi.centreY + sin * x + cos * y;
    mesh[i + 2] = mesh[i + 2]! * scale;
  }
  return mesh;
}

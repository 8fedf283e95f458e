import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { OnnxModel } from '../../../src/adapters/onnx.js';
import { chooseFace, FaceDetector } from '../../../src/face/face-detector.js';
import { cropSquare, type SquareRoi } from '../../../src/face/image-crop.js';
import { MESH_INPUT_PX } from '../../../src/face/mesh-runner.js';
import { convertPacked, readPackedAssets } from '../../../src/face/models.js';
import { roiFromDetection, roiFromLandmarks } from '../../../src/face/roi.js';
import { LANDMARK_COUNT, type Landmarks, type RgbImage } from '../../../src/media/frame.js';

/** face_landmark.tflite of the same package: another network than the product's, without attention to the lips. */
const BASE_MESH = {
  file: 'base-mesh.onnx',
  start: 2_495_952,
  end: 3_737_848,
  sourceSha256: 'c603fa6149219a3e9487dc9abd7a0c24474c77263273d24868378cdf40aa26d1',
  sha256: '024106bfcf4e183cb4ac87793278a3ea63c53f8fbe73db56261ecffbc50af754',
  graphName: 'base-mesh',
  inputName: 'image',
  outputs: { conv2d_21: 'mesh', conv2d_31: 'faceflag' },
};

/** A second tracker, so that the one by which the faces were prepared does not judge its own work. */
export class BaseMeshTracker {
  readonly #detector: FaceDetector;
  readonly #mesh: OnnxModel;
  readonly #input = new Float32Array(3 * MESH_INPUT_PX * MESH_INPUT_PX);
  #last: Landmarks | undefined;

  private constructor(detector: FaceDetector, mesh: OnnxModel) {
    this.#detector = detector;
    this.#mesh = mesh;
  }

  static async create(detectorPath: string): Promise<BaseMeshTracker> {
    const folder = path.join(tmpdir(), 'musecast-bench-lips');
    const file = path.join(folder, BASE_MESH.file);
    await mkdir(folder, { recursive: true });
    await writeFile(file, convertPacked(BASE_MESH, await readPackedAssets()));
    return new BaseMeshTracker(await FaceDetector.create(detectorPath), await OnnxModel.load(file));
  }

  /** Forgets the face; the next picture begins another film. */
  reset(): void {
    this.#last = undefined;
  }

  /** Pictures of one film in order; undefined where there is no face. */
  async track(image: RgbImage): Promise<Landmarks | undefined> {
    this.#last ??= await this.#find(image);
    this.#last &&= await this.#run(image, roiFromLandmarks(this.#last));
    return this.#last;
  }

  async close(): Promise<void> {
    await Promise.all([this.#detector.close(), this.#mesh.close()]);
  }

  async #find(image: RgbImage): Promise<Landmarks | undefined> {
    const face = chooseFace(await this.#detector.detect(image));
    return face && this.#run(image, roiFromDetection(face.box, face.leftEye, face.rightEye));
  }

  async #run(image: RgbImage, roi: SquareRoi): Promise<Landmarks | undefined> {
    cropSquare(image, roi, MESH_INPUT_PX, { low: 0, high: 1, outside: 'edge' }, this.#input);
    const { mesh, faceflag } = await this.#mesh.run({
      image: { data: this.#input, dims: [1, 3, MESH_INPUT_PX, MESH_INPUT_PX] },
    });
    if (mesh?.data.length !== LANDMARK_COUNT * 3 || faceflag === undefined)
      throw new Error('the base mesh has outputs of an unexpected size');
    if (faceflag.data[0]! < 0) return undefined;
    const scale = roi.sidePx / MESH_INPUT_PX;
    const [cos, sin] = [Math.cos(roi.angleRad) * scale, Math.sin(roi.angleRad) * scale];
    const points = mesh.data;
    for (let at = 0; at < points.length; at += 3) {
      const x = points[at]! - MESH_INPUT_PX / 2;
      const y = points[at + 1]! - MESH_INPUT_PX / 2;
      points[at] = roi.centreX + cos * x - sin * y;
      points[at + 1] = roi.centreY + sin * x + cos * y;
      points[at + 2] = points[at + 2]! * scale;
    }
    return points;
  }
}

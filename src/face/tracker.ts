import type { Landmarks, RgbImage } from '../media/frame.js';
import { CutFinder } from './cut-finder.js';
import { FaceDetector, chooseFace } from './face-detector.js';
import type { DetectedFace } from './face-detector.js';
import { MeshRunner } from './mesh-runner.js';
import type { MeshResult } from './mesh-runner.js';
import type { FaceModelPaths } from './models.js';
import { boxOf, overlap, roiFromDetection, roiFromLandmarks } from './roi.js';

export type TrackResult =
  { face: { landmarks: Landmarks; score: number } } | { face: undefined; reason: 'none-found' | 'lost' };

/** The mesh's own face flag stays up through cuts and black pictures, so the detector is asked this often. */
const REDETECT_EVERY_PICTURES = 25;
const MIN_MESH_SCORE = 0.5;
/** The detector looks again in the mesh's square times this, where it sees even a small or tilted face well. */
const CHECK_SCALE = 1.5;
const MIN_CHECK_SCORE = 0.4;
/** A detected face that overlaps the followed one less is another face. */
const SAME_FACE_OVERLAP = 0.25;

/**
 * Follows one face through footage: detector first, then the mesh in the square around the last points. The detector
 * is asked again every second, after a cut and after a loss.
 */
export class FaceTracker {
  readonly #detector: FaceDetector;
  readonly #mesh: MeshRunner;
  readonly #cuts = new CutFinder();
  #last: Landmarks | undefined;
  #picturesSinceDetection = 0;
  #closing: Promise<void> | undefined;

  private constructor(detector: FaceDetector, mesh: MeshRunner) {
    this.#detector = detector;
    this.#mesh = mesh;
  }

  static async create(paths: FaceModelPaths, options: { threads?: number } = {}): Promise<FaceTracker> {
    const detector = await FaceDetector.create(paths.detectorPath, options);
    try {
      return new FaceTracker(detector, await MeshRunner.create(paths.meshPath, options));
    } catch (error) {
      await detector.close();
      throw error;
    }
  }

  /** Pictures of one footage in order. The picture is only read; the landmarks belong to the caller. */
  async track(image: RgbImage): Promise<TrackResult> {
    const cut = this.#cuts.push(image);
    const previous = this.#last;
    this.#picturesSinceDetection++;
    let result: MeshResult | undefined;
    if (!previous || cut) {
      result = await this.#acquire(image, undefined);
    } else if (this.#picturesSinceDetection >= REDETECT_EVERY_PICTURES) {
      result = await this.#check(image, previous);
    } else {
      result = await this.#mesh.run(image, roiFromLandmarks(previous));
      if (result.score < MIN_MESH_SCORE) result = await this.#acquire(image, previous);
    }
    if (!result || result.score < MIN_MESH_SCORE) {
      this.#last = undefined;
      return { face: undefined, reason: previous ? 'lost' : 'none-found' };
    }
    this.#last = Float32Array.from(result.landmarks);
    return { face: { landmarks: result.landmarks, score: result.score } };
  }

  /** Forgets the face; the next picture begins another footage. */
  reset(): void {
    this.#last = undefined;
    this.#cuts.reset();
    this.#picturesSinceDetection = 0;
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all([this.#detector.close(), this.#mesh.close()]).then(() => undefined);
    return this.#closing;
  }

  async #acquire(image: RgbImage, previous: Landmarks | undefined): Promise<MeshResult | undefined> {
    this.#picturesSinceDetection = 0;
    const face = chooseFace(await this.#detector.detect(image), previous && boxOf(previous));
    return face && this.#fit(image, face);
  }

  /** Goes on with the followed face if the detector still sees one there, else looks for one everywhere. */
  async #check(image: RgbImage, previous: Landmarks): Promise<MeshResult | undefined> {
    this.#picturesSinceDetection = 0;
    const roi = roiFromLandmarks(previous);
    const around = { ...roi, sidePx: roi.sidePx * CHECK_SCALE };
    const faces = await this.#detector.detectIn(image, around, MIN_CHECK_SCORE);
    const box = boxOf(previous);
    if (!faces.some((face) => overlap(face.box, box) > SAME_FACE_OVERLAP))
      return this.#acquire(image, previous);
    const result = await this.#mesh.run(image, roi);
    return result.score < MIN_MESH_SCORE ? this.#acquire(image, previous) : result;
  }

  /** Two passes: the square around the detector's box is rough, the one around the first points is not. */
  async #fit(image: RgbImage, face: DetectedFace): Promise<MeshResult> {
    const first = await this.#mesh.run(image, roiFromDetection(face.box, face.leftEye, face.rightEye));
    if (first.score < MIN_MESH_SCORE) return first;
    return this.#mesh.run(image, roiFromLandmarks(first.landmarks));
  }
}

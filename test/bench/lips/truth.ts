import type { Ffmpeg } from '../../../src/adapters/ffmpeg.js';
import { FACE_MODELS } from '../../../src/face/models.js';
import type { FaceTracker } from '../../../src/face/tracker.js';
import { interOcularPx, mouthOpening, mouthWidth } from '../../../src/media/face-topology.js';
import type { Landmarks } from '../../../src/media/frame.js';
import { cached, hashOfFile } from './cache.js';
import { pictureRate, readFilm } from './film.js';
import { normalised, smoothed } from './scores.js';

/** What the lips in the clip really did, one value a picture: 0 the clip's 5th percentile, 1 its 95th, NaN no face. */
export interface Truth {
  readonly fps: number;
  /** Of each picture, on the sound's clock. */
  readonly timesMs: readonly number[];
  readonly open: Float64Array;
  readonly width: Float64Array;
  /** How far the lips stand out in front of the mouth's corners, by the mesh's depth: a proxy. */
  readonly protrusion: Float64Array;
}

interface Tracked {
  readonly fps: number;
  /** opening, width, protrusion of each picture, as they were measured; null without a face. */
  readonly rows: readonly (readonly [number, number, number] | null)[];
}

/** Raise it whenever the same film would give other numbers. */
const VERSION = 'truth 1';
const SMOOTHING_MS = 20;

/** Tracks the clip with the product's tracker, or takes what an earlier run found. */
export async function trackTruth(ffmpeg: Ffmpeg, tracker: FaceTracker, file: string): Promise<Truth> {
  const { detector, mesh } = FACE_MODELS;
  const key = [VERSION, detector.sha256, mesh.sha256, await hashOfFile(file)];
  const { fps, rows } = await cached(key, () => track(ffmpeg, tracker, file));
  const curve = (column: 0 | 1 | 2): Float64Array =>
    normalised(
      smoothed(
        rows.map((row) => row?.[column] ?? Number.NaN),
        (SMOOTHING_MS * fps) / 1000,
      ),
    );
  return {
    fps,
    timesMs: rows.map((_, at) => (at * 1000) / fps),
    open: curve(0),
    width: curve(1),
    protrusion: curve(2),
  };
}

async function track(ffmpeg: Ffmpeg, tracker: FaceTracker, file: string): Promise<Tracked> {
  const fps = await pictureRate(ffmpeg, file);
  const rows: ([number, number, number] | null)[] = [];
  tracker.reset();
  for await (const picture of readFilm(ffmpeg, file, fps)) {
    const { face } = await tracker.track(picture);
    rows.push(
      face === undefined
        ? null
        : [mouthOpening(face.landmarks), mouthWidth(face.landmarks), protrusion(face.landmarks)],
    );
  }
  return { fps, rows };
}

/** Depth of the middle of both lips' rims before that of the outer corners, in distances of the eyes. */
function protrusion(landmarks: Landmarks): number {
  const depth = (index: number): number => landmarks[3 * index + 2]!;
  const corners = (depth(61) + depth(291)) / 2;
  return (corners - (depth(0) + depth(17)) / 2) / Math.max(interOcularPx(landmarks), 1e-6);
}

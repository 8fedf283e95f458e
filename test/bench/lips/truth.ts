import type { Ffmpeg } from '../../../src/adapters/ffmpeg.js';
import { FACE_MODELS } from '../../../src/face/models.js';
import type { FaceTracker } from '../../../src/face/tracker.js';
import {
  FOREHEAD,
  interOcularPx,
  LEFT_EYE_OUTER,
  LEFT_MOUTH_CORNER,
  mouthOpening,
  mouthWidth,
  NOSE_BASE,
  RIGHT_EYE_OUTER,
  RIGHT_MOUTH_CORNER,
} from '../../../src/media/face-topology.js';
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
  /** How far the mouth stands out, by the mesh's depth: a proxy. */
  readonly protrusion: Float64Array;
}

interface Tracked {
  readonly fps: number;
  /** opening, width, protrusion of each picture, as they were measured; null without a face. */
  readonly rows: readonly (readonly [number, number, number] | null)[];
}

/** Raise it whenever the same film would give other numbers. */
const VERSION = 'truth 2';
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

/**
 * How far the mouth's corners stand in front of the nose's base, at right angles to the face, in distances of the eyes:
 * pursed lips draw them forwards. A weak measure, because the mesh guesses depth from one picture.
 */
function protrusion(landmarks: Landmarks): number {
  const point = (index: number): Vector => [
    landmarks[3 * index]!,
    landmarks[3 * index + 1]!,
    landmarks[3 * index + 2]!,
  ];
  const across = less(point(RIGHT_EYE_OUTER), point(LEFT_EYE_OUTER));
  const down = less(point(NOSE_BASE), point(FOREHEAD));
  const [ax, ay, az] = across;
  const [dx, dy, dz] = down;
  const away: Vector = [ay * dz - az * dy, az * dx - ax * dz, ax * dy - ay * dx];
  const depth = (index: number): number => {
    const [x, y, z] = less(point(index), point(NOSE_BASE));
    return (x * away[0] + y * away[1] + z * away[2]) / Math.max(Math.hypot(...away), 1e-6);
  };
  const corners = (depth(LEFT_MOUTH_CORNER) + depth(RIGHT_MOUTH_CORNER)) / 2;
  return -corners / Math.max(interOcularPx(landmarks), 1e-6);
}

type Vector = readonly [number, number, number];

function less(a: Vector, b: Vector): Vector {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

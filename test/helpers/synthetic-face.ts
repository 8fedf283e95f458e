import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseMouthBasis } from '../../src/compositor/mouth-basis.js';
import type { MouthBasis } from '../../src/compositor/mouth-basis.js';
import { FACE_OVAL, INNER_LIP_LOWER, INNER_LIP_UPPER } from '../../src/media/face-topology.js';
import { i420SizeBytes, LANDMARK_COUNT } from '../../src/media/frame.js';
import { rgbToI420 } from '../../src/media/yuv.js';

// The canonical face in the package's geometry metadata (protobuf): every vertex is five floats x, y, z, u, v, each
// behind a one-byte tag. Offsets: face_mesh_solution_packed_assets_loader.js, then the first float's tag.
const FIRST_VERTEX = 3_737_848 + 8;
const VERTEX_BYTES = 25;

/** The average face with a shut mouth, looking into the camera. Its outer eye corners are `iodPx` apart. */
export function syntheticLandmarks(centreX: number, centreY: number, iodPx: number): Float32Array {
  const folder = dirname(createRequire(import.meta.url).resolve('@mediapipe/face_mesh/package.json'));
  const bytes = readFileSync(join(folder, 'face_mesh_solution_packed_assets.data'));
  const at = (point: number, axis: number): number =>
    bytes.readFloatLE(FIRST_VERTEX + point * VERTEX_BYTES + axis * 5 + 1);
  const scale = iodPx / Math.hypot(at(263, 0) - at(33, 0), at(263, 1) - at(33, 1), at(263, 2) - at(33, 2));
  const points = new Float32Array(LANDMARK_COUNT * 3);
  for (let i = 0; i < LANDMARK_COUNT; i += 1) {
    points[i * 3] = centreX + at(i, 0) * scale;
    points[i * 3 + 1] = centreY - at(i, 1) * scale;
    points[i * 3 + 2] = -at(i, 2) * scale;
  }
  // The canonical face has its lips a little apart.
  for (let column = 1; column < 10; column += 1) {
    const upper = INNER_LIP_UPPER[column]! * 3;
    const lower = INNER_LIP_LOWER[column]! * 3;
    for (let axis = 0; axis < 3; axis += 1) {
      points[upper + axis] = points[lower + axis] = (points[upper + axis]! + points[lower + axis]!) / 2;
    }
  }
  return points;
}

/** The same face with its mouth open by `openIod` inter-ocular distances. */
export function openedLandmarks(
  points: Float32Array,
  basis: MouthBasis,
  openIod: number,
  iodPx: number,
): Float32Array {
  return points.map((value, i) => value + basis.open[i]! * openIod * iodPx);
}

/** The basis that the project ships; read relative to the working directory, as all tests run from the root. */
export function shippedBasis(): MouthBasis {
  return parseMouthBasis(JSON.parse(readFileSync(join(process.cwd(), 'models/cpu/basis.json'), 'utf8')));
}

/** An I420 picture of skin colour with a fine pattern, so that every moved pixel shows. */
export function patternedPicture(widthPx: number, heightPx: number): Uint8Array {
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y += 1) {
    for (let x = 0; x < widthPx; x += 1) {
      const wave = 14 * Math.sin(x / 3.1) * Math.cos(y / 2.7);
      rgb.set([205 + wave, 165 + wave, 145 + wave], (y * widthPx + x) * 3);
    }
  }
  const data = new Uint8Array(i420SizeBytes(widthPx, heightPx));
  rgbToI420(rgb, widthPx, heightPx, data);
  return data;
}

/** A smooth head before lively wallpaper, told apart by its colour. */
export function headBeforeWallpaper(
  landmarks: Float32Array,
  widthPx: number,
  heightPx: number,
): { picture: Uint8Array; isHead: (x: number, y: number) => boolean } {
  const xs = FACE_OVAL.map((point) => landmarks[point * 3]!);
  const ys = FACE_OVAL.map((point) => landmarks[point * 3 + 1]!);
  const [middleX, middleY] = [
    (Math.min(...xs) + Math.max(...xs)) / 2,
    (Math.min(...ys) + Math.max(...ys)) / 2,
  ];
  const [radiusX, radiusY] = [
    1.2 * ((Math.max(...xs) - Math.min(...xs)) / 2),
    1.5 * ((Math.max(...ys) - Math.min(...ys)) / 2),
  ];
  const isHead = (x: number, y: number): boolean =>
    Math.hypot((x - middleX) / radiusX, (y - middleY) / radiusY) < 1 ||
    (y > middleY && Math.abs(x - middleX) < 0.5 * radiusX + Math.max(0, y - middleY - 1.1 * radiusY));
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y += 1) {
    for (let x = 0; x < widthPx; x += 1) {
      const wave = 14 * Math.sin(x / 4.1) * Math.cos(y / 3.7);
      const stripe = Math.floor(x / 24) % 2 === 0 ? 25 : 0;
      rgb.set(
        isHead(x, y) ? [205 + wave, 150 + wave, 120 + wave] : [40 + stripe, 70 + stripe, 130 + stripe + wave],
        (y * widthPx + x) * 3,
      );
    }
  }
  const picture = new Uint8Array(i420SizeBytes(widthPx, heightPx));
  rgbToI420(rgb, widthPx, heightPx, picture);
  return { picture, isHead };
}

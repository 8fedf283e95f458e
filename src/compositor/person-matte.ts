import { CHIN } from '../media/face-topology.js';
import type { FacePhoto } from './face-photo.js';
import { HeadShape } from './head-shape.js';
import { BEHIND, Colours, HEAD as PERSON, shrink, sides, smooth, type Small } from './picture-sides.js';

/** The outline is looked for at about this many pixels between the eyes, or the photo's own if there are fewer. */
const WORKING_IOD_PX = 45;
/** Thinner things than twice this belong to what is on both their sides (iod). */
const THIN_IOD = 0.04;
/** So far below the chin, and so far beside its middle, there is the chest; further down it is wider (iod). */
const CHEST_BELOW_IOD = 0.5;
const CHEST_SIDE_IOD = 0.5;
const CHEST_WIDENS = 0.35;
/** The picture's edge is background down to so far below the chin; the farther beside, the lower shoulders are (iod). */
const EDGE_BELOW_IOD = -0.1;
const EDGE_FROM_SIDE_IOD = 1.8;
const EDGE_FALLS = 0.4;
/** Share of the picture's sides that counts as its edge. */
const EDGE = 0.02;
/** A face takes so much of its outline beyond doubt, and its hair most likely so much above. */
const SURELY = { up: 1.05, side: 1 };
const LIKELY = { up: 1.35, side: 1.1 };

/**
 * Tells the person of a photo, shoulders and all, from what is behind: 255 person, 0 background, I420 planes of the photo's
 * size. By colours and their jumps: a plain background is found well, a lively one in part.
 * The landmarks must be a face's (HeadFrame).
 */
export function findPerson(face: FacePhoto): Uint8Array {
  const { photo, widthPx, heightPx } = face;
  const shape = new HeadShape(face);
  const scale = Math.max(1, Math.floor(shape.iodPx / WORKING_IOD_PX));
  const small = shrink(photo, widthPx, heightPx, { x: 0, y: 0, widthPx, heightPx }, scale);
  const colours = new Colours(small.yuv);
  colours.learn(sides(small, seedsOf(face, shape, LIKELY), colours));
  const person = sides(small, seedsOf(face, shape, SURELY), colours);
  return enlarge(smooth(person, small, Math.round((THIN_IOD * shape.iodPx) / scale)), small, face);
}

function seedsOf(
  { widthPx, heightPx, landmarks }: FacePhoto,
  shape: HeadShape,
  face: { up: number; side: number },
): (x: number, y: number) => number {
  const { iodPx } = shape;
  const chinX = landmarks[CHIN * 3]!;
  const chinY = landmarks[CHIN * 3 + 1]!;
  const [edgeX, edgeY] = [EDGE * widthPx, EDGE * heightPx];
  return (x, y) => {
    const { away, up, still } = shape.look(x, y);
    if (away < (up > 0 ? face.side + (face.up - face.side) * up * up : 1)) return PERSON;
    const below = (y - chinY) / iodPx - CHEST_BELOW_IOD;
    const beside = Math.abs(x - chinX) / iodPx;
    if (below > 0 && beside < CHEST_SIDE_IOD + CHEST_WIDENS * below) return PERSON;
    const edgeBelow = EDGE_BELOW_IOD + EDGE_FALLS * Math.max(0, beside - EDGE_FROM_SIDE_IOD);
    if (away < still || below + CHEST_BELOW_IOD > edgeBelow) return 0;
    const atEdge = y < edgeY || x < edgeX || x > widthPx - edgeX;
    return atEdge || away > 1.6 * still ? BEHIND : 0;
  };
}

/** The small mask as alpha planes of the photo's size, with a soft edge, up to the picture's own edges. */
function enlarge(mask: Uint8Array, { width, height, scale }: Small, photo: FacePhoto): Uint8Array {
  const at = (x: number, y: number): number =>
    mask[Math.min(height - 1, Math.max(0, y)) * width + Math.min(width - 1, Math.max(0, x))]!;
  const soft = new Float32Array(width * height);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) {
      let sum = 0;
      for (let j = -1; j <= 1; j += 1) sum += at(x - 1, y + j) + at(x, y + j) + at(x + 1, y + j);
      soft[y * width + x] = (sum * 255) / 9;
    }
  const alpha = new Uint8Array((photo.widthPx * photo.heightPx * 3) / 2);
  let out = 0;
  for (const halvings of [0, 1, 1]) {
    const pixel = scale / (1 << halvings);
    for (let y = 0; y < photo.heightPx >> halvings; y += 1) {
      const sy = Math.min(height - 1, Math.max(0, (y + 0.5) / pixel - 0.5));
      const row = Math.floor(sy) * width;
      const below = Math.min(height - 1, Math.floor(sy) + 1) * width;
      const fy = sy - Math.floor(sy);
      for (let x = 0; x < photo.widthPx >> halvings; x += 1) {
        const sx = Math.min(width - 1, Math.max(0, (x + 0.5) / pixel - 0.5));
        const left = Math.floor(sx);
        const right = Math.min(width - 1, left + 1);
        const fx = sx - left;
        const upper = soft[row + left]! + (soft[row + right]! - soft[row + left]!) * fx;
        const lower = soft[below + left]! + (soft[below + right]! - soft[below + left]!) * fx;
        alpha[out++] = Math.round(upper + (lower - upper) * fy);
      }
    }
  }
  return alpha;
}

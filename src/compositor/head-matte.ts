import type { Rect } from '../media/yuv.js';
import type { HeadShape } from './head-shape.js';
import { BEHIND, Colours, HEAD, shrink, sides, smooth, spread } from './picture-sides.js';
import { fillHoles } from './push-pull.js';

/** What is head and what is behind it, of one photo. Both arrays are I420 planes of the photo's size. */
export interface HeadMatte {
  /** 255 head, 0 background, for every luma and chroma sample. */
  readonly alpha: Uint8Array;
  /** The photo without the head: its own samples where alpha is 0, the background continued elsewhere. */
  readonly plate: Uint8Array;
}

/** The outline is looked for at about this many pixels between the eyes, or the photo's own if there are fewer. */
const WORKING_IOD_PX = 70;
/** Background is known to lie only above this direction (1 up, -1 down): further down there are shoulders. */
const NOT_SHOULDERS = -0.4;
/** Thinner things than twice this belong to what is on both their sides (iod). */
const THIN_IOD = 0.03;
/** Most likely head, as multiples of the face's outline: ears beside it, hair or a hat above it. */
const LIKELY: Seed = { up: 1.35, side: 1.1, down: 1 };
/** Head beyond doubt: the face. */
const SURELY: Seed = { up: 1.05, side: 1, down: 1 };

/**
 * Tells the head of a photo from its background. From the head's middle and from far outside, ways through the
 * picture are laid that avoid jumps in colour; a place belongs to the side from which it is reached at less cost.
 */
export function findHead(
  picture: Uint8Array,
  widthPx: number,
  heightPx: number,
  shape: HeadShape,
): HeadMatte {
  const scale = Math.max(1, Math.floor(shape.iodPx / WORKING_IOD_PX));
  const small = shrink(picture, widthPx, heightPx, shape.area, scale);
  // The first look goes by jumps only; the second knows which colours are the head's and which the background's.
  const colours = new Colours(small.yuv);
  colours.learn(sides(small, seedsOf(shape, LIKELY), colours));
  const head = sides(small, seedsOf(shape, SURELY), colours);
  const alpha = spread(
    smooth(head, small, Math.round((THIN_IOD * shape.iodPx) / scale)),
    small,
    widthPx,
    heightPx,
  );
  return { alpha, plate: plateOf(picture, alpha, widthPx, heightPx, shape.area) };
}

interface Seed {
  up: number;
  side: number;
  down: number;
}

function seedsOf(shape: HeadShape, seed: Seed): (x: number, y: number) => number {
  return (x, y) => {
    const place = shape.look(x, y);
    const vertical = place.up > 0 ? seed.up : seed.down;
    if (place.away < seed.side + (vertical - seed.side) * place.up * place.up) return HEAD;
    return place.away >= place.still && place.up > NOT_SHOULDERS ? BEHIND : 0;
  };
}

/** A photo without its head: what is behind it continued where `alpha` (HeadMatte) is not 0, all of which lies in `area`. */
export function plateOf(
  picture: Uint8Array,
  alpha: Uint8Array,
  widthPx: number,
  heightPx: number,
  area: Readonly<Rect>,
): Uint8Array {
  const plate = picture.slice();
  let offset = 0;
  for (const halvings of [0, 1, 1]) {
    const planeWidth = widthPx >> halvings;
    fillHoles(plate, alpha, offset, planeWidth, {
      x: area.x >> halvings,
      y: area.y >> halvings,
      widthPx: area.widthPx >> halvings,
      heightPx: area.heightPx >> halvings,
    });
    offset += planeWidth * (heightPx >> halvings);
  }
  return plate;
}

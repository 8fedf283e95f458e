/** The lid edges of both eyes, outer to inner corner without the corners, upper and lower paired. */
const UPPER_LIDS = [
  [246, 161, 160, 159, 158, 157, 173],
  [466, 388, 387, 386, 385, 384, 398],
];
const LOWER_LIDS = [
  [7, 163, 144, 145, 153, 154, 155],
  [249, 390, 373, 374, 380, 381, 382],
];
/** Skin above the upper lid, in rings outwards, one point a column, and how far each ring follows the lid. */
const ABOVE = [
  [[247, 30, 29, 27, 28, 56, 190], [467, 260, 259, 257, 258, 286, 414]],
  [[113, 225, 224, 223, 222, 221, 189], [342, 445, 444, 443, 442, 441, 413]],
];
const ABOVE_FOLLOWS = [0.55, 0.15];
/** The upper lid goes past the lower edge's points, which lie a little above the real edge, or white would remain. */
const PAST_LOWER_EDGE = 0.22;

/**
 * Shuts the eyes by `amount` (0..1) in place: the upper lids come down, the lower ones and the eyeballs stay.
 * `xy` are vertices, x, y interleaved.
 */
export function closeEyelids(xy: Float32Array, amount: number): void {
  for (let eye = 0; eye < 2; eye += 1) {
    for (let column = 0; column < 7; column += 1) {
      const upper = UPPER_LIDS[eye]![column]! * 2;
      const lower = LOWER_LIDS[eye]![column]! * 2;
      const share = amount * (1 + PAST_LOWER_EDGE);
      const dx = (xy[lower]! - xy[upper]!) * share;
      const dy = (xy[lower + 1]! - xy[upper + 1]!) * share;
      move(xy, upper, dx, dy);
      for (let ring = 0; ring < ABOVE.length; ring += 1) {
        const point = ABOVE[ring]![eye]![column]! * 2;
        move(xy, point, dx * ABOVE_FOLLOWS[ring]!, dy * ABOVE_FOLLOWS[ring]!);
      }
    }
  }
}

function move(xy: Float32Array, at: number, dx: number, dy: number): void {
  xy[at] = xy[at]! + dx;
  xy[at + 1] = xy[at + 1]! + dy;
}

import type { RgbPatch } from './raster.js';

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
  [
    [247, 30, 29, 27, 28, 56, 190],
    [467, 260, 259, 257, 258, 286, 414],
  ],
  [
    [113, 225, 224, 223, 222, 221, 189],
    [342, 445, 444, 443, 442, 441, 413],
  ],
];
const ABOVE_FOLLOWS = [0.55, 0.15];
/** The upper lid goes past the lower edge's points, which lie a little above the real edge, or white would remain. */
const PAST_LOWER_EDGE = 0.22;

/** How far towards the skin above the lid's texture is taken from: the mesh's lid points often lie on the eye itself. */
const TEXTURE_UP = 0.45;

/**
 * Shuts the eyes by `amount` (0..1) in place: the upper lids come down, the lower ones and the eyeballs stay.
 * `from` and `to` are vertices, x, y interleaved, in the picture and as they shall be.
 */
export function closeEyelids(from: Float32Array, to: Float32Array, amount: number): void {
  const textureUp = TEXTURE_UP * Math.min(1, 2 * amount);
  for (let eye = 0; eye < 2; eye += 1) {
    for (let column = 0; column < 7; column += 1) {
      const upper = UPPER_LIDS[eye]![column]! * 2;
      const lower = LOWER_LIDS[eye]![column]! * 2;
      const share = amount * (1 + PAST_LOWER_EDGE);
      const dx = (to[lower]! - to[upper]!) * share;
      const dy = (to[lower + 1]! - to[upper + 1]!) * share;
      const skin = ABOVE[0]![eye]![column]! * 2;
      move(
        from,
        upper,
        (from[skin]! - from[upper]!) * textureUp,
        (from[skin + 1]! - from[upper + 1]!) * textureUp,
      );
      move(to, upper, dx, dy);
      for (let ring = 0; ring < ABOVE.length; ring += 1) {
        const point = ABOVE[ring]![eye]![column]! * 2;
        move(to, point, dx * ABOVE_FOLLOWS[ring]!, dy * ABOVE_FOLLOWS[ring]!);
      }
    }
  }
}

const LID_LINES = [
  [33, ...UPPER_LIDS[0]!, 133],
  [263, ...UPPER_LIDS[1]!, 362],
];
const LASH_DARKNESS = 0.55;

/** Draws the lashes along lids that came down by `amount`, which also softens the edge of the moved skin. */
export function drawLashes(
  patch: RgbPatch,
  to: Float32Array,
  offsetX: number,
  offsetY: number,
  amount: number,
  iodPx: number,
): void {
  const radius = Math.max(1.1, 0.012 * iodPx);
  const darkness = LASH_DARKNESS * Math.min(1, 2 * amount);
  for (const line of LID_LINES) {
    for (let i = 0; i < line.length - 1; i += 1) {
      const ax = to[line[i]! * 2]! - offsetX;
      const ay = to[line[i]! * 2 + 1]! - offsetY;
      const bx = to[line[i + 1]! * 2]! - offsetX;
      const by = to[line[i + 1]! * 2 + 1]! - offsetY;
      // Every pixel column belongs to one segment only, so that no spot is darkened twice.
      const firstX = Math.max(0, Math.ceil(Math.min(ax, bx) - 0.5));
      const endX = Math.min(patch.widthPx, Math.ceil(Math.max(ax, bx) - 0.5));
      // Thinner towards the corners.
      const taper = i === 0 || i === line.length - 2 ? 0.6 : 1;
      for (let x = firstX; x < endX; x += 1) {
        const middle = ay + ((by - ay) * (x + 0.5 - ax)) / (bx - ax);
        const firstY = Math.max(1, Math.floor(middle - radius));
        const lastY = Math.min(patch.heightPx - 2, Math.ceil(middle + radius));
        for (let y = firstY; y <= lastY; y += 1) {
          const away = Math.abs(y + 0.5 - middle) / radius;
          if (away >= 1) continue;
          const keep = 1 - darkness * taper * (1 - away * away);
          const at = (y * patch.widthPx + x) * 3;
          const row = patch.widthPx * 3;
          for (let channel = at; channel < at + 3; channel += 1) {
            const around =
              (patch.data[channel - row]! + 2 * patch.data[channel]! + patch.data[channel + row]!) / 4;
            patch.data[channel] = around * keep;
          }
        }
      }
    }
  }
}

function move(xy: Float32Array, at: number, dx: number, dy: number): void {
  xy[at] = xy[at]! + dx;
  xy[at + 1] = xy[at + 1]! + dy;
}

import type { EyeLook } from './eye-look.js';
import { smoothstep } from './smooth.js';

/** Over so much of the skin the lid's upper end and the eye's lower rim fade in. */
const SOFT_IOD = 0.022;
/** Half the thickness of the line of lashes on a shut eye. */
const LINE_IOD = 0.011;
/** A shut lid is a little brighter in its middle, where it bulges, and darker towards the lashes. */
const BULGE = 0.05;
const SHADE = 0.12;

/**
 * Shuts the eyes of a photo: a lid of the skin's own colours and texture comes down over the eye, lashes at its edge.
 * `draw` may be called for any picture that shows the photo's eyes where they were.
 */
export class Eyelids {
  #widthPx: number;
  #heightPx: number;
  #eyes: readonly EyeLook[];

  /** @param options.eyes of a photo of this size */
  constructor(options: { widthPx: number; heightPx: number; eyes: readonly EyeLook[] }) {
    this.#widthPx = options.widthPx;
    this.#heightPx = options.heightPx;
    this.#eyes = options.eyes;
  }

  /** Shuts the eyes by `amount` (0 as in the photo, 1 shut) in place. */
  draw(picture: Uint8Array, amount: number): void {
    if (amount <= 0) return;
    for (const eye of this.#eyes) drawLid(eye, picture, this.#widthPx, this.#heightPx, Math.min(1, amount));
  }
}

function drawLid(eye: EyeLook, picture: Uint8Array, widthPx: number, heightPx: number, amount: number): void {
  const columns = eye.upper.length;
  const middle = columns >> 1;
  const margin = 0.1 * eye.iodPx;
  const centreX = eye.originX + (eye.acrossX * eye.length) / 2;
  const centreY = eye.originY + (eye.acrossY * eye.length) / 2;
  const reachX = eye.length / 2 + 2;
  const reachY =
    Math.max(eye.bottom[middle]!, -eye.top[middle]!) + eye.length * Math.abs(eye.acrossY) + margin;
  const plane = widthPx * heightPx;
  let offset = 0;
  for (const halvings of [0, 1, 1]) {
    const width = widthPx >> halvings;
    const height = heightPx >> halvings;
    const size = 1 << halvings;
    const which = offset === 0 ? 0 : offset === plane ? 1 : 2;
    const lastY = Math.min(height - 1, Math.ceil((centreY + reachY) / size));
    const lastX = Math.min(width - 1, Math.ceil((centreX + reachX) / size));
    for (let y = Math.max(0, Math.floor((centreY - reachY) / size)); y <= lastY; y += 1) {
      for (let x = Math.max(0, Math.floor((centreX - reachX) / size)); x <= lastX; x += 1) {
        const dx = (x + 0.5) * size - eye.originX;
        const dy = (y + 0.5) * size - eye.originY;
        const u = dx * eye.acrossX + dy * eye.acrossY;
        const k = Math.round(u);
        if (k < 0 || k >= columns) continue;
        const v = dy * eye.acrossX - dx * eye.acrossY;
        if (v < eye.top[k]! - SOFT_IOD * eye.iodPx || v > eye.bottom[k]! + 1) continue;
        const at = offset + y * width + x;
        picture[at] = shade(eye, picture[at]!, which, k, u, v, amount);
      }
    }
    offset += width * height;
  }
}

/** What a sample of a plane (0 Y, 1 U, 2 V) at (u, v) becomes, at a lid that is shut by `amount`. */
function shade(
  eye: EyeLook,
  own: number,
  which: number,
  k: number,
  u: number,
  v: number,
  amount: number,
): number {
  const top = eye.top[k]!;
  const bottom = eye.bottom[k]!;
  const upper = eye.upper[k]!;
  const edge = upper + (eye.lower[k]! - upper) * amount;
  const soft = SOFT_IOD * eye.iodPx;
  // The place of the lashes is skin as soon as they have left it; the eye's lower rim goes last.
  const gone = smoothstep(0, 0.2, amount);
  const lid = smoothstep(0.75, -0.75, v - edge) * (gone + (1 - gone) * smoothstep(upper - 1, upper, v));
  const rim = smoothstep(0.7, 1, amount) * smoothstep(-0.75, 0.75, v - edge);
  const corners = smoothstep(-0.5, 0.06 * eye.length, Math.min(u, eye.length - u));
  const cover =
    (lid + rim) * corners * smoothstep(top - soft, top, v) * smoothstep(bottom + 0.5, bottom - soft, v);
  // The skin above lies in the brow's shadow, often with a tint of it: the lid is lit and coloured more like below.
  const down = Math.min(1, Math.max(0, (v - top) / Math.max(1, bottom - top)));
  const like = which === 0 ? Math.sqrt(down) : 0.4 + 0.6 * down;
  let skin = eye.skinAbove[which]![k]! * (1 - like) + eye.skinBelow[which]![k]! * like;
  const line = LINE_IOD * eye.iodPx * (0.45 + 0.55 * Math.sin((Math.PI * u) / eye.length));
  // Lashes hang down a little: the line is softer below.
  const off = (v - edge) / Math.max(0.8, v > edge ? 1.5 * line : line);
  const lash = eye.lashes * gone * corners * Math.exp(-off * off);
  if (which === 0) {
    const q = Math.min(1, Math.max(0, (v - top) / Math.max(1, edge - top)));
    const onLid = v < edge ? 1 : 0;
    const light = 1 + onLid * (BULGE * Math.sin(Math.PI * q) - SHADE * smoothstep(0.55, 1, q));
    const row = Math.max(0, Math.floor(v - top)) % Math.max(1, eye.grain.length / eye.upper.length);
    skin = 16 + (skin - 16) * light + eye.grain[row * eye.upper.length + k]!;
    const drawn = own + (skin - own) * cover;
    return Math.round(16 + (drawn - 16) * (1 - lash));
  }
  const drawn = own + (skin - own) * cover;
  return Math.round(128 + (drawn - 128) * (1 - 0.5 * lash));
}

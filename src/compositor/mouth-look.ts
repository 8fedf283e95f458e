import { smoothstep } from './smooth.js';

/** Points on the cheeks and the nose's bridge, where skin is lit and bare in most pictures. */
const SKIN_POINTS = [50, 205, 36, 280, 425, 266, 195, 5];
/** The first three lie on the left cheek, the next three on the right one. */
const CHEEK_POINTS = 3;
const CHEEKS_APART_IOD = 0.9;
const MAX_SLANT = 0.8;
/** Red, green and blue of a tooth in white light, each over its brightness. */
const TOOTH = [1.03, 0.98, 0.86] as const;
const CAST_SHARE = 0.65;
/** Red, green and blue of skin in white light, each over its brightness. */
const ORDINARY_SKIN = [1.2, 0.95, 0.82] as const;
/** Neighbouring pictures share their look, so that noise in one does not make the teeth flicker. */
const FOLLOW = 0.08;
/** Teeth in a picture lie in the lips' shadow already, that much on average. */
const SEEN_SHADE = 0.8;

/**
 * Colours of the mouth's inside, fitted to the light of the picture: teeth follow the skin's brightness and, partly,
 * its tint. Where the picture shows real teeth, their colour is taken instead. All values are 0..255 RGB.
 */
export class MouthLook {
  readonly tooth = new Float32Array(3);
  /** Brightness of the light on the face, 1 on a well lit one. */
  light = 1;
  /** How much brighter the right side is than the left, as a share an iod. */
  slant = 0;
  /** What the light's colour does to red, green and blue, about 1. */
  readonly cast = new Float32Array(3).fill(1);
  #skin = new Float32Array(3);
  #real = new Float32Array(3);
  /** 0: teeth are invented; 1: their colour has been seen. */
  #seen = 0;
  /** Share of the picture's mouth hole that is teeth. */
  #share = 0;
  #fresh = true;

  /** Looks at the skin of an I420 picture; `points` are its landmarks. */
  lookAtSkin(picture: Uint8Array, widthPx: number, heightPx: number, points: Float32Array): void {
    const uPlane = widthPx * heightPx;
    const vPlane = uPlane + (uPlane >> 2);
    let red = 0;
    let green = 0;
    let blue = 0;
    let count = 0;
    let slant = 0;
    for (let i = 0; i < SKIN_POINTS.length; i += 1) {
      const point = SKIN_POINTS[i]!;
      const x = Math.round(points[point * 3]!);
      const y = Math.round(points[point * 3 + 1]!);
      if (x < 0 || y < 0 || x >= widthPx || y >= heightPx) continue;
      const chroma = (y >> 1) * (widthPx >> 1) + (x >> 1);
      const light = 1.164 * (picture[y * widthPx + x]! - 16);
      const u = picture[uPlane + chroma]! - 128;
      const v = picture[vPlane + chroma]! - 128;
      red += light + 1.596 * v;
      green += light - 0.392 * u - 0.813 * v;
      blue += light + 2.017 * u;
      count += 1;
      if (i < 2 * CHEEK_POINTS) slant += i < CHEEK_POINTS ? -light : light;
    }
    if (count === 0) return;
    const speed = this.#fresh ? 1 : FOLLOW;
    follow(this.#skin, speed, red / count, green / count, blue / count);
    const brightness = Math.max(20, luma(red, green, blue) / count);
    const wanted = count < SKIN_POINTS.length ? 0 : slant / CHEEK_POINTS / CHEEKS_APART_IOD / brightness;
    this.slant += (Math.min(MAX_SLANT, Math.max(-MAX_SLANT, wanted)) - this.slant) * speed;
    this.#fresh = false;
    this.#update();
  }

  /** Brightness (0..255) from which a pixel inside the picture's own mouth counts as tooth. */
  get toothThreshold(): number {
    return 0.62 * Math.max(90, luma(this.#skin[0]!, this.#skin[1]!, this.#skin[2]!));
  }

  /**
   * How far the picture's own teeth are worth keeping, 0..1: a smile that shows a whole row yes, a glimpse of some
   * no, because a few real teeth among invented ones look like damage.
   */
  get keepTeeth(): number {
    return smoothstep(0.3, 0.55, this.#share);
  }

  /** Reports the tooth-like pixels of the picture's open mouth: mean colour, number, and number of all pixels there. */
  lookAtTeeth(red: number, green: number, blue: number, count: number, ofPixels: number): void {
    const speed = this.#seen === 0 ? 1 : FOLLOW;
    this.#share += (count / ofPixels - this.#share) * speed;
    if (count >= 12) {
      follow(this.#real, speed, red, green, blue);
      this.#seen += (1 - this.#seen) * speed;
    }
    this.#update();
  }

  #update(): void {
    const [red, green, blue] = [this.#skin[0]!, this.#skin[1]!, this.#skin[2]!];
    const bright = Math.max(20, luma(red, green, blue));
    // Teeth are white on light and dark skin alike, so less of their brightness comes from the skin's.
    const white = Math.min(225, 0.55 * bright + 100, 2 * bright);
    this.light = white / 205;
    // What was taken for teeth may have been a lip's gloss, so their brightness is not believed beyond reason.
    const seenLuma = Math.max(1, luma(this.#real[0]!, this.#real[1]!, this.#real[2]!) / SEEN_SHADE);
    const trust = Math.min(1.1 * white, Math.max(0.7 * white, seenLuma)) / seenLuma / SEEN_SHADE;
    const skin = [red, green, blue];
    for (let i = 0; i < 3; i += 1) {
      // The light's colour is what sets this skin apart from ordinary skin.
      this.cast[i] = 1 + CAST_SHARE * (skin[i]! / bright / ORDINARY_SKIN[i]! - 1);
      const invented = white * TOOTH[i]! * this.cast[i]!;
      this.tooth[i] = Math.min(240, invented * (1 - this.#seen) + this.#real[i]! * trust * this.#seen);
    }
  }
}

export function luma(red: number, green: number, blue: number): number {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

function follow(target: Float32Array, share: number, red: number, green: number, blue: number): void {
  target[0] = target[0]! + (red - target[0]!) * share;
  target[1] = target[1]! + (green - target[1]!) * share;
  target[2] = target[2]! + (blue - target[2]!) * share;
}

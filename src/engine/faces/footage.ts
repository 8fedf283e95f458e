import { FaceRenderer } from '../../compositor/face-renderer.js';
import type { MouthBasis } from '../../compositor/mouth-basis.js';
import { fitMouth } from '../../compositor/mouth-fit.js';
import { SwayWarp } from '../../compositor/sway.js';
import { interOcularPx } from '../../media/face-topology.js';
import { i420SizeBytes, REST_MOUTH } from '../../media/frame.js';
import { idleIndex } from '../../media/idle-index.js';
import { StillMotion, seedOf } from '../cpu/still-motion.js';
import type { AvatarSource } from '../engine.js';

/** Which picture of an avatar's footage stands at step `step` of its loop, in pictures of `fps` a second. */
export function footageIndex(
  avatar: Pick<AvatarSource, 'fps' | 'frameCount'>,
  fps: number,
  step: number,
): number {
  // Footage runs at its own speed whatever the session's frame rate is.
  return idleIndex(Math.floor((step * avatar.fps) / fps + 1e-6), avatar.frameCount);
}

/** An avatar's own pictures along the idle loop; a photo is given blinks and a slow sway. One instance a stream. */
export class Footage {
  readonly still: boolean;
  readonly #avatar: AvatarSource;
  readonly #fps: number;
  readonly #life: { motion: StillMotion; sway: SwayWarp; blinks: FaceRenderer } | undefined;
  readonly #base: Uint8Array;
  readonly #drawn: Uint8Array;

  constructor(avatar: AvatarSource, basis: MouthBasis, fps: number) {
    this.#avatar = avatar;
    this.#fps = fps;
    this.still = avatar.still;
    const { widthPx, heightPx } = avatar;
    this.#base = new Uint8Array(avatar.still ? i420SizeBytes(widthPx, heightPx) : 0);
    this.#drawn = new Uint8Array(this.#base.length);
    if (!avatar.still) return;
    const landmarks = avatar.landmarks(0);
    avatar.readFrame(0, this.#base);
    this.#life = {
      motion: new StillMotion({ seed: seedOf(avatar.id), iodPx: interOcularPx(landmarks) }),
      sway: new SwayWarp({ widthPx, heightPx, landmarks }),
      blinks: new FaceRenderer({ basis, fit: fitMouth(avatar), widthPx, heightPx }),
    };
  }

  indexAt(step: number): number {
    return footageIndex(this.#avatar, this.#fps, step);
  }

  /** Draws picture `index` into `target` (I420), lets `paint` change it, and then moves a photo's head. */
  draw(target: Uint8Array, index: number, timeMs: number, paint: (picture: Uint8Array) => void): void {
    const life = this.#life;
    if (life === undefined) {
      this.#avatar.readFrame(index, target);
      paint(target);
      return;
    }
    this.#drawn.set(this.#base);
    const blink = life.motion.blink(timeMs);
    if (blink > 0)
      life.blinks.render(this.#drawn, this.#avatar.landmarks(0), { mouth: REST_MOUTH, speaking: 0, blink });
    paint(this.#drawn);
    life.sway.apply(this.#drawn, target, life.motion.sway(timeMs));
  }
}

import { idleIndex } from '../../media/idle-index.js';
import type { LivingStill } from '../still/living-still.js';
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

/** An avatar's own pictures along the idle loop; a photo is given blinks and small turns of the head. One instance a stream. */
export class Footage {
  readonly still: boolean;
  readonly #avatar: AvatarSource;
  readonly #fps: number;
  readonly #life: LivingStill | undefined;
  readonly #loopFrom: number;
  /** A photo's life does not run backwards, though pictures may be drawn again. */
  #lifeMs = 0;

  /**
   * @param life brings the avatar to life if it is a photo; undefined for footage
   * @param loopFrom the loop's step that is step 0 here
   */
  constructor(avatar: AvatarSource, fps: number, life: LivingStill | undefined, loopFrom = 0) {
    this.#avatar = avatar;
    this.#loopFrom = loopFrom;
    this.#fps = fps;
    this.still = avatar.still;
    this.#life = life;
  }

  indexAt(step: number): number {
    return footageIndex(this.#avatar, this.#fps, this.#loopFrom + step);
  }

  /** Draws picture `index` into `target` (I420), lets `paint` change it, and then moves a photo's head. */
  draw(target: Uint8Array, index: number, timeMs: number, paint: (picture: Uint8Array) => void): void {
    if (this.#life !== undefined) {
      this.#lifeMs = Math.max(this.#lifeMs, timeMs);
      this.#life.draw(target, this.#lifeMs, paint);
      return;
    }
    this.#avatar.readFrame(index, target);
    paint(target);
  }
}

import { Eyelids } from '../../compositor/eyelids.js';
import { HeadFrame } from '../../compositor/head-frame.js';
import { HeadTurnWarp } from '../../compositor/head-turn.js';
import { interOcularPx } from '../../media/face-topology.js';
import { i420SizeBytes } from '../../media/frame.js';
import type { AvatarSource } from '../engine.js';
import { seedOf } from './seeded-random.js';
import { StillMotion } from './still-motion.js';

/** A photo that lives: it blinks, turns its head and raises its brows. One instance a stream. */
export class LivingStill {
  /** Absent where the landmarks are no face: such a photo stays as it is. */
  readonly #life: { motion: StillMotion; eyelids: Eyelids; warp: HeadTurnWarp } | undefined;
  readonly #photo: Uint8Array;
  readonly #drawn: Uint8Array;

  constructor(avatar: AvatarSource) {
    const { widthPx, heightPx } = avatar;
    const landmarks = avatar.landmarks(0);
    const photo = new Uint8Array(i420SizeBytes(widthPx, heightPx));
    avatar.readFrame(0, photo);
    this.#photo = photo;
    this.#drawn = new Uint8Array(photo.length);
    if (!new HeadFrame().update(landmarks)) return;
    this.#life = {
      motion: new StillMotion({ seed: seedOf(avatar.id), iodPx: interOcularPx(landmarks) }),
      eyelids: new Eyelids({ photo, widthPx, heightPx, landmarks }),
      warp: new HeadTurnWarp({ photo, widthPx, heightPx, landmarks }),
    };
  }

  /**
   * Draws the photo at `timeMs` into `target` (I420). `paint` may change the face before the head turns. `open` and
   * `speaking` (both 0..1) are what the mouth does, where that is known. Time must not run backwards.
   */
  draw(
    target: Uint8Array,
    timeMs: number,
    paint: (picture: Uint8Array) => void,
    voice = { open: 0, speaking: 0 },
  ): void {
    if (this.#life === undefined) {
      target.set(this.#photo);
      paint(target);
      return;
    }
    const { motion, eyelids, warp } = this.#life;
    const { blink, turn } = motion.at(timeMs, voice.open, voice.speaking);
    this.#drawn.set(this.#photo);
    eyelids.draw(this.#drawn, blink);
    paint(this.#drawn);
    warp.apply(this.#drawn, target, turn);
  }
}

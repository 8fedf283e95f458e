import { Eyelids } from '../../compositor/eyelids.js';
import type { FacePhoto } from '../../compositor/face-photo.js';
import { HeadTurnWarp } from '../../compositor/head-turn.js';
import type { Log } from '../../lib/log.js';
import { interOcularPx } from '../../media/face-topology.js';
import type { YuvColour } from '../../media/colour.js';
import type { AvatarSource } from '../engine.js';
import { seedOf } from './seeded-random.js';
import { facePhotoOf, stillMaterialOf } from './still-material.js';
import type { StillMaterial } from './still-material.js';
import { beforeColour } from './still-background.js';
import { StillMotion } from './still-motion.js';
import { openStillMaterial } from './still-store.js';

/** A photo that lives: it blinks, turns its head and raises its brows. One instance a stream. */
export class LivingStill {
  /** Absent where the landmarks are no face: such a photo stays as it is. */
  readonly #life: { motion: StillMotion; eyelids: Eyelids; warp: HeadTurnWarp } | undefined;
  readonly #photo: Uint8Array;
  readonly #drawn: Uint8Array;

  private constructor(avatarId: string, face: FacePhoto, material: StillMaterial | undefined) {
    const { photo, widthPx, heightPx, landmarks } = face;
    this.#photo = photo;
    this.#drawn = new Uint8Array(photo.length);
    if (material === undefined) return;
    const { head, eyes } = material;
    this.#life = {
      motion: new StillMotion({ seed: seedOf(avatarId), iodPx: interOcularPx(landmarks) }),
      eyelids: new Eyelids({ widthPx, heightPx, eyes }),
      warp: new HeadTurnWarp({ widthPx, heightPx, head }),
    };
  }

  /**
   * With what was prepared of the photo. An older avatar's is made, which blocks for a while, and kept.
   * @param background instead of the photo's own; without effect where the landmarks are no face
   */
  static async open(avatar: AvatarSource, log: Log, background?: YuvColour): Promise<LivingStill> {
    const own = facePhotoOf(avatar);
    const found = await openStillMaterial(avatar, own, log);
    if (found === undefined || background === undefined) return new LivingStill(avatar.id, own, found);
    const { face, material } = beforeColour(own, found, background);
    return new LivingStill(avatar.id, face, material);
  }

  /** With all of it made on the spot. */
  static unprepared(avatar: AvatarSource): LivingStill {
    const face = facePhotoOf(avatar);
    return new LivingStill(avatar.id, face, stillMaterialOf(face));
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

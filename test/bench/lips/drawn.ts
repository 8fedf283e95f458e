import type { MouthBasis } from '../../../src/compositor/mouth-basis.js';
import type { StoredAvatar } from '../../../src/avatar/store.js';
import { CpuEngineStream } from '../../../src/engine/cpu/cpu-stream.js';
import { LivingStill } from '../../../src/engine/still/living-still.js';
import { cropSquare, type SquareRoi } from '../../../src/face/image-crop.js';
import { interOcularPx } from '../../../src/media/face-topology.js';
import { i420SizeBytes, type Landmarks, type MouthShape, type RgbImage } from '../../../src/media/frame.js';
import { idleIndex } from '../../../src/media/idle-index.js';
import { i420ToRgb } from '../../../src/media/yuv.js';
import type { FaceTracker } from '../../../src/face/tracker.js';
import type { BaseMeshTracker } from './base-mesh.js';

/** What the second tracker, the product's tracker and a look at the mouth's pixels say of a film that was drawn. */
export interface Seen {
  readonly landmarks: (Landmarks | undefined)[];
  /** What the product's own tracker says. */
  readonly own: (Landmarks | undefined)[];
  /** Luma of the mouth's surroundings, MOUTH_PX x MOUTH_PX, at the same place of the face in every picture. */
  readonly mouths: Float64Array[];
}

export interface Trackers {
  readonly second: BaseMeshTracker;
  readonly own: FaceTracker;
}

export const FPS = 25;
const MOUTH_PX = 64;
const SAMPLES_PER_PICTURE = 16_000 / FPS;

/** The pictures of an avatar that says `shapes` (one each 10 ms), from the product's own stream. One buffer is reused. */
export async function* speak(
  avatar: StoredAvatar,
  basis: MouthBasis,
  shapes: (frame: number) => MouthShape,
  count: number,
): AsyncGenerator<Uint8Array> {
  let heard = 0;
  const ear = {
    lookaheadMs: 0,
    push: (pcm: Float32Array) => {
      const first = heard;
      heard += pcm.length / 160;
      return Promise.resolve(Array.from({ length: pcm.length / 160 }, (_, k) => shapes(first + k)));
    },
    hearAs: () => {},
  };
  const still = avatar.still ? LivingStill.unprepared(avatar) : undefined;
  const stream = new CpuEngineStream({ avatar, still, ear, basis, fps: FPS });
  // The stream hands a picture out a little after its sound.
  const sound = new Float32Array((count + FPS) * SAMPLES_PER_PICTURE);
  let drawn = 0;
  for await (const picture of stream.push(sound)) {
    yield picture.data;
    if (++drawn === count) break;
  }
  await stream.close();
}

/** Looks at `count` pictures of an avatar that says `shapes`. */
export async function drawShapes(
  avatar: StoredAvatar,
  basis: MouthBasis,
  trackers: Trackers,
  shapes: (frame: number) => MouthShape,
  count: number,
): Promise<Seen> {
  const eye = new Eye(avatar, trackers);
  for await (const picture of speak(avatar, basis, shapes, count)) await eye.look(picture);
  return eye.seen;
}

/** The footage as it was prepared, in the order in which the product shows it. */
export async function drawFootage(avatar: StoredAvatar, trackers: Trackers, count: number): Promise<Seen> {
  const eye = new Eye(avatar, trackers);
  const picture = new Uint8Array(i420SizeBytes(avatar.widthPx, avatar.heightPx));
  for (let k = 0; k < count; k += 1) {
    avatar.readFrame(idleIndex(k, avatar.frameCount), picture);
    await eye.look(picture);
  }
  return eye.seen;
}

class Eye {
  readonly seen: Seen = { landmarks: [], own: [], mouths: [] };
  readonly #avatar: StoredAvatar;
  readonly #trackers: Trackers;
  readonly #rgb: RgbImage;
  readonly #crop = new Float32Array(3 * MOUTH_PX * MOUTH_PX);

  constructor(avatar: StoredAvatar, trackers: Trackers) {
    const { widthPx, heightPx } = avatar;
    this.#avatar = avatar;
    this.#trackers = trackers;
    this.#rgb = { widthPx, heightPx, data: new Uint8Array(widthPx * heightPx * 3) };
    trackers.second.reset();
    trackers.own.reset();
  }

  async look(picture: Uint8Array): Promise<void> {
    const { widthPx, heightPx, frameCount } = this.#avatar;
    i420ToRgb(picture, widthPx, heightPx, this.#rgb.data);
    const index = idleIndex(this.seen.landmarks.length, frameCount);
    this.seen.landmarks.push(await this.#trackers.second.track(this.#rgb));
    this.seen.own.push((await this.#trackers.own.track(this.#rgb)).face?.landmarks);
    // The square follows the prepared points, which are the same for all films of an avatar.
    const roi = aroundMouth(this.#avatar.landmarks(index));
    cropSquare(this.#rgb, roi, MOUTH_PX, { low: 0, high: 255, outside: 'edge' }, this.#crop);
    const plane = MOUTH_PX * MOUTH_PX;
    this.seen.mouths.push(
      Float64Array.from(
        { length: plane },
        (_, at) =>
          0.299 * this.#crop[at]! + 0.587 * this.#crop[at + plane]! + 0.114 * this.#crop[at + 2 * plane]!,
      ),
    );
  }
}

function aroundMouth(landmarks: Landmarks): SquareRoi {
  const at = (index: number): [number, number] => [landmarks[3 * index]!, landmarks[3 * index + 1]!];
  const [left, right] = [at(61), at(291)];
  const [eyeLeft, eyeRight] = [at(33), at(263)];
  return {
    centreX: (left[0] + right[0]) / 2,
    centreY: (left[1] + right[1]) / 2,
    sidePx: interOcularPx(landmarks),
    angleRad: Math.atan2(eyeRight[1] - eyeLeft[1], eyeRight[0] - eyeLeft[0]),
  };
}

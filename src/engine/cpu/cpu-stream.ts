import { FaceRenderer } from '../../compositor/face-renderer.js';
import { fitMouth } from '../../compositor/mouth-fit.js';
import type { MouthBasis } from '../../compositor/mouth-basis.js';
import { AppError } from '../../errors.js';
import { i420SizeBytes } from '../../media/frame.js';
import type { I420Frame } from '../../media/frame.js';
import { idleIndex } from '../../media/idle-index.js';
import type { AvatarSource, EngineStream, EngineStreamOptions } from '../engine.js';
import type { LivingStill } from '../still/living-still.js';
import type { MouthStream } from './mouth-model.js';
import { MouthTimeline } from './mouth-timeline.js';

/** Sound is heard in pieces of 40 ms, so that a long push gives its first picture at once and holds few shapes. */
const PIECE_SAMPLES = 640;

/** One avatar that speaks. Owns its buffers, not the avatar, which the caller closes. */
export class CpuEngineStream implements EngineStream {
  readonly lookaheadMs: number;
  #avatar: AvatarSource;
  #fps: number;
  #ear: MouthStream;
  #timeline: MouthTimeline;
  #renderer: FaceRenderer;
  #picture: Uint8Array;
  #next = 0;
  #closed = false;
  #still: LivingStill | undefined;

  /** @param options.still brings the avatar to life if it is a photo; undefined for footage */
  constructor(
    options: {
      avatar: AvatarSource;
      still: LivingStill | undefined;
      ear: MouthStream;
      basis: MouthBasis;
    } & EngineStreamOptions,
  ) {
    const { avatar, still, ear, basis, fps } = options;
    if (!(fps > 0 && fps <= 100))
      throw new AppError('invalid-argument', `fps must be above 0 and at most 100, got ${fps}`);
    if (avatar.frameCount < 1) throw new AppError('avatar-not-ready', `avatar ${avatar.id} holds no picture`);
    const { widthPx, heightPx } = avatar;
    this.#avatar = avatar;
    this.#fps = fps;
    this.#ear = ear;
    this.#timeline = new MouthTimeline({ instant: ear.lookaheadMs === 0 });
    this.lookaheadMs = ear.lookaheadMs + this.#timeline.lookaheadMs;
    this.#renderer = new FaceRenderer({ basis, fit: fitMouth(avatar), widthPx, heightPx });
    this.#picture = new Uint8Array(i420SizeBytes(widthPx, heightPx));
    this.#still = still;
  }

  async *push(pcm: Float32Array): AsyncIterable<I420Frame> {
    for (let at = 0; at < pcm.length; at += PIECE_SAMPLES) {
      this.#timeline.append(await this.#ear.push(pcm.subarray(at, at + PIECE_SAMPLES)));
      while (!this.#closed && this.#timeline.covers(this.#timeMs())) yield this.#draw();
      if (this.#closed) return;
    }
  }

  skip(count: number): void {
    this.#next += count;
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  #timeMs(): number {
    return (this.#next * 1000) / this.#fps;
  }

  #draw(): I420Frame {
    const timeMs = this.#timeMs();
    const avatar = this.#avatar;
    const { mouth, speaking } = this.#timeline.at(timeMs);
    if (this.#still === undefined) {
      // Footage runs at its own speed whatever the session's frame rate is.
      const index = idleIndex(Math.floor((this.#next * avatar.fps) / this.#fps + 1e-6), avatar.frameCount);
      avatar.readFrame(index, this.#picture);
      this.#renderer.render(this.#picture, avatar.landmarks(index), { mouth, speaking });
    } else {
      const paint = (picture: Uint8Array): void => {
        this.#renderer.render(picture, avatar.landmarks(0), { mouth, speaking });
      };
      this.#still.draw(this.#picture, timeMs, paint, { open: mouth.open, speaking });
    }
    this.#next += 1;
    return { widthPx: avatar.widthPx, heightPx: avatar.heightPx, data: this.#picture };
  }
}

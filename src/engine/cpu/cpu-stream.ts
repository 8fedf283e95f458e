import { FaceRenderer } from '../../compositor/face-renderer.js';
import { fitMouth } from '../../compositor/mouth-fit.js';
import type { MouthBasis } from '../../compositor/mouth-basis.js';
import { AppError } from '../../errors.js';
import { i420SizeBytes } from '../../media/frame.js';
import { REST_MOUTH } from '../../media/frame.js';
import type { I420Frame, MouthShape } from '../../media/frame.js';
import { idleIndex } from '../../media/idle-index.js';
import {
  CLOSING_MS,
  type MouthTuning,
  type AvatarSource,
  type EngineStream,
  type EngineStreamOptions,
} from '../engine.js';
import type { LivingStill } from '../still/living-still.js';
import type { MouthStream } from './mouth-model.js';
import { MouthTimeline } from './mouth-timeline.js';

/** Sound is heard in pieces of 40 ms, so that a long push gives its first picture at once and holds few shapes. */
const PIECE_SAMPLES = 640;

const SHAPE_NAMES = ['open', 'spread', 'round', 'tuck', 'tongue'] as const;
/** After speech that was cut off the mouth is let go within this. */
const RELEASE_MS = 40;

/** One avatar that speaks. Owns its buffers, not the avatar, which the caller closes. */
export class CpuEngineStream implements EngineStream {
  readonly lookaheadMs: number;
  #avatar: AvatarSource;
  #fps: number;
  #loopFrom: number;
  #ear: MouthStream;
  #timeline: MouthTimeline;
  #renderer: FaceRenderer;
  #picture: Uint8Array;
  #next = 0;
  #heardSamples = 0;
  #closed = false;
  #still: LivingStill | undefined;
  #tuning: MouthTuning = { strength: 1, smoothing: 0 };
  /** The mouth of the picture before, as it was tuned. */
  readonly #last: MouthShape = { ...REST_MOUTH };
  /** A photo's life does not run backwards. */
  #stillMs = 0;
  /** Media times between which the mouth is shut, whatever was heard. */
  #shut: { readonly fromMs: number; readonly untilMs: number } | undefined;

  /** @param options.still brings the avatar to life if it is a photo; undefined for footage */
  constructor(
    options: {
      avatar: AvatarSource;
      still: LivingStill | undefined;
      ear: MouthStream;
      basis: MouthBasis;
    } & EngineStreamOptions,
  ) {
    const { avatar, still, ear, basis, fps, loopFrom = 0 } = options;
    if (!(fps > 0 && fps <= 100))
      throw new AppError('invalid-argument', `fps must be above 0 and at most 100, got ${fps}`);
    if (avatar.frameCount < 1) throw new AppError('avatar-not-ready', `avatar ${avatar.id} holds no picture`);
    const { widthPx, heightPx } = avatar;
    this.#avatar = avatar;
    this.#fps = fps;
    this.#loopFrom = loopFrom;
    this.#ear = ear;
    this.#timeline = new MouthTimeline({ instant: ear.lookaheadMs === 0 });
    this.lookaheadMs = ear.lookaheadMs + this.#timeline.lookaheadMs;
    this.#renderer = new FaceRenderer({ basis, fit: fitMouth(avatar), widthPx, heightPx });
    this.#picture = new Uint8Array(i420SizeBytes(widthPx, heightPx));
    this.#still = still;
  }

  async *push(pcm: Float32Array): AsyncIterable<I420Frame> {
    for (let at = 0; at === 0 || at < pcm.length; at += PIECE_SAMPLES) {
      if (pcm.length > 0) {
        const piece = pcm.subarray(at, at + PIECE_SAMPLES);
        this.#timeline.append(await this.#ear.push(piece));
        this.#heardSamples += piece.length;
      }
      while (!this.#closed && this.#timeline.covers(this.#timeMs())) yield this.#draw();
      if (this.#closed) return;
    }
  }

  hearAs(other: EngineStream): number {
    if (!(other instanceof CpuEngineStream))
      throw new AppError('internal', 'the streams are of different engines');
    this.#ear.hearAs(other.#ear);
    this.#timeline.follow(other.#timeline);
    this.#heardSamples = other.#heardSamples;
    this.#next = other.#next;
    this.#shut = other.#shut;
    this.#tuning = other.#tuning;
    Object.assign(this.#last, other.#last);
    return this.#heardSamples;
  }

  skip(count: number): void {
    this.#next += count;
  }

  tune(tuning: MouthTuning): void {
    this.#tuning = tuning;
  }

  rewind(count: number): void {
    this.#next = Math.max(0, this.#next - count);
  }

  cut(untilMs: number): void {
    this.#shut = { fromMs: this.#timeMs(), untilMs };
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
    this.#tune(mouth);
    shut(mouth, this.#shutShare(timeMs));
    if (this.#still === undefined) {
      // Footage runs at its own speed whatever the session's frame rate is.
      const step = Math.floor(((this.#loopFrom + this.#next) * avatar.fps) / this.#fps + 1e-6);
      const index = idleIndex(step, avatar.frameCount);
      avatar.readFrame(index, this.#picture);
      this.#renderer.render(this.#picture, avatar.landmarks(index), { mouth, speaking });
    } else {
      const paint = (picture: Uint8Array): void => {
        this.#renderer.render(picture, avatar.landmarks(0), { mouth, speaking });
      };
      this.#stillMs = Math.max(this.#stillMs, timeMs);
      this.#still.draw(this.#picture, this.#stillMs, paint, { open: mouth.open, speaking });
    }
    this.#next += 1;
    return { widthPx: avatar.widthPx, heightPx: avatar.heightPx, data: this.#picture };
  }

  #tune(mouth: MouthShape): void {
    const { strength, smoothing } = this.#tuning;
    const last = this.#last;
    for (const name of SHAPE_NAMES) {
      const wanted = REST_MOUTH[name] + (mouth[name] - REST_MOUTH[name]) * strength;
      mouth[name] = Math.min(1, Math.max(0, wanted + (last[name] - wanted) * smoothing));
      last[name] = mouth[name];
    }
  }

  /** 0..1: how far speech that was cut off keeps the mouth shut. The first picture after it is half-way there. */
  #shutShare(timeMs: number): number {
    if (this.#shut === undefined) return 0;
    const { fromMs, untilMs } = this.#shut;
    if (timeMs >= untilMs + RELEASE_MS) this.#shut = undefined;
    const closing = (timeMs - fromMs + CLOSING_MS / 2) / CLOSING_MS;
    const letGo = (timeMs - untilMs) / RELEASE_MS;
    return Math.max(0, Math.min(1, closing, 1 - Math.max(0, letGo)));
  }
}

function shut(mouth: MouthShape, share: number): void {
  if (share === 0) return;
  for (const name of SHAPE_NAMES) mouth[name] += (REST_MOUTH[name] - mouth[name]) * share;
}

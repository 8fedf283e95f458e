import { AppError } from '../../errors.js';
import { i420SizeBytes } from '../../media/frame.js';
import type { AlphaMask, Box, I420Frame, RgbImage } from '../../media/frame.js';
import { ENGINE_RATE } from '../../media/timeline.js';
import type { AvatarSource, EngineStream, Take } from '../engine.js';
import { Footage } from './footage.js';
import type { FaceEar } from './face-family.js';
import type { FaceMaterial } from './face-material.js';

/** What decides when a mouth is drawn at all; strength 0 costs no inference. */
export interface SpeechSense {
  push(pcm: Float32Array): void;
  /** 0 idle .. 1 speaking, for the picture at `timeMs`, asked in rising order. */
  strength(timeMs: number): number;
}

export interface FaceStreamOptions {
  avatar: AvatarSource;
  material: FaceMaterial;
  fps: number;
  ear: FaceEar;
  sense: SpeechSense;
  /** Generates one face; rejects when it cannot. The input arrays are only read. */
  generate(inputs: Float32Array, features: Float32Array, signal: AbortSignal): Promise<RgbImage>;
  /** Puts a face into an I420 picture. */
  paste(picture: Uint8Array, face: RgbImage, box: Box, mask: AlphaMask, strength: number): void;
  /** How long after its last needed sound a picture may take to be generated, in media time. */
  pipelineMs: number;
  /** A face that could not be generated; its picture shows the footage's own. */
  onFault(error: unknown): void;
  footage: Footage;
}

/** A picture whose sound is complete and whose face is being generated. */
interface Pending {
  readonly index: number;
  readonly strength: number;
  readonly step: number;
  readonly abort: AbortController;
  face: Promise<RgbImage | undefined> | undefined;
  settled: boolean;
}

/** Pictures over which a take's own place in the footage is dissolved into where the footage stands. */
const DISSOLVE_PICTURES = 8;
/** Pictures over which the face of an interrupted take gives way to the footage's. */
const FADE_PICTURES = 4;

/**
 * One avatar that speaks with generated faces. Faces are asked for as soon as their sound is complete and pasted in
 * order; `push` hands out what is done, and waits only for pictures whose time (in sound pushed) has come. So many
 * faces are under way at once, and the batcher can fill its batches. Owns its ear and buffers, not the avatar.
 */
export class FaceStream implements EngineStream {
  readonly lookaheadMs: number;
  readonly #options: FaceStreamOptions;
  readonly #picture: Uint8Array;
  readonly #other: Uint8Array;
  readonly #pending: Pending[] = [];
  #pushedSamples = 0;
  #nextAsk = 0;
  /** The footage stands at step `index + #shift`. */
  #shift = 0;
  #cued: { take: Take; at: number; cutAt: number } | undefined;
  /** Where a take moved the footage to another place: from picture `at` on, away from `index + shiftBefore`. */
  #moved: { at: number; shiftBefore: number } | undefined;
  #closed = false;

  constructor(options: FaceStreamOptions) {
    const { avatar, material, fps, ear } = options;
    if (!(fps > 0 && fps <= 100))
      throw new AppError('invalid-argument', `fps must be above 0 and at most 100, got ${fps}`);
    if (material.frameCount !== avatar.frameCount)
      throw new AppError(
        'avatar-not-ready',
        `avatar ${avatar.id} has ${avatar.frameCount} pictures but ${material.frameCount} prepared faces; prepare it again`,
      );
    this.#options = options;
    this.lookaheadMs = ear.lookaheadMs + options.pipelineMs;
    this.#picture = new Uint8Array(i420SizeBytes(avatar.widthPx, avatar.heightPx));
    this.#other = new Uint8Array(this.#picture.length);
  }

  async *push(pcm: Float32Array): AsyncIterable<I420Frame> {
    const { ear, sense, fps } = this.#options;
    ear.push(pcm);
    sense.push(pcm);
    this.#pushedSamples += pcm.length;
    const pushedMs = (this.#pushedSamples * 1000) / ENGINE_RATE;
    while (!this.#closed && (this.#nextAsk * 1000) / fps + ear.lookaheadMs <= pushedMs) this.#ask();
    while (!this.#closed) {
      const head = this.#pending[0];
      if (head === undefined) return;
      const due = (head.index * 1000) / fps + this.lookaheadMs <= pushedMs;
      if (!head.settled && !due) return;
      const face = await head.face;
      if (this.#closed) return;
      if (this.#pending[0] !== head) continue; // skipped meanwhile
      this.#pending.shift();
      yield this.#draw(head, face);
    }
  }

  skip(count: number): void {
    for (const { abort } of this.#pending.splice(0, count)) {
      abort.abort();
      count -= 1;
    }
    this.#nextAsk += count;
  }

  /** From the picture at `timeMs` on (not yet asked for) the rehearsed faces are shown instead of new ones. */
  cue(take: Take, timeMs: number): void {
    const at = Math.max(this.#nextAsk, Math.round((timeMs * this.#options.fps) / 1000));
    this.#cued?.take.close();
    this.#cued = { take, at, cutAt: Infinity };
    this.#moved = { at, shiftBefore: this.#shift };
    this.#shift = take.firstStep - at;
  }

  cut(): void {
    const cued = this.#cued;
    if (cued !== undefined) cued.cutAt = Math.min(cued.cutAt, this.#pending[0]?.index ?? this.#nextAsk);
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const { abort } of this.#pending.splice(0)) abort.abort();
    this.#options.ear.close();
    this.#cued?.take.close();
    this.#cued = undefined;
    return Promise.resolve();
  }

  #ask(): void {
    const { ear, sense, fps, material, footage } = this.#options;
    const index = this.#nextAsk++;
    const timeMs = (index * 1000) / fps;
    const heard = sense.strength(timeMs);
    const abort = new AbortController();
    const step = index + this.#shift;
    const pending: Pending = { index, step, abort, strength: heard, face: undefined, settled: true };
    this.#pending.push(pending);
    if (heard <= 0 || this.#takeAt(index) !== undefined) return;
    pending.settled = false;
    const inputs = material.inputs(footage.indexAt(step));
    pending.face = ear
      .features(timeMs)
      .then((features) => this.#options.generate(inputs, features, abort.signal))
      .catch((error: unknown) => {
        if (!abort.signal.aborted && !this.#closed) this.#options.onFault(error);
        return undefined;
      })
      .finally(() => (pending.settled = true));
  }

  #takeAt(index: number): Take | undefined {
    const cued = this.#cued;
    return cued !== undefined && index >= cued.at && index < cued.at + cued.take.pictureCount
      ? cued.take
      : undefined;
  }

  #draw(head: Pending, generated: RgbImage | undefined): I420Frame {
    const { avatar, material, footage, paste, fps } = this.#options;
    const index = footage.indexAt(head.step);
    const timeMs = (head.index * 1000) / fps;
    const cued = this.#cued;
    const take = this.#takeAt(head.index);
    const takeIndex = head.index - (cued?.at ?? 0);
    const faded = Math.max(0, 1 - (head.index - (cued?.cutAt ?? Infinity) + 1) / FADE_PICTURES);
    const strength = take === undefined ? head.strength : take.strength(takeIndex) * Math.min(1, faded);
    const face = strength > 0 ? (take?.face(takeIndex) ?? generated) : undefined;
    footage.draw(this.#picture, index, timeMs, (picture) => {
      if (face !== undefined) paste(picture, face, material.box(index), material.mask(index), strength);
    });
    this.#dissolve(head, timeMs);
    if (cued !== undefined && (takeIndex + 1 >= cued.take.pictureCount || faded === 0)) {
      cued.take.close();
      this.#cued = undefined;
    }
    return { widthPx: avatar.widthPx, heightPx: avatar.heightPx, data: this.#picture };
  }

  /**
   * A take was made at a place of the footage of its own: pictures from its first on emerge from where the footage
   * stood, also when the take is over before that is done.
   */
  #dissolve(head: Pending, timeMs: number): void {
    const moved = this.#moved;
    if (moved === undefined || this.#options.footage.still || head.index < moved.at) return;
    const since = head.index - moved.at;
    if (since >= DISSOLVE_PICTURES) {
      this.#moved = undefined;
      return;
    }
    const { footage } = this.#options;
    const before = footage.indexAt(head.index + moved.shiftBefore);
    if (before === footage.indexAt(head.step)) return;
    footage.draw(this.#other, before, timeMs, () => {});
    const share = Math.round(((since + 1) * 256) / (DISSOLVE_PICTURES + 1));
    for (let i = 0; i < this.#picture.length; i += 1)
      this.#picture[i] = (this.#picture[i]! * share + this.#other[i]! * (256 - share) + 128) >> 8;
  }
}

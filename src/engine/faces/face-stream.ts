import { AppError } from '../../errors.js';
import { dissolve } from '../../media/dissolve.js';
import { i420SizeBytes } from '../../media/frame.js';
import type { AlphaMask, Box, I420Frame, RgbImage } from '../../media/frame.js';
import { ENGINE_RATE } from '../../media/timeline.js';
import type { AvatarSource, EngineStream, Take } from '../engine.js';
import { Footage } from './footage.js';
import { CuedTakes, FADE_PICTURES, type Place } from './cued-takes.js';
import type { FaceEar } from './face-family.js';
import type { FaceMaterial } from './face-material.js';

/** More than are ever on their way from here to the viewers. */
const KEPT_PICTURES = 16;

/** What decides when a mouth is drawn at all; strength 0 costs no inference. */
export interface SpeechSense {
  /** How much sound after a picture's time has to be pushed before strength() can answer for it. */
  readonly lookaheadMs: number;
  push(pcm: Float32Array): void;
  /** 0 idle .. 1 speaking, for the picture at `timeMs`, asked in rising order. */
  strength(timeMs: number): number;
  /** What was pushed so far is not speech: the next picture is idle, until speech is pushed. */
  forget(): void;
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
  strength: number;
  /** Where the footage stood when its face was asked for. */
  readonly step: number;
  readonly abort: AbortController;
  /** Undefined where none is needed; resolves to undefined when it failed or was given up. */
  face: Promise<RgbImage | undefined> | undefined;
}

/**
 * One avatar that speaks with generated faces. Faces are asked for as soon as their sound is complete and pasted in
 * order; `push` hands a picture out when its time (in sound pushed) has come, and waits for its face then. So many
 * faces are under way at once, and the batcher can fill its batches. Owns its ear, material and buffers, not the
 * avatar.
 */
export class FaceStream implements EngineStream {
  readonly lookaheadMs: number;
  readonly #options: FaceStreamOptions;
  readonly #askMs: number;
  readonly #picture: Uint8Array;
  readonly #other: Uint8Array;
  readonly #pending: Pending[] = [];
  /** The newest that were drawn, for those that are drawn again. */
  readonly #drawn: Pending[] = [];
  readonly #takes = new CuedTakes();
  #pushedSamples = 0;
  #nextAsk = 0;
  #closed = false;

  constructor(options: FaceStreamOptions) {
    const { avatar, material, fps, ear, sense } = options;
    if (!(fps > 0 && fps <= 100))
      throw new AppError('invalid-argument', `fps must be above 0 and at most 100, got ${fps}`);
    if (material.frameCount !== avatar.frameCount)
      throw new AppError(
        'avatar-not-ready',
        `avatar ${avatar.id} has ${avatar.frameCount} pictures but ${material.frameCount} prepared faces; prepare it again`,
      );
    this.#options = options;
    this.#askMs = Math.max(ear.lookaheadMs, sense.lookaheadMs);
    this.lookaheadMs = this.#askMs + options.pipelineMs;
    this.#picture = new Uint8Array(i420SizeBytes(avatar.widthPx, avatar.heightPx));
    this.#other = new Uint8Array(this.#picture.length);
  }

  async *push(pcm: Float32Array): AsyncIterable<I420Frame> {
    const { ear, sense, fps } = this.#options;
    ear.push(pcm);
    sense.push(pcm);
    this.#pushedSamples += pcm.length;
    const pushedMs = (this.#pushedSamples * 1000) / ENGINE_RATE;
    while (!this.#closed && (this.#nextAsk * 1000) / fps + this.#askMs <= pushedMs) this.#ask();
    while (!this.#closed) {
      const head = this.#pending[0];
      if (head === undefined || (head.index * 1000) / fps + this.lookaheadMs > pushedMs) return;
      const face = await head.face;
      if (this.#closed) return;
      if (this.#pending[0] !== head) continue; // skipped meanwhile
      this.#pending.shift();
      this.#drawn.push(head);
      if (this.#drawn.length > KEPT_PICTURES) this.#drawn.shift();
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

  cue(take: Take, timeMs: number): void {
    if (this.#closed) take.close();
    else this.#takes.cue(take, Math.round((timeMs * this.#options.fps) / 1000), this.#nextDrawn);
  }

  /** Faces under way fade out, and what was pushed is not speech any more; sound to come is heard as ever. */
  cut(): void {
    this.#takes.cut(this.#nextDrawn);
    this.#options.sense.forget();
    for (const [index, pending] of this.#pending.entries()) {
      pending.strength *= Math.max(0, 1 - (index + 1) / FADE_PICTURES);
      if (pending.strength === 0) pending.abort.abort();
    }
  }

  /** Faces that were drawn are kept for a while, and drawn again. */
  rewind(count: number): void {
    const next = this.#nextDrawn;
    for (let index = next - 1; index >= Math.max(0, next - count); index -= 1) {
      const last = this.#drawn.at(-1);
      const kept = last?.index === index ? this.#drawn.pop() : undefined;
      const { step } = this.#takes.at(index);
      this.#pending.unshift(
        kept ?? { index, step, strength: 0, abort: new AbortController(), face: undefined },
      );
    }
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    this.#drawn.splice(0);
    for (const { abort } of this.#pending.splice(0)) abort.abort();
    this.#options.ear.close();
    this.#takes.close();
    this.#options.material.close();
    return Promise.resolve();
  }

  get #nextDrawn(): number {
    return this.#pending[0]?.index ?? this.#nextAsk;
  }

  #ask(): void {
    const { sense, fps } = this.#options;
    const index = this.#nextAsk++;
    const timeMs = (index * 1000) / fps;
    const { step, strength: ofTake } = this.#takes.at(index);
    const strength = sense.strength(timeMs);
    const abort = new AbortController();
    const face =
      strength > 0 && ofTake === undefined ? this.#generate(timeMs, step, abort.signal) : undefined;
    this.#pending.push({ index, step, abort, strength, face });
  }

  /** Resolves as soon as the signal aborts, however long the networks need. */
  #generate(timeMs: number, step: number, signal: AbortSignal): Promise<RgbImage | undefined> {
    const { ear, material, footage, generate, onFault } = this.#options;
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
      ear
        .features(timeMs)
        .then((features) => {
          signal.throwIfAborted();
          return generate(material.inputs(footage.indexAt(step)), features, signal);
        })
        .then(resolve, (error: unknown) => {
          if (!signal.aborted) onFault(error);
          resolve(undefined);
        });
    });
  }

  #draw(head: Pending, generated: RgbImage | undefined): I420Frame {
    const { avatar, footage } = this.#options;
    const place = this.#takes.at(head.index);
    // A take that was cued or cut after the face was asked for may have moved the footage away from under it.
    const own = place.strength === undefined && place.step === head.step ? generated : undefined;
    const index = this.#paint(this.#picture, head, place, own);
    const leaving = this.#takes.leaving(head.index);
    if (leaving !== undefined) {
      const shown = (leaving.place.strength ?? 0) > 0;
      if (shown || footage.indexAt(leaving.place.step) !== index) {
        this.#paint(this.#other, head, leaving.place, undefined);
        this.#dissolve(leaving.share);
      }
    }
    this.#takes.drawn(head.index);
    return { widthPx: avatar.widthPx, heightPx: avatar.heightPx, data: this.#picture };
  }

  /** Draws what `place` shows, with a face of its take or the generated one; gives the index of the footage. */
  #paint(target: Uint8Array, head: Pending, place: Place, generated: RgbImage | undefined): number {
    const { material, footage, paste, fps } = this.#options;
    const index = footage.indexAt(place.step);
    const face = place.face() ?? generated;
    const strength = place.strength ?? head.strength;
    footage.draw(target, index, (head.index * 1000) / fps, (picture) => {
      if (face !== undefined && strength > 0)
        paste(picture, face, material.box(index), material.mask(index), strength);
    });
    return index;
  }

  /** A take was made at a place of the footage of its own: its pictures emerge from what was shown before it. */
  #dissolve(portion: number): void {
    dissolve(this.#picture, this.#other, this.#picture, portion);
  }
}

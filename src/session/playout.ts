import { BoundedQueue } from '../lib/bounded-queue.js';
import type { EncodedPicture } from '../media/frame.js';
import { frameToSamples } from '../media/timeline.js';

/** The longest stretch of pictures that may wait for their time (the legacy API promises this bound). */
export const MAX_QUEUED_PICTURES = 30;

export interface PlayoutSinks {
  sound(opus: Uint8Array, mediaSamples: number): void;
  picture(picture: EncodedPicture): void;
  jpeg(picture: EncodedPicture): void;
}

/** Is told what leaves, just before it does. */
export interface PlayoutMeter {
  /** The queues are counted with what leaves. */
  soundLeaves(mediaSamples: number, queuedSounds: number, queuedPictures: number): void;
  pictureLeaves(mediaSamples: number): void;
}

/**
 * Lets sound and picture of one media time leave at one wall time. Sound is never held back for a late picture: a
 * picture that comes after its time leaves at once, with its own time stamp.
 */
export class Playout {
  readonly #fps: number;
  readonly #sinks: PlayoutSinks;
  readonly #meter: PlayoutMeter | undefined;
  readonly #sound: { opus: Uint8Array; mediaSamples: number }[] = [];
  readonly #pictures = new BoundedQueue<EncodedPicture>(MAX_QUEUED_PICTURES);
  readonly #jpegs = new BoundedQueue<EncodedPicture>(MAX_QUEUED_PICTURES);
  /** Pictures that left more than a frame after their time. */
  latePictures = 0;
  playedPictures = 0;

  constructor(fps: number, sinks: PlayoutSinks, meter?: PlayoutMeter) {
    this.#fps = fps;
    this.#sinks = sinks;
    this.#meter = meter;
  }

  get queuedPictures(): number {
    return this.#pictures.size;
  }

  get droppedPictures(): number {
    return this.#pictures.dropped;
  }

  /** Sound is fed a bounded lead ahead of the clock (session.ts), so this queue needs no bound of its own. */
  pushSound(opus: Uint8Array, mediaSamples: number): void {
    this.#sound.push({ opus, mediaSamples });
  }

  /** Returns true when a queued picture had to be dropped: the viewers then need a keyframe. */
  pushPicture(picture: EncodedPicture): boolean {
    const before = this.#pictures.dropped;
    this.#pictures.push(picture);
    return this.#pictures.dropped > before;
  }

  pushJpeg(picture: EncodedPicture): void {
    this.#jpegs.push(picture);
  }

  /** Replaces the sound from `fromSamples` on that waits; `silence` is asked for one packet after the other. */
  hush(fromSamples: number, silence: () => Uint8Array): void {
    for (const packet of this.#sound) if (packet.mediaSamples >= fromSamples) packet.opus = silence();
  }

  /** Sends everything whose media time is `nowSamples` or earlier. */
  advance(nowSamples: number): void {
    for (let next = this.#sound[0]; next && next.mediaSamples <= nowSamples; next = this.#sound[0]) {
      this.#meter?.soundLeaves(next.mediaSamples, this.#sound.length, this.#pictures.size);
      this.#sound.shift();
      this.#sinks.sound(next.opus, next.mediaSamples);
    }
    for (
      let next = this.#pictures.peek();
      next && this.#due(next, nowSamples);
      next = this.#pictures.peek()
    ) {
      this.#pictures.shift();
      this.playedPictures += 1;
      if (nowSamples >= frameToSamples(next.index + 1, this.#fps)) this.latePictures += 1;
      this.#meter?.pictureLeaves(frameToSamples(next.index, this.#fps));
      this.#sinks.picture(next);
    }
    for (let next = this.#jpegs.peek(); next && this.#due(next, nowSamples); next = this.#jpegs.peek()) {
      this.#jpegs.shift();
      this.#sinks.jpeg(next);
    }
  }

  #due(picture: EncodedPicture, nowSamples: number): boolean {
    return frameToSamples(picture.index, this.#fps) <= nowSamples;
  }
}

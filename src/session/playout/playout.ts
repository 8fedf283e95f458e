import { BoundedQueue } from '../../lib/bounded-queue.js';
import type { EncodedPicture, RenditionName } from '../../media/frame.js';
import { frameToSamples, msToSamples } from '../../media/timeline.js';

/** The longest stretch of pictures of one rendition that may wait for their time (the legacy API promises this bound). */
export const MAX_QUEUED_PICTURES = 30;

/**
 * Sound leaves so much before the picture of its media time. Measured in Chromium (bench:sync), a packet of sound is
 * heard some 90 ms after it left, a picture is seen after 30; left together, the browser needs half a minute to even
 * that out, by holding pictures back. The sender reports name the same moment for both all the same, so a player that
 * goes by them alone is right, too.
 */
export const SOUND_LEAD_MS = 40;
const SOUND_LEAD_SAMPLES = msToSamples(SOUND_LEAD_MS);

/** When the sound of a media time is heard, after that time on the session's clock: the 90 ms above, less the lead. */
export const HEARD_AFTER_MS = 50;

export interface PlayoutSinks<Sound> {
  sound(sound: Sound, mediaSamples: number): void;
  /** All renditions of one picture that are there; one that comes later comes alone. */
  picture(renditions: readonly EncodedPicture[]): void;
  jpeg(picture: EncodedPicture): void;
}

/** What `cut` left behind. */
export interface PlayoutCut<Sound> {
  /** Media time of the first sound that has not left; undefined if none waits. */
  readonly soundSamples: number | undefined;
  /** Index of the newest picture that left; -1 if none did. */
  readonly lastPicture: number;
  /** What waits from `soundSamples` on, to be changed in place. */
  readonly waiting: readonly { sound: Sound; readonly mediaSamples: number }[];
}

/** Is told what leaves, just before it does. */
export interface PlayoutMeter {
  /** The queues are counted with what leaves. */
  soundLeaves(mediaSamples: number, queuedSounds: number, queuedPictures: number): void;
  pictureLeaves(mediaSamples: number): void;
}

/**
 * Lets pictures leave at their media time, in all renditions, and sound at a constant lead before it. Sound is never
 * held back for a late picture: a picture that comes after its time leaves at once, with its own time stamp. What belongs
 * to an epoch before the last cut never leaves.
 */
export class Playout<Sound> {
  readonly #fps: number;
  readonly #sinks: PlayoutSinks<Sound>;
  readonly #sound: { sound: Sound; readonly mediaSamples: number }[] = [];
  readonly #pictures = new Map<RenditionName, BoundedQueue<EncodedPicture>>();
  readonly #meter: PlayoutMeter | undefined;
  readonly #jpegs = new BoundedQueue<EncodedPicture>(MAX_QUEUED_PICTURES);
  #lastPlayed = -1;
  #epoch = 0;
  /** Pictures of an epoch that was cut off, which never left; each rendition that came after the cut counts. */
  stalePictures = 0;
  /** Pictures that left more than a frame after their time; one in several renditions counts once. */
  latePictures = 0;
  playedPictures = 0;

  constructor(fps: number, sinks: PlayoutSinks<Sound>, meter?: PlayoutMeter) {
    this.#fps = fps;
    this.#sinks = sinks;
    this.#meter = meter;
  }

  /** In the fullest queue. */
  get queuedPictures(): number {
    return Math.max(0, ...[...this.#pictures.values()].map(({ size }) => size));
  }

  /** Media time of the first sound that has not left; undefined if none waits. */
  get nextSamples(): number | undefined {
    return this.#sound[0]?.mediaSamples;
  }

  get droppedPictures(): number {
    return [...this.#pictures.values()].reduce((sum, { dropped }) => sum + dropped, 0);
  }

  /** Sound is fed a bounded lead ahead of the clock (session.ts), so this queue needs no bound of its own. */
  pushSound(sound: Sound, mediaSamples: number): void {
    this.#sound.push({ sound, mediaSamples });
  }

  /** Returns true when a queued picture had to be dropped: the viewers then need a keyframe. */
  pushPicture(picture: EncodedPicture): boolean {
    if (this.#isStale(picture)) {
      this.stalePictures += 1;
      return false;
    }
    const rendition = picture.rendition ?? 'high';
    let queue = this.#pictures.get(rendition);
    if (queue === undefined) {
      queue = new BoundedQueue(MAX_QUEUED_PICTURES);
      this.#pictures.set(rendition, queue);
    }
    const before = queue.dropped;
    queue.push(picture);
    return queue.dropped > before;
  }

  pushJpeg(picture: EncodedPicture): void {
    if (!this.#isStale(picture)) this.#jpegs.push(picture);
  }

  /**
   * Begins a new epoch: pictures that wait are dropped, and those that still come of an older one, too. The sound that
   * waits is handed to the caller, who knows what shall be heard in its place.
   */
  cut(epoch: number): PlayoutCut<Sound> {
    this.#epoch = epoch;
    this.stalePictures += this.queuedPictures;
    for (const queue of this.#pictures.values()) queue.clear();
    this.#jpegs.clear();
    return {
      soundSamples: this.#sound[0]?.mediaSamples,
      lastPicture: this.#lastPlayed,
      waiting: this.#sound,
    };
  }

  #isStale({ epoch = 0 }: EncodedPicture): boolean {
    return epoch < this.#epoch;
  }

  /** Sends every picture whose media time is `nowSamples` or earlier, and the sound that goes before. */
  advance(nowSamples: number): void {
    const soundUntil = nowSamples + SOUND_LEAD_SAMPLES;
    for (let next = this.#sound[0]; next && next.mediaSamples <= soundUntil; next = this.#sound[0]) {
      this.#meter?.soundLeaves(next.mediaSamples, this.#sound.length, this.queuedPictures);
      this.#sound.shift();
      this.#sinks.sound(next.sound, next.mediaSamples);
    }
    for (let group = this.#nextGroup(nowSamples); group.length > 0; group = this.#nextGroup(nowSamples)) {
      this.#count(group[0]?.index ?? 0, nowSamples);
      this.#meter?.pictureLeaves(frameToSamples(group[0]?.index ?? 0, this.#fps));
      this.#sinks.picture(group);
    }
    for (let next = this.#jpegs.peek(); next && this.#due(next, nowSamples); next = this.#jpegs.peek()) {
      this.#jpegs.shift();
      this.#sinks.jpeg(next);
    }
  }

  /** The earliest picture that is due, in every rendition that has it. */
  #nextGroup(nowSamples: number): EncodedPicture[] {
    const queues = [...this.#pictures.values()];
    const heads = queues.map((queue) => queue.peek()).filter((head) => head !== undefined);
    const due = heads.filter((head) => this.#due(head, nowSamples));
    const index = Math.min(...due.map((head) => head.index));
    return queues.flatMap((queue) => {
      const head = queue.peek();
      if (head?.index !== index || due.length === 0) return [];
      queue.shift();
      return [head];
    });
  }

  #count(index: number, nowSamples: number): void {
    if (index <= this.#lastPlayed) return;
    this.#lastPlayed = index;
    this.playedPictures += 1;
    if (nowSamples >= frameToSamples(index + 1, this.#fps)) this.latePictures += 1;
  }

  #due(picture: EncodedPicture, nowSamples: number): boolean {
    return frameToSamples(picture.index, this.#fps) <= nowSamples;
  }
}

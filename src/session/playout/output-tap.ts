import type { Log } from '../../lib/log.js';
import type { EncodedPicture, RenditionName } from '../../media/frame.js';
import type { SoundPacket } from '../viewers/fan-out.js';

/** Takes what leaves a session besides its viewers: the coded pictures and packets themselves, at the moment they leave. */
export interface OutputTap {
  /** Asked ten times a second what it needs coded; `top` is the best that anybody may have. */
  demand(top: RenditionName): readonly RenditionName[];
  /** 20 ms, whose first sample is `mediaSamples`; to be kept, not changed. */
  sound(sound: SoundPacket, mediaSamples: number): void;
  /** One picture in all renditions that are there; the data are to be kept, not changed. */
  picture(renditions: readonly EncodedPicture[]): void;
  /** The session ends, which waits for it. */
  ended(): Promise<void>;
}

/** All taps of a session. One that throws is taken off; the others and the viewers do not notice. */
export class OutputTaps {
  readonly #taps = new Set<OutputTap>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  get size(): number {
    return this.#taps.size;
  }

  add(tap: OutputTap): void {
    this.#taps.add(tap);
  }

  remove(tap: OutputTap): void {
    this.#taps.delete(tap);
  }

  demand(top: RenditionName): readonly RenditionName[] {
    return [...this.#taps].flatMap((tap) => tap.demand(top));
  }

  sound(sound: SoundPacket, mediaSamples: number): void {
    this.#each((tap) => tap.sound(sound, mediaSamples));
  }

  picture(renditions: readonly EncodedPicture[]): void {
    this.#each((tap) => tap.picture(renditions));
  }

  async close(): Promise<void> {
    const taps = [...this.#taps];
    this.#taps.clear();
    await Promise.allSettled(taps.map((tap) => tap.ended()));
  }

  #each(action: (tap: OutputTap) => void): void {
    for (const tap of [...this.#taps]) {
      try {
        action(tap);
      } catch (err) {
        this.#taps.delete(tap);
        this.#log.error({ err }, 'what was tapped from a session could not be taken');
        void tap.ended().catch(() => {});
      }
    }
  }
}

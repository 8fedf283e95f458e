import { systemClock } from '../../../src/lib/clock.js';
import { msToSamples, OPUS_FRAME_SAMPLES, samplesToMs } from '../../../src/media/timeline.js';
import type { FanOut } from '../../../src/session/fan-out.js';
import { FPS, type Clip } from './clip.js';

const TICK_MS = samplesToMs(OPUS_FRAME_SAMPLES);
const TICKS_PER_PICTURE = 1000 / FPS / TICK_MS;

/** Plays the clip round and round into a fan-out: a sound every 20 ms and a picture every 40, due by one clock. */
export class PacedSource {
  #clip: Clip;
  #keyWanted = false;
  #cancel: (() => void) | undefined;

  constructor(clip: Clip) {
    this.#clip = clip;
  }

  /** The next picture is the clip's first, which is a key picture. */
  wantKey(): void {
    this.#keyWanted = true;
  }

  start(fanOut: FanOut): void {
    const startMs = systemClock.now();
    const startWallMs = systemClock.wall();
    const { pictures, sounds } = this.#clip;
    let tick = 0;
    let at = 0;
    const send = (): void => {
      fanOut.sendSound({ full: sounds[tick % sounds.length] ?? new Uint8Array() }, tick * OPUS_FRAME_SAMPLES);
      if (tick % TICKS_PER_PICTURE === 0) {
        if (this.#keyWanted) at = 0;
        this.#keyWanted = false;
        const data = pictures[at] ?? new Uint8Array();
        fanOut.sendPicture([{ index: tick / TICKS_PER_PICTURE, key: at === 0, data }], FPS);
        at = (at + 1) % pictures.length;
      }
      if (tick % (1000 / TICK_MS) === 0) {
        const elapsedMs = systemClock.now() - startMs;
        fanOut.sendSenderReports(msToSamples(elapsedMs), startWallMs + elapsedMs);
      }
      tick += 1;
    };
    const run = (): void => {
      // A tick that is late is made up for at once, as the session's clock does.
      while (startMs + tick * TICK_MS <= systemClock.now()) send();
      this.#cancel = systemClock.after(startMs + tick * TICK_MS - systemClock.now(), run);
    };
    run();
  }

  stop(): void {
    this.#cancel?.();
  }
}

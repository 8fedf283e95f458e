import { systemClock } from '../../../src/lib/clock.js';
import { OPUS_FRAME_SAMPLES, samplesToMs } from '../../../src/media/timeline.js';
import type { Audience } from '../../../src/session/viewers/audience.js';
import { FPS, type Clip } from './clip.js';

const TICK_MS = samplesToMs(OPUS_FRAME_SAMPLES);
/** Later than this and the source goes on from where it is, as a session does after a stall. */
const STALL_MS = 100;
const TICKS_PER_PICTURE = 1000 / FPS / TICK_MS;

/** Plays the clip round and round into a fan-out: a sound every 20 ms and a picture every 40, due by one clock. */
export class PacedSource {
  #clip: Clip;
  #keyWanted = false;
  /** Media time sent so far. */
  sentMs = 0;
  #cancel: (() => void) | undefined;

  constructor(clip: Clip) {
    this.#clip = clip;
  }

  /** The next picture is the clip's first, which is a key picture. */
  wantKey(): void {
    this.#keyWanted = true;
  }

  start(fanOut: Pick<Audience, 'sendPicture' | 'sendSound' | 'sendSenderReports'>): void {
    let startMs = systemClock.now();
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
        fanOut.sendSenderReports(tick * OPUS_FRAME_SAMPLES, systemClock.wall());
      }
      tick += 1;
      this.sentMs += TICK_MS;
    };
    const run = (): void => {
      send();
      // A tick that is late is made up for as soon as the loop has been round; without that, an overloaded sender would
      // never come to empty its sockets.
      let waitMs = startMs + tick * TICK_MS - systemClock.now();
      if (waitMs < -STALL_MS) {
        startMs -= waitMs;
        waitMs = 0;
      }
      this.#cancel = systemClock.after(waitMs, run);
    };
    run();
  }

  stop(): void {
    this.#cancel?.();
  }
}

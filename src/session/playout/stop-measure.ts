/** How long after it was asked for speech had stopped, as far as the server can see: when what is silent or shut left. */
export interface Stopped {
  /** Until the first sound that is silent left; viewers hear it some 90 ms later. */
  readonly soundStoppedMs: number;
  /** Until the first picture with a shut mouth left; undefined where none did in time. Viewers see it some 30 ms later. */
  readonly mouthClosedMs?: number;
  /** The later of both. */
  readonly stoppedMs: number;
}

interface Measure {
  readonly startedMs: number;
  readonly soundSamples: number;
  readonly pictureSamples: number;
  soundMs: number | undefined;
  readonly done: (stopped: Stopped) => void;
}

/** Without a picture for so long, there will be none: nobody watches, or the worker is gone. */
const LIMIT_MS = 500;

/** Measures interrupts: is told what leaves. */
export class StopMeasure {
  readonly #nowMs: () => number;
  #open: Measure[] = [];

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Silent is sound from media time `soundSamples` on, shut is the mouth in pictures from `pictureSamples` on. */
  start(startedMs: number, soundSamples: number, pictureSamples: number): Promise<Stopped> {
    return new Promise((done) => {
      this.#open.push({ startedMs, soundSamples, pictureSamples, soundMs: undefined, done });
    });
  }

  soundLeaves(mediaSamples: number): void {
    for (const one of this.#open)
      if (mediaSamples >= one.soundSamples) one.soundMs ??= this.#nowMs() - one.startedMs;
  }

  pictureLeaves(mediaSamples: number): void {
    this.#end((one) => one.soundMs !== undefined && mediaSamples >= one.pictureSamples, true);
  }

  /** Called all the time. */
  tick(): void {
    if (this.#open.length === 0) return;
    const nowMs = this.#nowMs();
    this.#end((one) => nowMs - one.startedMs > LIMIT_MS, false);
  }

  close(): void {
    this.#end(() => true, false);
  }

  #end(isOver: (one: Measure) => boolean, shut: boolean): void {
    const over = this.#open.filter(isOver);
    if (over.length === 0) return;
    this.#open = this.#open.filter((one) => !over.includes(one));
    const nowMs = this.#nowMs();
    for (const { startedMs, soundMs = nowMs - startedMs, done } of over) {
      const mouthMs = nowMs - startedMs;
      done({
        soundStoppedMs: Math.round(soundMs),
        ...(shut ? { mouthClosedMs: Math.round(mouthMs) } : {}),
        stoppedMs: Math.round(shut ? Math.max(soundMs, mouthMs) : soundMs),
      });
    }
  }
}

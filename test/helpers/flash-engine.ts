import type { AvatarSource, Engine, EngineStream, EngineStreamOptions } from '../../src/engine/engine.js';
import { i420SizeBytes, type I420Frame } from '../../src/media/frame.js';
import { ENGINE_RATE } from '../../src/media/timeline.js';
import { BEEP_AMPLITUDE } from './beeps.js';
import { codeBits, drawCode } from './picture-code.js';

/** Sound that stays below half a beep for this long ends one. */
const QUIET_SAMPLES = ENGINE_RATE / 10;
const NOISE_BYTES = 1 << 20;
const WHITE = 235;

/** Factory of the flash engine, as worker/open-engine.ts loads it. */
export function createEngine(): Promise<Engine> {
  return Promise.resolve({
    name: 'cpu', // in whose place it stands
    open: (avatar, options) => Promise.resolve(new FlashStream(avatar, options)),
    close: () => Promise.resolve(),
  });
}

/**
 * Listens for beeps and turns the picture white in whose time one begins; every picture tells its number, the wall clock
 * at which it was drawn and where in it the beep begins (picture-code.ts). The background moves and is noisy, so that the
 * encoder needs all of its bits. It hears what a real engine hears, so the whole path is measured, resampler included.
 */
class FlashStream implements EngineStream {
  readonly lookaheadMs: number;
  readonly #fps: number;
  readonly #frame: I420Frame;
  readonly #ear = new OnsetEar();
  readonly #background: Uint8Array;
  /** Onsets that no picture has shown yet, in samples. */
  readonly #onsets: number[] = [];
  #next = 0;
  #closed = false;

  constructor({ widthPx, heightPx }: AvatarSource, { fps }: EngineStreamOptions) {
    this.#fps = fps;
    this.lookaheadMs = 1000 / fps; // the whole of a picture's own time
    this.#frame = { widthPx, heightPx, data: new Uint8Array(i420SizeBytes(widthPx, heightPx)).fill(128) };
    this.#background = noise();
  }

  async *push(pcm: Float32Array): AsyncIterable<I420Frame> {
    this.#onsets.push(...this.#ear.push(pcm));
    while (!this.#closed && this.#startOf(this.#next + 1) <= this.#ear.heardSamples) yield this.#draw();
  }

  skip(count: number): void {
    this.#next += count;
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  #startOf(index: number): number {
    return (index * ENGINE_RATE) / this.#fps;
  }

  #draw(): I420Frame {
    const index = this.#next++;
    const [from, to] = [this.#startOf(index), this.#startOf(index + 1)];
    // Those of pictures that were left out are lost.
    while (this.#onsets[0] !== undefined && this.#onsets[0] < from) this.#onsets.shift();
    const begins = this.#onsets[0] !== undefined && this.#onsets[0] < to ? this.#onsets.shift() : undefined;
    const onsetMs = begins === undefined ? undefined : ((begins - from) * 1000) / ENGINE_RATE;
    this.#paint(index, onsetMs !== undefined);
    drawCode(this.#frame, codeBits({ drawnMs: Date.now(), index, onsetMs }));
    return this.#frame;
  }

  #paint(index: number, flash: boolean): void {
    const { widthPx, heightPx, data } = this.#frame;
    const background = this.#background;
    for (let y = 0; y < heightPx; y += 1) {
      const row = y * widthPx;
      // Rolls down and to the right, as a moving picture does, over grain that is new in each picture.
      const at = ((y + index * 3) * widthPx + index * 5) % (NOISE_BYTES - widthPx);
      data.set(background.subarray(at, at + widthPx), row);
    }
    if (!flash) return;
    for (let y = heightPx >> 1; y < heightPx; y += 1)
      data.fill(WHITE, y * widthPx + (widthPx >> 2), y * widthPx + 3 * (widthPx >> 2));
  }
}

/** Finds where beeps begin: at the first sample of half their strength after quiet. */
class OnsetEar {
  heardSamples = 0;
  #loudUntil = -Infinity;

  push(pcm: Float32Array): number[] {
    const onsets: number[] = [];
    pcm.forEach((value, at) => {
      if (Math.abs(value) < BEEP_AMPLITUDE / 2) return;
      const sample = this.heardSamples + at;
      if (sample > this.#loudUntil) onsets.push(sample);
      this.#loudUntil = sample + QUIET_SAMPLES;
    });
    this.heardSamples += pcm.length;
    return onsets;
  }
}

/** Soft blobs with grain, the same every time. */
function noise(): Uint8Array {
  const bytes = new Uint8Array(NOISE_BYTES);
  let state = 1;
  let level = 110;
  for (let i = 0; i < NOISE_BYTES; i += 1) {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    const random = state / 2 ** 32 - 0.5;
    level += 8 * random + 0.02 * (110 - level);
    bytes[i] = Math.min(200, Math.max(30, level + 12 * random));
  }
  return bytes;
}

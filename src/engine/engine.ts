import type { I420Frame } from '../media/frame.js';

/** A prepared avatar, opened for reading by one worker. Frames are read on demand, never all held in memory. */
export interface AvatarSource {
  readonly id: string;
  readonly widthPx: number;
  readonly heightPx: number;
  readonly frameCount: number;
  readonly fps: number;
  /** True for a photo: the engine adds blinks and slight sway. */
  readonly still: boolean;
  /** Reads picture `index` (0..frameCount-1) into `target` (I420, i420SizeBytes long). */
  readFrame(index: number, target: Uint8Array): void;
  /** 1404 values of picture `index` (see media/frame.ts Landmarks); a view, not to be written to. */
  landmarks(index: number): Float32Array;
  close(): void;
}

/** Turns one avatar and a stretch of sound into pictures. One instance a session. */
export interface EngineStream {
  /** How much sound after a picture's own time the engine needs before it can draw it. */
  readonly lookaheadMs: number;
  /**
   * Appends 16 kHz mono samples (-1..1) and yields, in order, each picture whose sound is now complete.
   * Picture k shows media time k / fps, counted from the first sample pushed. The yielded buffer belongs to the
   * stream and is valid until the next one is asked for.
   */
  push(pcm: Float32Array): AsyncIterable<I420Frame>;
  /**
   * Leaves the next `count` pictures out: they are neither drawn nor yielded, and the one after them is the next.
   * For a machine that cannot keep up: a picture that is missing is better than one that is late for ever.
   */
  skip(count: number): void;
  close(): Promise<void>;
}

export interface EngineStreamOptions {
  fps: number;
}

export interface Engine {
  readonly name: 'cpu' | 'musetalk';
  open(avatar: AvatarSource, options: EngineStreamOptions): Promise<EngineStream>;
  close(): Promise<void>;
}
